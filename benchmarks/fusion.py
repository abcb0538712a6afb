"""How good and how fast are the ways of fusing? Every figure of the benchmarks page on fusion.

python benchmarks/fusion.py synthetic ../shared/data/fusion/bsds500
    100 pairs from pictures that no model was trained on
python benchmarks/fusion.py bursts ../shared/data/fusion/bsds500
    the two modes on made-up bursts of 5
python benchmarks/fusion.py frames ../shared/data/fusion/bsds500
    bursts with truth of 2, 5, 12, 25 and 50 frames: surfaces, segments as layers, hairs
python benchmarks/fusion.py harms ../shared/data/fusion/bsds500
    what spoils a burst: frames far out of focus at its ends, a black one; half the size
python benchmarks/fusion.py real ../shared/data/fusion/lytro/pairs
    real pairs: the seven metrics, and the mean of each method's ranks in them
python benchmarks/fusion.py speed
    a 520×520 colour pair
python benchmarks/fusion.py metrics
    the seven metrics of one 520×520 triple
python benchmarks/fusion.py memory [--frames 100] [--megapixels 24]
    peak memory of a large burst from files

`--methods` names methods or model files; `--quick` takes a tenth of the pictures. `--json FILE`
keeps the figures of `synthetic` and `real`.
"""

import argparse
import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut, coffee

from burst_scenes import KINDS, as_levels, scene, with_noise
from fusion_tables import rank_table, real_table, synthetic_table
from result_files import add_json, write_result
from seamwise.fusion import (
    CLASSICAL,
    METRICS,
    FuseOptions,
    Simulation,
    find_pictures,
    fuse,
    fuse_files,
    load,
    make_pair,
    memory_estimate,
    split,
)
from seamwise.io import read_photo, write_photo
from seamwise.metrics import fusion as metrics
from seamwise.synth import FocusPair, focus_burst, focus_pair

METHODS = ["focus-burst", "focus-pair", "focus-seg", "focus-reg", *CLASSICAL]
PAIRS, BURSTS, BURST = 100, 20, 5
# the pairs of the thesis, and pairs with the spread of defocus at outlines and a lens's blur
SIMULATIONS = {"hard": Simulation(), "matte": Simulation(matte=1.0, disc=1.0)}


def methods(names: Iterable[str]) -> dict[str, object]:
    """By name, each ready to be passed to `fuse`."""
    return {
        "/".join(Path(name).parts[-2:]): name if name in CLASSICAL else load(name) for name in names
    }


def pairs(data: Path, simulation: Simulation, count: int) -> list[FocusPair]:
    """Pairs from the pictures that `--leave-out-every 4` keeps for testing, in turn."""
    held_back = split(find_pictures(data), hold_out_every=12, leave_out_every=4).test
    numbered = itertools.islice(itertools.cycle(held_back), count)
    return [
        make_pair(picture, crop=None, simulation=simulation, rng=np.random.default_rng((1, number)))
        for number, picture in enumerate(numbered)
    ]


def line(name: str, values: Sequence[Sequence[float]], digits: Sequence[int]) -> str:
    columns = [
        f"{np.mean(v):.{d}f} ± {np.std(v):.{d}f}"
        for v, d in zip(np.transpose(values), digits, strict=True)
    ]
    return f"| {name} | " + " | ".join(columns) + " |"


