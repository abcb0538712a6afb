"""What the page asks for to save cells: `SaveDoor`."""

from typing import Any, Literal

from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from seamwise_web.answers import Handler, download, shown_place
from seamwise_web.downloads import csv_file, tiff_file, zip_file
from seamwise_web.exports import outlines_file, report_file
from seamwise_web.pictures import Picture, Pictures, Place


class SaveDoor:
    """The files of the cells of an image, a method for each.

    Parameters
    ----------
    pictures : Pictures
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each file."""
        one = "/api/pictures/{picture}"
        return [
            ("GET", f"{one}/labels.tif", self.labels),
            ("GET", f"{one}/labels.zip", self.all_labels),
            ("GET", f"{one}/cells.csv", self.table),
            ("GET", f"{one}/rois.zip", self.rois),
            ("GET", f"{one}/cells.geojson", self.geojson),
            ("GET", f"{one}/report.html", self.report),
        ]

    async def labels(self, request: Request) -> Response:
        """Answer the label image of a place as a TIFF file; its corrections count as saved."""
        picture, place = self._shown(request)
        content = await run_in_threadpool(_labels_file, picture, place)
        return download(content, picture.name_of(place, "_masks.tif"), "image/tiff")

    async def all_labels(self, request: Request) -> Response:
        """Answer a ZIP with the label image of each place; all corrections count as saved."""
        picture, _ = self._shown(request)

        def files() -> bytes:
            places = sorted(picture.found)
            names = [picture.name_of(place, "_masks.tif") for place in places]
            contents = (_labels_file(picture, place) for place in places)
            return zip_file(zip(names, contents, strict=True))

        content = await run_in_threadpool(files)
        return download(content, f"{picture.stem}_masks.zip", "application/zip")

    async def table(self, request: Request) -> Response:
        """Answer the table of all cells, of all places, as a CSV file."""
        picture, _ = self._shown(request)
        content = await run_in_threadpool(lambda: csv_file(picture.whole_table()))
        return download(content, f"{picture.stem}_cells.csv", "text/csv; charset=utf-8")

    async def rois(self, request: Request) -> Response:
        """Answer the outlines of a place as ROIs of ImageJ."""
        picture, place = self._shown(request)
        content = await run_in_threadpool(_outlines, picture, place, "roi")
        return download(content, picture.name_of(place, "_rois.zip"), "application/zip")

    async def geojson(self, request: Request) -> Response:
        """Answer the outlines of a place, with their measurements, as GeoJSON."""
        picture, place = self._shown(request)
        content = await run_in_threadpool(_outlines, picture, place, "geojson")
        return download(content, picture.name_of(place, ".geojson"), "application/geo+json")

    async def report(self, request: Request) -> Response:
        """Answer a page about the cells of a place."""
        picture, place = self._shown(request)
        content = await run_in_threadpool(_report, picture, place)
        name = picture.name_of(place, "_report.html")
        return download(content, name, "text/html; charset=utf-8")

    def _shown(self, request: Request) -> tuple[Picture, Place]:
        picture = self._pictures.find(request.path_params["picture"])
        return picture, picture.place(*shown_place(request))


def _labels_file(picture: Picture, place: Place) -> bytes:
    with picture.lock:
        labels = picture.corrected(place).save()
    return tiff_file(labels, picture.spacing_of(place))


def _labels(picture: Picture, place: Place) -> NDArray[Any]:
    with picture.lock:
        return picture.corrected(place).labels.copy()


def _outlines(picture: Picture, place: Place, kind: Literal["roi", "geojson"]) -> bytes:
    labels = _labels(picture, place)
    table = picture.table(place) if kind == "geojson" else None
    return outlines_file(labels, kind, table)


def _report(picture: Picture, place: Place) -> bytes:
    labels, maps = _labels(picture, place), picture.corrected(place).maps
    return report_file(
        picture.name,
        picture.part(place)[maps.channel],
        labels,
        spacing=picture.spacing_of(place),
        maps=maps,
    )
