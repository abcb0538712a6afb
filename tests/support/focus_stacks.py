"""Stacks of planes in focus in parts, and their fusion."""

import cv2
import numpy as np
import tifffile

from seamwise.fusion import (
    FuseOptions,
    FuseOutputs,
    fuse_burst,
    fuse_files,
)
from seamwise.io.ome_zarr import write_image

HEIGHT, WIDTH, COUNT = 40, 60, 3


def planes(seed):
    """Three planes `(Z, Y, X)`, each in focus in a third of the picture."""
    scene = np.random.default_rng(seed).random((HEIGHT, WIDTH)).astype(np.float32)
    blurred = cv2.GaussianBlur(scene, (0, 0), 3)
    stack = np.stack([blurred] * COUNT)
    for number in range(COUNT):
        third = np.s_[:, 20 * number : 20 * number + 20]
        stack[number][third] = scene[third]
    return np.round(stack * 60000).astype(np.uint16)


def hyperstack():
    """`(T, Z, C, Y, X)`: two time points, two channels."""
    return np.stack([np.stack([planes(2 * t + c) for c in range(2)], 1) for t in range(2)])


def run(inputs, output, *, overwrite=False, **files):
    options = FuseOptions(model="gff", align=True)
    files = FuseOutputs(overwrite=overwrite, **files)
    outcomes = list(fuse_files(inputs, output, options, files=files))
    assert not any(outcome.failed for outcome in outcomes), outcomes
    return outcomes


def assert_equal_but_rounding(picture, wanted):
    """Arrays are summed in an order of their own, and sums round differently."""
    np.testing.assert_allclose(picture.astype(int), wanted.astype(int), rtol=0, atol=1)


def alone(stack):
    return fuse_burst(list(stack), FuseOptions(model="gff", align=True)).image


def save(folder, name, pixels, axes):
    path = folder / name
    if name.endswith(".zarr"):
        order = ["TCZYX".index(a) for a in "TCZYX" if a in axes]
        assert order == sorted(order)
        pixels = pixels.transpose([axes.index(a) for a in "TCZYX" if a in axes])
        write_image(
            path, pixels, axes="".join(a for a in "TCZYX" if a in axes), spacing=(2, 0.5, 0.25)
        )
    elif name.endswith(".ome.tif"):
        sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
        units = {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}
        tifffile.imwrite(path, pixels, metadata={"axes": axes, **sizes, **units})
    else:
        tifffile.imwrite(
            path, pixels, imagej=True, resolution=(4, 2),
            metadata={"axes": axes, "unit": "um", "spacing": 2.0},
        )  # fmt: skip
    return path


def fault(inputs, output):
    try:
        (outcome,) = list(fuse_files(inputs, output, FuseOptions(model="gff")))
    except ValueError as error:
        return str(error)
    assert outcome.failed
    return outcome.messages[-1]


def damaged_plane(folder, axes, pixels, page):
    """A compressed stack of which one page cannot be decoded."""
    path = folder / "d.ome.tif"
    tifffile.imwrite(path, pixels, compression="zlib", metadata={"axes": axes})
    with tifffile.TiffFile(path) as file:
        offset, length = (file.pages[page].dataoffsets[0], file.pages[page].databytecounts[0])
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(length)
    path.write_bytes(content)
    return path
