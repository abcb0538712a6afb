"""Images larger than memory: time, peak of resident memory, and whether seams cut cells.

python benchmarks/volumes.py stack   # 508 × 1024 × 1024 voxels of synthetic tissue, OME-Zarr
python benchmarks/volumes.py slide   # 20,000² pixels with 100,489 cells
python benchmarks/volumes.py memory  # peak of blocks of several sizes, against the estimate
python benchmarks/volumes.py peak    # the most this machine computes, and the network's share

--quick runs each on a small image. Memory is that of the command and all its processes, sampled
ten times a second.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np
import psutil
import torch
import zarr
from scipy import ndimage

from seamwise.engine import memory_format
from seamwise.io import ZarrStorage, create_image
from seamwise.labels import Labels
from seamwise.metrics import overlap_table
from seamwise.segmentation import NetworkLoad, load, plan_blocks
from seamwise.synth import CONFOCAL, tissue

STACK, TILE = (508, 1024, 1024), (127, 256, 256)
NOTHING: Mapping[str, object] = MappingProxyType({})
PITCH = 63  # pixels from one cell of the slide to the next
RUN = """
import json, os, sys, time
from seamwise.engine import Listener, Resources
from seamwise.segmentation import OutputOptions, SegmentOptions, segment_volume
path, output, options, resources, overwrite = json.loads(sys.argv[1])
began, busy, ends = time.perf_counter(), sum(os.times()[:4]), {}
listener = Listener(
    announce=lambda text: print(text, file=sys.stderr),
    # the last report of each stage: a line of all would not fit the pipe, which is read at the end
    report=lambda p: ends.update({p.stage: time.perf_counter() - began}),
)
result = segment_volume(
    path, output, SegmentOptions(**options), Resources(**resources),
    files=OutputOptions(overwrite=overwrite), listener=listener,
)
seconds = time.perf_counter() - began
busy = sum(os.times()[:4]) - busy  # of the processor, with the processes that have ended
cells = sum(result.cells)
print(json.dumps({"cells": cells, "ends": ends, "seconds": seconds, "busy": busy}))
"""


def segmented(
    path: Path,
    output: Path,
    options: Mapping[str, object] = NOTHING,
    resources: Mapping[str, object] = NOTHING,
    *,
    overwrite: bool = False,
) -> dict:
    """Run `segment_volume` in its own process; seconds of each stage, and the peak of memory."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            RUN,
            json.dumps([path, output, dict(options), dict(resources), overwrite], default=str),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, resident(watched))
        time.sleep(0.1)
    assert process.returncode == 0, "the run failed"
    result = json.loads(process.stdout.read())
    ends = result["ends"]
    starts = [0.0, *ends.values()]
    result["stages"] = {
        stage: end - start for (stage, end), start in zip(ends.items(), starts, strict=False)
    }
    result["stages"]["levels and the rest"] = result["seconds"] - starts[-1]
    return {**result, "peak": peak}


def resident(process: psutil.Process) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def say(name: str, result: dict, pixels: int) -> None:
    """Print one run."""
    rate, peak = pixels / 1e6 / result["seconds"], result["peak"] / 1e9
    print(
        f"{name}: {result['cells']} cells, {result['seconds']:.0f} s, "
        f"{rate:.2f} megapixels/s, peak {peak:.2f} GB"
    )
    for stage, seconds in result["stages"].items():
        print(
            f"  {stage:20s} {seconds:7.1f} s  {pixels / 1e6 / max(seconds, 1e-9):8.2f} megapixels/s"
        )


