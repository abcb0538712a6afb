"""What `fuzz` reads: for each reader valid samples, and how one of them is changed."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from support.hostile import NESTED, damaged, json_text, with_checksums, with_other_words

RAMP = np.arange(24 * 20, dtype=np.uint16).reshape(24, 20)
BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY i SYSTEM "file:///etc/passwd">]>'


@dataclass(frozen=True)
class Case:
    """Files by their name in a folder, of which a reader gets one, or the folder `path`."""

    files: dict[str, bytes]
    path: str

    def write(self, folder: Path) -> Path:
        """Write the files; what the reader gets."""
        for name, content in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return folder / self.path


@dataclass(frozen=True)
class Reader:
    """A function, its valid samples, and what changes one of them and writes it."""

    samples: Callable[[], list[Case]]
    change: Callable[[Case, np.random.Generator, Path], Path]
    read: Callable[[Path], object]


def one(name: str, content: bytes) -> Case:
    return Case({name: content}, name)


def changed_bytes(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    """Damage the bytes of one file."""
    name = str(rng.choice(sorted(case.files)))
    return Case({**case.files, name: damaged(case.files[name], rng)}, case.path).write(folder)


def changed_png(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    """Damage a PNG; mostly with checksums that fit, so that its chunks are read."""
    content = damaged(case.files[case.path], rng)
    content = with_checksums(content) if rng.integers(4) else content
    return one(case.path, content).write(folder)


def changed_json(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    """Change values in one of the JSON files."""
    names = [name for name in sorted(case.files) if name.endswith(("json", ".zattrs", ".zarray"))]
    name = str(rng.choice(names))
    content = json_text(json.loads(case.files[name]), rng)
    return Case({**case.files, name: content}, case.path).write(folder)


def changed_text(pattern: str) -> Callable[[Case, np.random.Generator, Path], Path]:
    """Replace parts of a text that match the pattern, or damage its bytes."""

    def change(case: Case, rng: np.random.Generator, folder: Path) -> Path:
        content = case.files[case.path]
        if rng.integers(4):
            text = with_other_words(content.decode(), pattern, rng)
            content = text.encode("utf-8", "surrogatepass")
        if rng.integers(4) == 0:
            content = damaged(content, rng)
        if rng.integers(20) == 0:
            content += b"\na = " + b"[" * NESTED
        return one(case.path, content).write(folder)

    return change


def tiff(array: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def tiffs() -> list[Case]:
    colours = np.dstack([RAMP % 256] * 3).astype(np.uint8)
    stack = np.stack([RAMP, RAMP + 1, RAMP + 2])
    kinds: list[bytes] = [
        tiff(RAMP),
        tiff(RAMP, compression="zlib", tile=(16, 16), bigtiff=True),
        tiff(RAMP.astype(np.uint8), compression="lzw", predictor=True, rowsperstrip=5),
        tiff(RAMP.astype(np.float32), byteorder=">", photometric="miniswhite"),
        tiff(stack, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"}),
        tiff(stack, photometric="minisblack", metadata={"axes": "ZYX"}, compression="packbits"),
        tiff(colours, photometric="rgb", compression="jpeg"),
        tiff(colours, photometric="rgb", extratags=[(274, "H", 1, 6, True)]),
        tiff(RAMP % 2 == 1, photometric="minisblack"),
    ]
    return [one(f"{i}.tif", content) for i, content in enumerate(kinds)]


def read_picture(path: Path) -> None:
    """Read a file as every command might."""
    from seamwise import io

    errors = []
    names = ("read_image", "read_labels", "open_volume", "open_labels", "count_samples")
    names += ("photo_info", "read_photo")
    for name in names:
        try:
            getattr(io, name)(path)
        except (ValueError, TypeError, OSError, MemoryError) as error:
            errors.append(error)
    if len(errors) == len(names):
        raise errors[0]


def read_parts(path: Path) -> None:
    """Open an image and read all its parts."""
    from seamwise.io import open_volume

    volume = open_volume(path)
    chunk = tuple(slice(0, min(c, n)) for c, n in zip(volume.chunks, volume.shape, strict=True))
    volume.read(chunk)
    last = tuple(slice(n - 1, n) for n in volume.shape)
    volume.read(last, time=volume.times - 1)
    read_picture(path)


def raster(kind: str, array: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def exif() -> bytes:
    """EXIF with a time, an orientation, a place and an inner directory."""
    block = PIL.Image.Exif()
    block[274], block[271], block[306] = 6, "camera", "2026:05:04 12:30:00"
    inner = block.get_ifd(34665)
    inner[36867], inner[37521] = "2026:05:04 12:30:00", "25"
    block.get_ifd(34853)[2] = (1.0, 2.0, 3.0)
    return block.tobytes()


def pngs() -> list[Case]:
    from PIL import ImageCms
    from PIL.PngImagePlugin import PngInfo

    grey = (RAMP % 256).astype(np.uint8)
    colours = np.dstack([grey] * 3)
    palette = PIL.Image.fromarray(grey % 8).convert("P")
    stream = io.BytesIO()
    palette.save(stream, "PNG", transparency=b"\xff\0")
    text = PngInfo()
    text.add_itxt("Raw profile type exif", "\nexif\n  8\n" + exif()[6:].hex(), zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kinds = [
        raster("PNG", grey),
        raster("PNG", RAMP),
        raster("PNG", colours, exif=exif(), icc_profile=profile),
        raster("PNG", colours, pnginfo=text),
        raster("PNG", np.dstack([colours, grey | 255])),
        raster("PNG", grey > 99),
        stream.getvalue(),
    ]
    return [one(f"{i}.png", content) for i, content in enumerate(kinds)]


def jpegs() -> list[Case]:
    grey = (RAMP % 256).astype(np.uint8)
    colours = np.dstack([grey] * 3)
    kinds = [
        raster("JPEG", grey),
        raster("JPEG", colours, progressive=True),
        raster("JPEG", colours, exif=exif(), icc_profile=bytes(300)),
    ]
    return [one(f"{i}.jpg", content) for i, content in enumerate(kinds)]


def exifs() -> list[Case]:
    """EXIF alone; `changed_exif` puts it into photographs."""
    return [one("0.jpg", raster("JPEG", (RAMP % 256).astype(np.uint8), exif=exif()))]


def changed_exif(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    block = damaged(exif(), rng)
    kind = ("JPEG", "PNG")[rng.integers(2)]
    content = raster(kind, (RAMP % 256).astype(np.uint8), exif=block)
    return one(f"0.{kind[:3].lower()}", content).write(folder)


def read_and_copy(path: Path) -> None:
    """Read a photograph and write it with its EXIF in each format."""
    from seamwise.io import photo_info, read_photo, write_photo

    photo_info(path)
    photo = read_photo(path)
    for suffix in (".tif", ".png", ".jpg"):
        copy = path.with_name(f"copy{suffix}")
        write_photo(copy, photo.pixels, exif=photo.exif, icc=photo.icc)
        read_photo(copy)


def ome_tiffs() -> list[Case]:
    stack = np.stack([RAMP, RAMP + 1, RAMP + 2, RAMP + 3])
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 500}
    sizes["PhysicalSizeYUnit"] = "nm"
    stream = io.BytesIO()
    tifffile.imwrite(stream, stack, ome=True, metadata={"axes": "ZYX", **sizes})
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        text = file.ome_metadata or ""
    return [Case({"a.ome.tif": stream.getvalue(), "text.xml": text.encode()}, "a.ome.tif")]


XML = r'="([^"]*)"|<(\w+)|>([^<]+)<'


def changed_ome(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    """Pages with a changed description: entities, depth, parts in other files, other values."""
    text = case.files["text.xml"].decode()
    text = with_other_words(text, XML, rng) if rng.integers(4) else text
    kind = rng.integers(12)
    if kind < 2:
        text = text.replace("<OME", (BOMB, OUTSIDE)[kind] + "<OME", 1).replace('"XYZCT"', '"&i;"')
    elif kind == 2:
        text = text.replace("<Image", "<a>" * 50_000 + "<Image", 1)
    elif kind == 3:
        name = str(rng.choice(["../b.tif", "/etc/passwd", "", "a.ome.tif", ".", "a" * 300]))
        part = f'<TiffData IFD="0"><UUID FileName="{name}">urn:uuid:a</UUID></TiffData>'
        text = text.replace("<TiffData", part + "<TiffData", 1)
    content = text.encode("utf-8", "surrogatepass")
    content = damaged(content, rng) if kind == 4 else content
    content = content.replace(b"\0", b"") or b"<OME>"
    stack = np.stack([RAMP, RAMP + 1, RAMP + 2, RAMP + 3])
    pages = tiff(stack, photometric="minisblack", metadata=None, description=content)
    return one(case.path, pages).write(folder)


def ome_zarrs() -> list[Case]:
    import tempfile

    from seamwise.io import ZarrStorage, write_image

    cases = []
    with tempfile.TemporaryDirectory() as temporary:
        for version in ("0.4", "0.5"):
            path = Path(temporary) / f"{version}.zarr"
            stack = np.stack([RAMP, RAMP + 1])
            write_image(
                path,
                stack,
                axes="ZYX",
                spacing=(1.0, 0.5, 0.5),
                storage=ZarrStorage(version=version),
            )
            files = {
                str(file.relative_to(path.parent)): file.read_bytes()
                for file in sorted(path.rglob("*"))
                if file.is_file()
            }
            cases.append(Case(files, path.name))
    return cases


def read_zarr(path: Path) -> None:
    from seamwise.io import label_names, open_ome_zarr

    label_names(path)
    open_ome_zarr(path)
    read_parts(path)


def tomls() -> list[Case]:
    root = Path(__file__).parents[2] / "recipes"
    files = sorted(root.glob("*.toml"))
    own = "steps = 3\nlearning_rate = 1e-3\ncrop = [64, 32]\n[weights]\nkind = 'balance'\n"
    return [one("own.toml", own.encode()), *(one(file.name, file.read_bytes()) for file in files)]


def read_all_settings(path: Path) -> None:
    from seamwise.engine.settings import read_settings
    from seamwise.fusion.settings import FusionSettings
    from seamwise.segmentation.settings import TrainSettings

    for kind in (TrainSettings, FusionSettings):
        try:
            read_settings(kind, path)
        except (ValueError, OSError) as error:
            str(error)


ALIGNMENT = {
    "kind": "seamwise alignment 1",
    "shape": [24, 20],
    "reference": 0,
    "names": ["a.png", "b.png"],
    "matrices": np.stack([np.eye(3)] * 2).tolist(),
    "gains": [[1.0], [1.0]],
    "unmatched": [1],
    "correlations": [None, 0.5],
    "hints": [0.0, 1.0],
}


def jsons() -> list[Case]:
    """What runs leave, and read again: an alignment, a journal, a record of nnU-Net."""
    return [one("alignment.json", json.dumps(ALIGNMENT).encode())]


def read_records(path: Path) -> None:
    from seamwise.fusion.alignment import Alignment
    from seamwise.io import Provenance, read_json

    with suppress(ValueError, OSError):
        Provenance({"steps": 3, "a": [1, {"b": 2}]}).difference(read_json(path))
    Alignment.load(path)


def geojsons() -> list[Case]:
    square = [[[1, 1], [9, 1], [9, 8], [1, 8], [1, 1]]]
    feature = {
        "type": "Feature",
        "id": "a",
        "geometry": {"type": "Polygon", "coordinates": square, "plane": {"c": -1, "z": 0, "t": 0}},
        "properties": {"name": "7"},
    }
    many = {"type": "MultiPolygon", "coordinates": [square, square]}
    content = {"type": "FeatureCollection", "features": [feature, {**feature, "geometry": many}]}
    return [one("a.geojson", json.dumps(content).encode())]


def cocos() -> list[Case]:
    row = {"image_id": 1, "category_id": 1, "iscrowd": 0, "area": 1, "bbox": [1, 1, 2, 2]}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 24, "width": 20}],
        "annotations": [
            {**row, "id": 1, "label": 3, "segmentation": [[1, 1, 9, 1, 9, 8, 1, 8]]},
            {
                **row,
                "id": 2,
                "label": 4,
                "segmentation": {"size": [24, 20], "counts": [50, 9, 421]},
            },
            {**row, "id": 3, "label": 5, "segmentation": {"size": [24, 20], "counts": "b19n<"}},
        ],
        "categories": [{"id": 1, "name": "cell"}],
    }
    return [one("a.json", json.dumps(content).encode())]


def rois() -> list[Case]:
    import tempfile

    from seamwise.exchange.outlines import trace
    from seamwise.exchange.roi import write_rois

    labels = np.zeros((24, 20), np.uint8)
    labels[2:9, 3:8], labels[12:20, 3:15], labels[14:16, 5:9] = 1, 2, 0
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "a.zip"
        write_rois(path, trace(labels))
        with zipfile.ZipFile(path) as archive:
            single = archive.read(archive.namelist()[0])
        return [one("a.zip", path.read_bytes()), one("a.roi", single)]


def draw(path: Path) -> None:
    """Draw a file of outlines as a label image."""
    from seamwise.exchange import import_labels

    for outcome in import_labels([path], path.with_name("out")):
        str(outcome)


def safetensors() -> list[Case]:
    from safetensors.numpy import save

    from seamwise.io import Architecture, SegmentationInfo
    from seamwise.nets.graph import unet_shapes

    net = Architecture(in_channels=1, out_channels=3, width=2, depth=1, norm="batch")
    names = {"classes": ("background", "cell", "touching"), "channels": ("grey",)}
    info = SegmentationInfo(architecture=net, **names)
    shapes = unet_shapes(in_channels=1, out_channels=3, ndim=2, width=2, depth=1, norm="batch")
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    content = save(weights, metadata={"seamwise": info.model_dump_json()})
    return [one("a.safetensors", content)]


def changed_model(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    """Damage a model file, its header, or the description in it."""
    content = case.files[case.path]
    length = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + length], content[8 + length :]
    kind = rng.integers(4)
    if kind == 0:
        return one(case.path, damaged(content, rng)).write(folder)
    fields = json.loads(header)
    if kind == 1:
        header = json_text(fields, rng)
    else:
        description = json.loads(fields["__metadata__"]["seamwise"])
        text = json_text(description, rng).decode("utf-8", "replace")
        header = json.dumps({**fields, "__metadata__": {"seamwise": text}}).encode()
    return one(case.path, len(header).to_bytes(8, "little") + header + rest).write(folder)


def load(path: Path) -> None:
    from seamwise.engine.networks import load_network
    from seamwise.io import ModelInfo, read_card

    load_network(path, ModelInfo, device="cpu", runtime="torch")
    read_card(path)


def tables() -> list[Case]:
    rows = "id,file,time,area,round\n1,a.png,0,3.5,TRUE\n2,a.png,0,,FALSE\n1,b/A1.tif,1,1e3,TRUE\n"
    return [one("a.csv", rows.encode())]


def read_table(path: Path) -> None:
    from seamwise.exchange.measurements import read_measurements

    read_measurements(path)


def series() -> list[Case]:
    masks = {f"mask{t:03}.tif": tiff((RAMP % 3).astype(np.uint16)) for t in range(3)}
    return [Case({**masks, "res_track.txt": b"1 0 2 0\n2 1 2 1\n"}, ".")]


def changed_series(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    name = "res_track.txt"
    text = with_other_words(case.files[name].decode(), r"\d+", rng)
    content = text.encode("utf-8", "surrogatepass")
    content = damaged(content, rng) if rng.integers(3) == 0 else content
    return Case({**case.files, name: content}, case.path).write(folder)


def read_series(path: Path) -> None:
    from seamwise.io.ctc import read_ctc

    read_ctc(path)


def space(name: str, size: str) -> str:
    return f"  - {{type: space, id: {name}, size: {size}}}\n"


def plane(channels: str, *sizes: str) -> str:
    """The axes of a plane in a package's description."""
    spaces = "".join(map(space, "yx", sizes))
    names = f"{{type: channel, channel_names: [{channels}]}}"
    return f"  axes:\n  - {{type: batch}}\n  - {names}\n{spaces}"


