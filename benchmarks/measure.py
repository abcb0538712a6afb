"""Time and memory of `seamwise measure`: 100,000 cells in four channels of 40 megapixels.

From files to the table: labels and image are read, everything but ``--shape`` is measured, the CSV
is written. The peak is that of a process of its own. The reference of the same run is
scikit-image's regionprops on a twentieth of the image, with what it has of the same columns.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from skimage.measure import regionprops_table

from seamwise.io import open_ome_zarr, write_image, write_labels
from seamwise.measure import measure_files, pair_images

PITCH = 20  # pixels from cell to cell
CHANNELS = 4
REFERENCE = 20  # share of the image that regionprops measures
PROPERTIES = (
    "label", "area", "centroid", "bbox", "equivalent_diameter_area", "axis_major_length",
    "axis_minor_length", "eccentricity", "orientation", "intensity_mean", "intensity_median",
    "intensity_std", "intensity_min", "intensity_max",
)  # fmt: skip


def draw(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells on a grid, every second pair touching, and four channels of noise: image, labels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:PITCH, :PITCH]
    numbers = np.arange(1, rows * columns + 1, dtype=np.uint32).reshape(rows, columns)
    labels = np.kron(numbers, np.ones((PITCH, PITCH), np.uint32))
    for shift, part in ((0, slice(0, None, 2)), (1, slice(1, None, 2))):
        middle = PITCH / 2 - 0.5 + (1 - 2 * shift)
        disc = (y - PITCH / 2 + 0.5) ** 2 + (x - middle) ** 2 <= (PITCH / 2 - 0.8) ** 2
        tall = labels.reshape(rows, PITCH, columns, PITCH)[:, :, part]
        tall *= disc[:, np.newaxis]
    image = rng.integers(0, 4096, (CHANNELS, *labels.shape), dtype=np.uint16)
    image += (labels > 0) * np.uint16(500)
    return image, labels


def write(folder: Path, rows: int, columns: int, *, as_zarr: bool) -> None:
    """Write image and labels as compressed TIFF or as OME-Zarr."""
    image, labels = draw(rows, columns)
    if as_zarr:
        write_image(folder / "image.ome.zarr", image, axes="CYX", spacing=(0.5, 0.5))
        write_image(folder / "labels.ome.zarr", labels, axes="YX", spacing=(0.5, 0.5), labels=True)
        assert open_ome_zarr(folder / "labels.ome.zarr").levels
        return
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(
        folder / "image.ome.tif", image, photometric="minisblack", metadata=metadata,
        compression="zlib",
    )  # fmt: skip
    write_labels(folder / "labels.tif", labels)


def work(folder: Path, ending: str, answers: "multiprocessing.Queue") -> None:
    """Measure, and answer with seconds, seconds of the processor, GB and cells."""
    begin, busy = time.perf_counter(), time.process_time()
    (image,) = folder.glob(f"image.ome.{ending}")
    (labels,) = folder.glob(f"labels*.{ending}")
    (outcome,) = measure_files(pair_images(image, labels), folder / "cells.csv")
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    answers.put((seconds, busy, peak, outcome.messages[-1].rpartition(": ")[2]))


def reference(rows: int, columns: int) -> float:
    """Seconds of the processor that regionprops takes for a part, for the whole image."""
    part = max(rows // REFERENCE, 1)
    image, labels = draw(part, columns)
    begin = time.process_time()
    regionprops_table(
        labels,
        np.moveaxis(image, 0, -1),
        properties=PROPERTIES,
        spacing=(0.5, 0.5),
    )
    return (time.process_time() - begin) * rows / part


def main() -> None:
    """Print one line for each kind of file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the image")
    rows, columns = (32, 32) if parser.parse_args().quick else (317, 316)
    slow = reference(rows, columns)
    context = multiprocessing.get_context("spawn")
    for ending in ("tif", "zarr"):
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), rows, columns, as_zarr=ending == "zarr")
            answers = context.Queue()
            process = context.Process(target=work, args=(Path(name), ending, answers))
            process.start()
            seconds, busy, peak, cells = answers.get()
            process.join()
        print(
            f"{ending:5s} {cells}, {CHANNELS} channels: {seconds:.1f} s, of which the processor "
            f"{busy:.1f} s (regionprops {slow:.1f} s, {slow / busy:.1f} times), peak {peak:.2f} GB"
        )


if __name__ == "__main__":
    main()