def synthetic(data: Path, names: Sequence[str], quick: bool) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for kind, simulation in SIMULATIONS.items():
        drawn = pairs(data, simulation, PAIRS // 10 if quick else PAIRS)
        kinds[kind] = {}
        for name, method in methods(names).items():
            rows = [_synthetic(pair, method) for pair in drawn]
            kinds[kind][name] = np.transpose(rows).tolist()
    return {"pairs": len(drawn), "kinds": kinds}


def _synthetic(pair: FocusPair, method: Any) -> tuple[float, float, float]:
    """PSNR, SSIM, and the mean squared difference of both orders."""
    truth = as_levels(pair.truth)
    fused = fuse([as_levels(pair.a), as_levels(pair.b)], model=method).image
    # in floats, since rounding to 8 bits hides what is below it
    there, back = (
        fuse(order, model=method).image for order in ([pair.a, pair.b], [pair.b, pair.a])
    )
    difference = float(((there - back) ** 2).mean())
    return metrics.psnr(fused, truth), metrics.ssim(fused, truth), difference


def bursts(data: Path, names: Sequence[str], quick: bool) -> None:
    print("\n| | PSNR, dB, sequence | together | sequence, other order |\n|---|---|---|---|")
    drawn = [
        _burst(pair) for pair in pairs(data, SIMULATIONS["hard"], BURSTS // 5 if quick else BURSTS)
    ]
    for name, method in methods([name for name in names if name not in CLASSICAL]).items():
        if method.info.output != "selection":
            continue
        scores = []
        for frames, truth in drawn:
            runs = [
                (frames, "sequence"),
                (frames, "together"),
                (frames[::2] + frames[1::2], "sequence"),
            ]
            scores.append(
                [metrics.psnr(fuse(f, model=method, mode=mode).image, truth) for f, mode in runs]
            )
        print(line(name, scores, (2, 2, 2)), flush=True)
    for name in (name for name in names if name in CLASSICAL):
        scores = [(metrics.psnr(fuse(frames, model=name).image, truth),) for frames, truth in drawn]
        print(line(name, scores, (2,)), flush=True)


def _burst(pair: FocusPair) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Strips at five depths: frame i is sharp in strip i, and more blurred further away."""
    height, width = pair.truth.shape[:2]
    strip = np.arange(width) * BURST // width
    levels = [pair.truth]
    for distance in range(1, BURST):
        half = np.zeros((height, width), bool)
        half[:, 0] = True
        levels.append(focus_pair(pair.truth, ~half, sigma=1.5 * distance).a)
    frames = [np.choose(np.abs(strip - number)[None, :, None], levels) for number in range(BURST)]
    return [as_levels(frame) for frame in frames], as_levels(pair.truth)


FRAMES, SCENES = (2, 5, 12, 25, 50), 6
WAYS: dict[str, dict[str, Any]] = {
    "focus-burst": {"model": "focus-burst"},
    "focus-seg, sequence": {"model": "focus-seg", "mode": "sequence"},
    "focus-seg, together": {"model": "focus-seg", "mode": "together"},
    "gff": {"model": "gff"},
    "laplacian": {"model": "laplacian"},
}


def frames_with_truth(data: Path, names: Sequence[str], quick: bool) -> None:
    """PSNR for more and more frames of the same scene, not aligned."""
    counts = FRAMES[1:3] if quick else FRAMES
    ready = methods({way["model"] for way in WAYS.values()} & set(names))
    ways = {
        name: {**way, "model": ready[way["model"]]}
        for name, way in WAYS.items()
        if way["model"] in ready
    }
    for kind in KINDS:
        scores: dict[str, list[list[float]]] = {}
        for number, count in itertools.product(range(1 if quick else SCENES), counts):
            layers, blur = scene(kind, data, number)
            burst = focus_burst(layers, np.linspace(0, 1, count), blur=blur)
            noisy = with_noise(burst.frames, (number, count))
            pictures = {name: fuse(noisy, **options).image for name, options in ways.items()}
            if "enfuse" in names and (enfuse := shutil.which("enfuse")):
                pictures["enfuse"] = _enfused(enfuse, noisy)
            for name, picture in pictures.items():
                score = metrics.psnr(picture, as_levels(burst.truth))
                scores.setdefault(name, [[] for _ in counts])[counts.index(count)].append(score)
        columns = " | ".join(f"{count} frames" for count in counts)
        print(f"\n| {kind}, PSNR, dB | {columns} |\n|---" + "|---" * len(counts) + "|")
        for name, values in scores.items():
            means = " | ".join(f"{np.mean(of_count):.1f}" for of_count in values)
            print(f"| {name} | {means} |", flush=True)


def harms(data: Path, names: Sequence[str], quick: bool) -> None:
    """PSNR with frames that show nothing; and of a burst that is taken for a large one."""
    scenes = range(1 if quick else 3)
    print("\n| surface, 8 frames, PSNR, dB | plain | 4 far out of focus | and a black one |")
    print("|---" * 4 + "|")
    for name in names:
        rows = [_with_useless(data, number, name) for number in scenes]
        print(f"| {name} | " + " | ".join(f"{mean:.1f}" for mean in np.mean(rows, 0)) + " |")
    print("\n| focus-burst, 12 frames, PSNR, dB | whole | half |\n|---|---|---|")
    for kind in KINDS:
        rows = [_half(kind, data, number) for number in scenes]
        print(f"| {kind} | " + " | ".join(f"{mean:.1f}" for mean in np.mean(rows, 0)) + " |")


def _with_useless(data: Path, number: int, name: str) -> list[float]:
    layers, blur = scene("surface", data, number)
    burst = focus_burst(layers, np.linspace(0, 1, 8), blur=blur)
    first, last = (cv2.GaussianBlur(burst.frames[i], (0, 0), 20) for i in (0, -1))
    ends = [first, first, *burst.frames, last, last]
    bursts = (burst.frames, ends, [*ends, np.zeros_like(first)])
    truth = as_levels(burst.truth)
    return [
        metrics.psnr(fuse(with_noise(frames, number), model=name, align=False).image, truth)
        for frames in bursts
    ]


def _half(kind: str, data: Path, number: int) -> list[float]:
    layers, blur = scene(kind, data, number)
    wide = blur if kind == "hairs" else 2 * blur
    burst = focus_burst(layers, np.linspace(0, 1, 12), blur=wide)
    frames, truth = with_noise(burst.frames, number), as_levels(burst.truth)
    scores = []
    for large in (8e6, 0.0):  # pixels above which the network sees half the size
        with patch("seamwise.fusion.scored._LARGE", large):
            picture = fuse(frames, model="focus-burst", align=False).image
        scores.append(metrics.psnr(picture, truth))
    return scores


def _enfused(enfuse: str, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    weights = ["--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1"]
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{number:02}.png" for number in range(len(frames))]
        for path, frame in zip(files, frames, strict=True):
            write_photo(path, frame)
        output = Path(name) / "fused.png"
        command = [enfuse, *weights, "--hard-mask", f"--output={output}", *map(str, files)]
        subprocess.run(command, capture_output=True, check=True)
        return np.asarray(read_photo(output).pixels[..., :3], np.uint8)


def real(folder: Path, names: Sequence[str], quick: bool) -> dict[str, Any]:
    paths = sorted(folder.glob("*-A.jpg"))[: 2 if quick else None]
    sources = [[_grey(a), _grey(_other(a))] for a in paths]
    results = {"source A": [a for a, _ in sources], "source B": [b for _, b in sources]}
    for name, method in methods(names).items():
        results[name] = [metrics.to_grey(fuse([a, _other(a)], model=method).image) for a in paths]
    means = {}
    for name, images in results.items():
        rows = [_seven(*pair, image) for pair, image in zip(sources, images, strict=True)]
        means[name] = np.mean(rows, 0).tolist()
    return {"pairs": len(paths), "metrics": list(METRICS), "means": means}


def _seven(
    a: NDArray[np.float64], b: NDArray[np.float64], fused: NDArray[np.float64]
) -> list[float]:
    return [metric(a, b, fused) for metric in METRICS.values()]


def _grey(path: Path) -> NDArray[np.float64]:
    return metrics.to_grey(read_photo(path).pixels)


def _other(path: Path) -> Path:
    return path.with_name(path.name.replace("-A.", "-B."))


def colour_pair() -> list[NDArray[np.uint8]]:
    """Two sources of 520×520."""
    image = np.concatenate([astronaut(), astronaut()[:8]], 0)
    image = np.concatenate([image, image[:, :8]], 1)
    pair = focus_pair(image, np.tri(520, dtype=bool), sigma=3.0)
    return [as_levels(pair.a), as_levels(pair.b)]


def metrics_speed() -> None:
    sources = colour_pair()
    triple = [metrics.to_grey(image) for image in (*sources, fuse(sources, model="gff").image)]
    times: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(13):
        for name, metric in METRICS.items():
            begin = time.perf_counter()
            metric(*triple)
            times[name].append(time.perf_counter() - begin)
    print("\n| | seconds for a 520 × 520 triple |\n|---|---|")
    totals = [sum(values) for values in zip(*times.values(), strict=True)][1:]
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values[1:]):.3f} |")
    print(f"| all seven | {statistics.median(totals):.3f} |")


def speed(names: Sequence[str]) -> None:
    """Rounds over all methods in turn, so that a busy moment meets them all alike."""
    sources = colour_pair()
    ready = methods(names)
    times: dict[str, list[float]] = {name: [] for name in ready}
    for round_ in range(12):
        for name, method in ready.items():
            if round_ > 3 and statistics.median(times[name]) > 1:
                continue
            begin = time.perf_counter()
            fuse(sources, model=method)
            times[name].append(time.perf_counter() - begin)
    print("\n| | seconds for 520 × 520, colour | times gff |\n|---|---|---|")
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | {median / medians.get('gff', np.nan):.2f} |")


def memory(names: Sequence[str], frames: int, megapixels: int) -> None:
    width = round(np.sqrt(megapixels * 1e6 * 3 / 2))
    height = round(width * 2 / 3)
    print(
        f"\n{frames} frames of {width} × {height}\n\n"
        "| | peak, GB | estimate, GB | seconds a frame |\n|---|---|---|---|"
    )
    tile = np.tile(coffee(), (height // 400 + 1, width // 600 + 1, 1))[:height, :width]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(frames):
            write_photo(folder / f"f{number}.jpg", np.roll(tile, 5 * number, 0))
        for method in names:
            begin = time.perf_counter()
            command = [sys.executable, __file__, "peak", name, "--methods", method]
            peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            seconds = (time.perf_counter() - begin) / frames
            options = FuseOptions(model=method, align=True)
            model = None if method in CLASSICAL else load(method)
            estimate = memory_estimate((height, width, 3), options, model=model) / 1e9
            print(f"| {method} | {peak:.2f} | {estimate:.2f} | {seconds:.1f} |", flush=True)


def peak(folder: Path, names: Sequence[str]) -> None:
    """In a process of its own: align and fuse a folder, and print the peak memory in GB."""
    with tempfile.TemporaryDirectory() as output:
        options = FuseOptions(model=names[0], align=True)
        (outcome,) = fuse_files([folder], Path(output) / "sharp.png", options)
    if outcome.failed:
        raise SystemExit("; ".join(outcome.messages))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        choices=[
            "synthetic",
            "bursts",
            "frames",
            "harms",
            "real",
            "speed",
            "metrics",
            "memory",
            "peak",
        ],
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--megapixels", type=int, default=24)
    add_json(parser)
    given = parser.parse_args()
    if given.what == "frames" and given.methods == METHODS:
        given.methods = [*METHODS, "enfuse"]
    kept = {
        "synthetic": (synthetic, (synthetic_table,)),
        "real": (real, (real_table, rank_table)),
    }
    with_data: dict[str, Callable[[Path, Sequence[str], bool], None]]
    with_data = {"bursts": bursts, "frames": frames_with_truth, "harms": harms}
    if given.what in kept:
        measure, tables = kept[given.what]
        content = measure(given.data, given.methods, given.quick)
        for table in tables:
            print(*table(content), "", sep="\n")
        write_result(given.json, content, models=given.methods)
    elif given.what in with_data:
        with_data[given.what](given.data, given.methods, given.quick)
    elif given.what == "speed":
        speed(given.methods)
    elif given.what == "metrics":
        metrics_speed()
    elif given.what == "memory":
        memory(given.methods, given.frames, given.megapixels)
    else:
        peak(given.data, given.methods)