def write_stack(path: Path, shape: tuple[int, ...]) -> Labels:
    """Write tissue, copies of one drawn stack next to each other; return the cells of that one."""
    drawn = tissue(
        TILE, rng=0, filling=1.0, cell_size=26.0, camera=replace(CONFOCAL, spacing=(2, 1, 1))
    )
    draft = create_image(
        path,
        shape,
        axes="ZYX",
        dtype=drawn.image.dtype,
        spacing=(1.0, 0.5, 0.5),
        storage=ZarrStorage(chunks=(64, 64, 64)),
    )
    for z in range(0, shape[0], 64):
        planes = np.arange(z, min(z + 64, shape[0])) % TILE[0]
        slab = np.tile(
            drawn.image[planes],
            [1, *(-(-n // t) for n, t in zip(shape[1:], TILE[1:], strict=True))],
        )
        draft.write(
            (slice(z, z + len(planes)), slice(0, shape[1]), slice(0, shape[2])),
            slab[:, : shape[1], : shape[2]],
        )
    draft.finish()
    return drawn.labels


def count_found(path: Path, drawn: Labels, shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the drawn cells found at an IoU of 0.5, and all, in every whole copy of the drawing.

    Cells at a face of the drawing are cut there, or joined with those of the next copy: they are
    not counted.
    """
    faces = [np.take(drawn, end, axis) for axis in range(drawn.ndim) for end in (0, -1)]
    numbers = np.unique(drawn[drawn > 0])
    whole = ~np.isin(numbers, np.concatenate([face.ravel() for face in faces]))
    cells = zarr.open_group(path, mode="r")["0"]
    found = copies = 0
    for corner in product(*(range(0, n - t + 1, t) for n, t in zip(shape, TILE, strict=True))):
        copy = tuple(slice(c, c + t) for c, t in zip(corner, TILE, strict=True))
        iou = overlap_table(drawn, cells[copy]).iou().max(axis=1).toarray().ravel()
        found += np.count_nonzero(iou[whole] >= 0.5)
        copies += 1
    return found, copies * np.count_nonzero(whole)


def write_slide(path: Path, side: int) -> int:
    """Write a slide of bright round cells near the nodes of a grid; return their number."""
    rng = np.random.default_rng(0)
    count = side // PITCH
    draft = create_image(
        path,
        (side, side),
        axes="YX",
        dtype=np.uint8,
        spacing=(0.5, 0.5),
        storage=ZarrStorage(chunks=(512, 512)),
    )
    step = 512
    centres = rng.uniform(24, PITCH - 24, (count, count, 2)) + PITCH * np.stack(
        np.mgrid[:count, :count], -1
    )
    radius, bright = rng.uniform(9, 18, (count, count)), rng.uniform(60, 200, (count, count))
    for y in range(0, side, step):
        height = min(step, side - y)
        rows = slice(max((y - PITCH) // PITCH, 0), (y + height) // PITCH + 2)
        slab = np.zeros((height + 2 * PITCH, side), np.float32)
        for (cy, cx), r, light in zip(
            centres[rows].reshape(-1, 2), radius[rows].ravel(), bright[rows].ravel(), strict=True
        ):
            top, left = int(cy - y + PITCH - 20), int(cx - 20)
            yy, xx = np.ogrid[top : top + 41, left : left + 41]
            inside = (yy - (cy - y + PITCH)) ** 2 + (xx - cx) ** 2 < r**2
            if top >= 0 and top + 41 <= len(slab):
                slab[top : top + 41, left : left + 41][inside[:, : side - left]] = light
        blurred = ndimage.gaussian_filter(slab, 1.2)[PITCH : PITCH + height]
        noisy = blurred + 12 + rng.normal(0, 3, blurred.shape)
        draft.write((slice(y, y + height), slice(0, side)), np.clip(noisy, 0, 255).astype(np.uint8))
    draft.finish()
    return count**2


def stack(folder: Path, quick: bool, model: str, memory: int) -> None:
    shape = (127, 256, 256) if quick else STACK
    drawn = write_stack(folder / "stack.ome.zarr", shape)
    result = segmented(
        folder / "stack.ome.zarr", folder / "cells.ome.zarr", {"model": model}, {"memory": memory}
    )
    say(" × ".join(map(str, shape)), result, int(np.prod(shape)))
    found, whole = count_found(folder / "cells.ome.zarr", drawn, shape)
    print(f"  {found} of {whole} cells found, {100 * found / whole:.1f} %; those cut not counted")


def slide(folder: Path, quick: bool, memory: int) -> None:
    side = 2500 if quick else 20_000
    drawn = write_slide(folder / "slide.ome.zarr", side)
    result = segmented(
        folder / "slide.ome.zarr", folder / "cells.ome.zarr", resources={"memory": memory}
    )
    say(f"{side}²", result, side**2)
    print(f"  {drawn} cells drawn: {100 * (result['cells'] / drawn - 1):+.3f} %")


def memory_of_blocks(folder: Path, quick: bool, model: str) -> None:
    write_stack(folder / "stack.ome.zarr", (256, 256, 256))
    write_slide(folder / "slide.ome.zarr", 4096)
    for name, source, sides in (
        (model, "stack", (64, 128) if quick else (64, 128, 192, 256)),
        ("nuclei-2d", "slide", (512, 1024) if quick else (512, 1024, 1536, 2048)),
    ):
        ready = load(name, device="cpu")
        network = NetworkLoad(
            ready.info.architecture, ready.number_bytes, runtime=ready.runtime.name
        )
        shape = (256,) * 3 if source == "stack" else (4096,) * 2
        for side in sides:
            planned = plan_blocks(shape, network, block=side, memory=10**12)
            image, output = folder / f"{source}.ome.zarr", folder / "out.ome.zarr"
            result = segmented(image, output, {"model": name, "tile": side}, overwrite=True)
            estimated, measured = planned.bytes / 1e9, result["peak"] / 1e9
            print(
                f"{name}, {planned.blocks.size}: estimated {estimated:.2f} GB, "
                f"measured {measured:.2f} GB"
            )


def peak(model: str) -> None:
    """Multiply-adds per second: of one large matrix product, and of the network on its tile."""
    a = torch.randn(4096, 4096).bfloat16()
    product = min(timed(lambda: a @ a) for _ in range(5))
    best = 2 * 4096**3 / product
    ready = load(model, device="cpu", runtime="torch")
    side = 160
    image = torch.zeros(1, 1, *(side,) * ready.net.ndim).to(
        ready.dtype, memory_format=memory_format(ready.net.ndim)
    )
    counted = flops(ready.net, image)
    with torch.inference_mode():
        network = min(timed(lambda: ready.net(image)) for _ in range(3))
    print(f"matrix product {best / 1e9:.0f} GFLOP/s")
    rate, done = image.numel() / 1e6 / network, counted / network
    print(f"{model}: {counted / image.numel() / 1e3:.1f} kFLOP per pixel, {rate:.2f} megapixels/s")
    print(f"that is {done / 1e9:.0f} GFLOP/s, {100 * done / best:.0f} % of the matrix product")


def flops(net: torch.nn.Module, image: torch.Tensor) -> int:
    """Floating-point operations of all convolutions."""
    total = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += 2 * output.numel() * module.weight[0].numel()

    handles = [
        m.register_forward_hook(count)
        for m in net.modules()
        if hasattr(m, "weight") and m.weight.ndim > 2
    ]
    with torch.inference_mode():
        net(image)
    for handle in handles:
        handle.remove()
    return total


def timed(function) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["stack", "slide", "memory", "peak"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", default="walls-3d")
    parser.add_argument(
        "--gigabytes", type=float, help="limit of memory; default 4 (stack) and 3 (slide)"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.what == "stack":
            stack(Path(name), given.quick, given.model, int(1e9 * (given.gigabytes or 4)))
        elif given.what == "slide":
            slide(Path(name), given.quick, int(1e9 * (given.gigabytes or 3)))
        elif given.what == "memory":
            memory_of_blocks(Path(name), given.quick, given.model)
        else:
            peak(given.model)
