r"""Speed and accuracy of seamwise and its peers, on the same images and cores.

python benchmarks/peers/segment.py ../shared/data/dsb2018/train -o runs/peers
    [--stardist ENVIRONMENT] [--cellpose ENVIRONMENT] [--minutes 10] [--sides 256 1024] [--quick]

ENVIRONMENT is the folder of a virtual environment with `stardist==0.9.2 tensorflow-cpu==2.21.0`, or
with `cellpose==3.1.1.2 torch==2.13.0`. A peer's model is trained here for some minutes, so that its
candidates are realistic, and kept in `runs/peers`. Peers without an environment take no part.

The images are the report images of `nuclei-2d`, tiled to squares. Each peer segments a folder in a
process of its own. `start` is the time from the start of the process to the first result. After it,
the seconds of an image are a third of the time between a result and the third after it, since
seamwise has three images in work; the table has medians. AP at IoU 0.5 is of the report images.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from seamwise.io import read_image, read_labels
from seamwise.metrics import match_dataset
from seamwise.segmentation import as_channels, find_pairs

HERE = Path(__file__).parent
SIDES = (256, 1024, 2048)
IN_WORK = 3  # images of seamwise at a time


@dataclass(frozen=True)
class Run:
    """What a peer needed for a folder of images of one size."""

    start: float  # seconds to the first result
    seconds: tuple[float, ...]  # of an image, after the first
    network: tuple[float, ...]  # share of it; empty if unknown
    peak: float  # GB


def write_images(data: Path, folder: Path, sides: Sequence[int], count: int) -> None:
    """Squares of tiled report images, and the report images themselves."""
    images = [
        (pair, as_channels(read_image(pair.images[0]))[0]) for pair in find_pairs(data).validation
    ]
    for pair, image in images:
        path = folder / "report" / f"{pair.name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, image)
    crops = [image[:256, :256] for _, image in images if min(image.shape) >= 256]
    for side in sides:
        (folder / str(side)).mkdir(exist_ok=True)
        for number in range(count):
            row = side // 256
            chosen = [crops[(number + k) % len(crops)] for k in range(row * row)]
            square = np.block([chosen[row * k : row * (k + 1)] for k in range(row)])
            tifffile.imwrite(folder / str(side) / f"{number:03}.tif", square)


def run(command: Sequence[str], output: Path) -> Run:
    """Run a peer over a folder."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, "-o", str(output)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    start, lines = 0.0, []
    for line in process.stdout:
        if line.startswith("{"):
            start = start or time.perf_counter() - begin
            lines.append(json.loads(line))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: run it by hand to see why")
    later = lines[1:]
    times = [line["seconds"] for line in later]
    seconds = tuple(sum(times[k : k + IN_WORK]) / IN_WORK for k in range(len(times) - IN_WORK + 1))
    network = tuple(line["network"] / line["seconds"] for line in later if "network" in line)
    return Run(start, seconds, network, usage.ru_maxrss / 1e6)


def accuracy(data: Path, output: Path) -> float:
    """Mean AP at IoU 0.5 of the report images."""
    pairs = (
        (read_labels(pair.labels).astype(np.int32), read_labels(output / f"{pair.name}.tif"))
        for pair in find_pairs(data).validation
    )
    return match_dataset(pairs, ious=(0.5,)).mean[0].accuracy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--stardist", type=Path, help="virtual environment with StarDist")
    parser.add_argument("--cellpose", type=Path, help="virtual environment with Cellpose 3")
    parser.add_argument("--minutes", type=float, default=10, help="of a peer's training")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="of the squares")
    parser.add_argument("--quick", action="store_true", help="small squares only, no accuracy")
    options = parser.parse_args()
    sides, count = (SIDES[:2], 4) if options.quick else (options.sides, 9)
    images = options.output / "images"
    write_images(options.data, images, sides, count)
    here = [sys.executable, str(HERE / "own_peer.py")]
    peers = {
        "seamwise": [*here, "seamwise"],
        "Otsu + watershed": [*here, "watershed"],
    }
    for name in ("StarDist", "Cellpose"):
        environment = getattr(options, name.lower())
        if environment:
            model = options.output / name.lower()
            peer = [str(environment / "bin" / "python"), str(HERE / f"{name.lower()}_peer.py")]
            if not model.is_dir():
                train = [*peer, "train", str(options.data), "-o", str(model)]
                subprocess.run([*train, "--minutes", str(options.minutes)], check=True)
            peers[name] = [*peer, "segment", "--model", str(model)]
    for side in sides:
        reference: list[float] = []
        for name, command in peers.items():
            folder = str(images / str(side))
            needed = run([*command, folder], options.output / "labels" / name / str(side))
            reference = reference or list(needed.seconds)
            share = needed.network
            ratio = [s / r for s, r in zip(needed.seconds, reference, strict=True)]
            network = f"network {100 * statistics.median(share):3.0f} %, " if share else ""
            pace = statistics.median(needed.seconds) / side**2 * 1e6
            print(
                f"{side}² {name:17s} {pace:6.2f} s/MP, "
                f"{statistics.median(ratio):5.1f} x seamwise, "
                f"{network}start {needed.start:5.1f} s, peak {needed.peak:.2f} GB",
                flush=True,
            )
    for name, command in {} if options.quick else peers.items():
        output = options.output / "labels" / name / "report"
        run([*command, str(images / "report")], output)
        print(f"report images: {name} AP {accuracy(options.data, output):.3f}", flush=True)


if __name__ == "__main__":
    main()
