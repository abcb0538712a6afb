"""Where the labels of an image that is larger than memory go: `Target`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.io.atomic import make_folder
from seamwise.io.jsonfile import read_json
from seamwise.io.links import real_path
from seamwise.io.lock import lock_file
from seamwise.io.ome_zarr import (
    Draft,
    ZarrStorage,
    create_image,
    create_labels,
    is_ome_zarr,
    label_names,
    open_ome_zarr,
    read_record,
)
from seamwise.io.provenance import Provenance
from seamwise.io.volume import Volume, open_labels_of
from seamwise.labels import smallest_dtype
from seamwise.segmentation.big.memory import CHUNK
from seamwise.segmentation.options import OutputOptions
from seamwise.segmentation.seam_files import seams_path


@dataclass(frozen=True)
class Target:
    """Where the labels go: into the image, or into a folder of their own."""

    volume: Volume
    output: Path
    files: OutputOptions

    @property
    def is_inside(self) -> bool:
        """Whether the labels become part of the image."""
        image = self.volume.path
        return is_ome_zarr(image) and real_path(self.output) == real_path(image)

    @property
    def path(self) -> Path:
        """The folder of the labels."""
        return self.output / "labels" / self.files.name if self.is_inside else self.output

    @property
    def maps(self) -> Path | None:
        """Where the probabilities go; None without them."""
        return maps_path(self.output) if self.files.probabilities and not self.is_inside else None

    @property
    def seams(self) -> Path:
        """Where the doubts along the seams go."""
        return seams_path(self.path, self.volume.path)

    @property
    def needs_maps(self) -> bool:
        """Whether the probabilities of all blocks are kept until the end."""
        return self.maps is not None or self.files.seams

    @property
    def work(self) -> Path:
        """The work folder."""
        return work_folder(self.output, self.files.name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out: two of them would mix their results."""
        make_folder(self.work.parent)
        with lock_file(self.work.with_suffix(".lock"), name=str(self.path)):
            yield

    def record(self) -> dict[str, Any] | None:
        """Return how the labels or an interrupted run were made; None if they are replaced."""
        return None if self.files.overwrite else record_of_labels(self.path, self.work)

    @property
    def has_labels(self) -> bool:
        """Whether there are labels already that may not be replaced."""
        exists = self.output.exists()
        if self.is_inside:
            exists = self.files.name in label_names(self.output)
        return exists and not self.files.overwrite

    def lacks_seams_only(self, provenance: Provenance) -> bool:
        """Whether the labels exist, made in this way, without the doubts that are asked for."""
        lacks_seams = self.files.seams and not self.seams.exists()
        return lacks_seams and self.has_labels and not difference_of_labels(self.path, provenance)

    def labels(self) -> Volume:
        """Open the labels that exist."""
        return open_labels_of(self.path, self.volume)

    def check(self, provenance: Provenance) -> None:
        """Raise errors now that would stop the job only at its end."""
        if self.has_labels and not self.lacks_seams_only(provenance):
            raise self._exists_error(provenance)
        if self.is_inside:
            self._check_axes()
            return
        image, output = real_path(self.volume.path), real_path(self.output)
        if image == output or image in output.parents or output in image.parents:
            raise ValueError(
                f"cannot write {self.output}: the image is {self.volume.path}; "
                "choose another folder"
            )
        if self.output.exists() and not is_ome_zarr(self.output):
            raise FileExistsError(
                f"cannot replace {self.output}: it is not an OME-Zarr folder; choose another name"
            )

    def _exists_error(self, provenance: Provenance) -> FileExistsError:
        difference = difference_of_labels(self.path, provenance)
        detail = f", {difference}" if difference else ""
        other = "another --name" if self.is_inside else "another folder"
        return FileExistsError(
            f"{self.path} already exists{detail}: choose {other}, or --overwrite it"
        )

    def _check_axes(self) -> None:
        """Labels within an image have its axes: it must not be read with others."""
        volume, lengths = self.volume, self._lengths()
        spatial = tuple(lengths[a] for a in volume.axes if a in lengths)
        has_depth = "Z" in volume.axes or lengths.get("Z", 1) == 1
        if (spatial, lengths.get("T", 1), has_depth) != (volume.shape, volume.times, True):
            raise ValueError(
                f"{self.output} is read as {volume.axes} {volume.shape} with {volume.times} time "
                "points, which are not its own axes: write the labels into another folder"
            )

    def _lengths(self) -> dict[str, int]:
        image = open_ome_zarr(self.output)
        return dict(zip(image.axes, image.levels[0].shape, strict=True))

    def draft(self, cell_count: int, provenance: Provenance) -> Draft:
        """Begin the label image; it appears whole, or not at all."""
        dtype = smallest_dtype(0, cell_count)
        axes, shape, output = self.volume.axes, self.volume.shape, real_path(self.output)
        chunks = self._chunks
        if self.is_inside:
            chunk_sizes = [chunks.get(a, 1) for a in self._lengths() if a in "ZYX"]
            draft = create_labels(
                output,
                self.files.name,
                dtype=dtype,
                chunks=chunk_sizes,
                overwrite=self.files.overwrite,
            )
            return replace(draft, record=provenance.record())
        times = self.volume.times
        draft = create_image(
            output,
            (times, *shape) if times > 1 else shape,
            axes=f"T{axes}" if times > 1 else axes,
            dtype=dtype,
            spacing=self.volume.spacing,
            labels=True,
            storage=ZarrStorage(self.files.zarr_version, list(chunks.values())),
            overwrite=self.files.overwrite,
        )
        return replace(draft, record=provenance.record())

    def draft_maps(self, channels: int, provenance: Provenance) -> Draft:
        """Begin the image of the probabilities; it appears whole, or not at all."""
        volume, path = self.volume, maps_path(self.output)
        times = [volume.times] if volume.times > 1 else []
        make_folder(path.parent)
        draft = create_image(
            real_path(path),
            (*times, channels, *volume.shape),
            axes=f"{'T' * len(times)}C{volume.axes}",
            dtype=np.float16,
            spacing=volume.spacing,
            storage=ZarrStorage(self.files.zarr_version, list(self._chunks.values())),
            overwrite=True,
        )
        return replace(draft, record=provenance.record())

    @property
    def _chunks(self) -> dict[str, int]:
        axes, shape = self.volume.axes, self.volume.shape
        return {a: min(CHUNK[len(shape)], n) for a, n in zip(axes, shape, strict=True)}


def maps_path(labels: Path) -> Path:
    """Return where the probabilities are of which an OME-Zarr folder holds the labels."""
    return labels.parent / "probabilities" / labels.name


def difference_of_labels(labels: Path, provenance: Provenance) -> str:
    """Return how existing labels were made otherwise; empty if they were not, or keep no record."""
    record = read_record(labels)
    return provenance.difference(record) if record else ""


def record_of_labels(labels: Path, work: Path) -> dict[str, Any] | None:
    """Return how labels, or an interrupted run towards them, were made; None without a record."""
    job = work / "job.json"
    return read_record(labels) or (read_json(job) if job.exists() else None)


def work_folder(output: Path, name: str = OutputOptions.name) -> Path:
    """Return where `segment_volume` works: hidden, next to the output.

    The path is absolute, for workers that run in another folder.
    """
    output = real_path(output)
    return output.parent / f".{output.name}.{name}.work"
