"""One image of many, and the files that it becomes; see `ImageJob`."""

from dataclasses import dataclass
from pathlib import Path

from seamwise.io.atomic import has_long_name
from seamwise.io.listing import stem
from seamwise.segmentation.big.target import maps_path
from seamwise.segmentation.doubt_files import doubts_path
from seamwise.segmentation.options import OutputOptions
from seamwise.segmentation.seam_files import seams_path


@dataclass(frozen=True)
class ImageJob:
    """One image and the files it becomes; block by block an OME-Zarr folder, without an overlay.

    `memory` is the estimated peak, in bytes, if it is segmented in one piece.
    """

    image: Path
    labels: Path
    overlay: Path
    by_block: bool = False
    memory: int = 0

    @property
    def maps(self) -> Path:
        """Where class probabilities go: labels have the folder above to themselves."""
        if self.by_block:
            return maps_path(self.labels)
        return self.overlay.parent / "probabilities" / f"{stem(self.image)}.tif"

    @property
    def seams(self) -> Path:
        """Where the doubts along the seams go."""
        return seams_path(self.labels, self.image)

    @property
    def doubts(self) -> Path:
        """Where the doubts about the cells go."""
        return doubts_path(self.labels, self.image)

    def wanted(self, files: OutputOptions) -> list[Path]:
        """The files that the image becomes."""
        wanted = [self.labels]
        wanted += [self.overlay] if files.overlay else []
        wanted += [self.maps] if files.probabilities else []
        wanted += [self.seams] if files.seams else []
        return wanted + ([self.doubts] if files.seams and not self.by_block else [])

    def is_done(self, files: OutputOptions) -> bool:
        """Whether all files exist that are wanted."""
        return not files.overwrite and all(path.exists() for path in self.wanted(files))

    def refusal(self, files: OutputOptions) -> str:
        """Why the image cannot be segmented, in a line; empty if nothing is known."""
        for path in self.wanted(files):
            if has_long_name(path):
                return f"{self.image}: the name of its result {path.name} is too long: rename it"
        return ""