STEP = "{min: 16, step: 16}"
SAME = "{tensor_id: image, axis_id: %s}"
RDF = (
    "type: model\nformat_version: 0.5.4\nname: a\ninputs:\n- id: image\n"
    + plane("grey", STEP, STEP)
    + "  data: {type: float32}\n  preprocessing:\n  - id: scale_range\n"
    + "    kwargs: {min_percentile: 1.0, max_percentile: 99.8, axes: [y, x]}\n"
    + "outputs:\n- id: probabilities\n"
    + plane("background, cell, touching", SAME % "y", SAME % "x")
    + "  test_tensor: {source: test.npy}\n"
    + "weights:\n  onnx: {source: weights.onnx, opset_version: 17}\n"
)


def packages() -> list[Case]:
    test = io.BytesIO()
    np.save(test, np.full((1, 3, 16, 16), 1 / 3, np.float32))
    files = {"rdf.yaml": RDF.encode(), "weights.onnx": b"onnx", "test.npy": test.getvalue()}
    return [Case(files, "rdf.yaml")]


def changed_package(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    text = with_other_words(RDF, r": ([\w.]+)|(\w+):|(\[)", rng)
    content = text.encode("utf-8", "surrogatepass")
    content = damaged(content, rng) if rng.integers(4) == 0 else content
    if rng.integers(20) == 0:
        content += b"a: " + b"[" * NESTED
    test = case.files["test.npy"]
    test = damaged(test, rng) if rng.integers(10) == 0 else test
    return Case({**case.files, "rdf.yaml": content, "test.npy": test}, case.path).write(folder)


def read_a_package(path: Path) -> None:
    from seamwise.io.bioimageio import read_package

    read_package(path)


TOML = r"= ([^\n]+)|\n(\w+) =|(\[\w+\])"

READERS = {
    "tiff": Reader(tiffs, changed_bytes, read_parts),
    "png": Reader(pngs, changed_png, read_picture),
    "jpeg": Reader(jpegs, changed_bytes, read_picture),
    "exif": Reader(exifs, changed_exif, read_and_copy),
    "ome-xml": Reader(ome_tiffs, changed_ome, read_parts),
    "ome-zarr": Reader(ome_zarrs, changed_json, read_zarr),
    "toml": Reader(tomls, changed_text(TOML), read_all_settings),
    "json": Reader(jsons, changed_json, read_records),
    "safetensors": Reader(safetensors, changed_model, load),
    "geojson": Reader(geojsons, changed_json, draw),
    "coco": Reader(cocos, changed_json, draw),
    "roi": Reader(rois, changed_bytes, draw),
    "csv": Reader(tables, changed_text(r"[^,\n]+"), read_table),
    "tracks": Reader(series, changed_series, read_series),
    "yaml": Reader(packages, changed_package, read_a_package),
}
