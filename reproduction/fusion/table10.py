"""How long does a pair take? The thesis' Table 10, with synchronisation, operations and peak.

python reproduction/fusion/table10.py -o results [--device cuda] [--methods focus-seg gff]
python reproduction/fusion/table10.py -o results --quick

Median seconds of warm runs on colour pairs of 520², 260² and 130² pixels, arrays in and arrays out,
so that nothing is still running when the clock stops. On a CPU they are processor time, of all
threads together: take one thread (OMP_NUM_THREADS=1). For the networks, the thesis' own size
included (with random weights, which take as long as trained ones), also their operations, a
multiply-add counted as two. On a GPU run the networks and cnn; all else runs on the CPU, as it does
in the thesis. Run it on a quiet machine: through caches and clock rates, other programs lengthen
processor time too. The row matting needs the extra `matting`, and is
skipped without it. Writes table10.json and table10.md.
"""

import importlib.util
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.data import astronaut
from torch.utils.flop_counter import FlopCounterMode

from seamwise.engine import build_network, choose_device, choose_precision, prepare_network
from seamwise.fusion import CLASSICAL, Model, fuse, load
from seamwise.io import Architecture, FusionInfo
from seamwise.synth import focus_pair
from stored import check_stored, command, holds, provenance_of, script_parser, store

SIZES = (520, 260, 130)
QUICK_SIZES = (130, 64, 32)
THESIS_SIZE = {"HF-Seg, width 64": ("selection", 2), "HF-Reg, width 64": ("picture", 3)}
METHODS = ["focus-seg", "focus-reg", *THESIS_SIZE, *CLASSICAL]
# Table 10, seconds; CNN, IM, DCT+CV and GFF are MATLAB on a CPU, the networks PyTorch on a GTX 1070
THESIS = {
    "cnn": (94.71, 33.82, 12.6821),
    "matting": (2.7095, 0.8112, 0.4870),
    "dct-cv": (0.7648, 0.2982, 0.1949),
    "gff": (0.1280, 0.0373, 0.0149),
    "HF-Seg, width 64": (0.0026, 0.0023, 0.0022),
    "HF-Reg, width 64": (0.0023, 0.0022, 0.0021),
}
# the thesis' table has these at 520² alone, as reported by the authors of CNN
REPORTED = {"CNN on a GPU (Liu et al. 2017)": 0.78, "CNN slight on a GPU (Liu et al. 2017)": 0.33}
GTX_1070 = 6.5e12  # operations a second in float32, by its maker


def with_extras(names: Sequence[str]) -> list[str]:
    """Return the methods that can run here."""
    if "matting" in names and importlib.util.find_spec("pymatting") is None:
        print('matting is skipped: it needs the extra matting, pip install "seamwise[matting]"')
        return [name for name in names if name != "matting"]
    return list(names)


def method_named(name: str, device: str) -> str | Model:
    if name in CLASSICAL:
        return name
    if name not in THESIS_SIZE:
        return load(name, device=device)
    output, channels = THESIS_SIZE[name]
    info = FusionInfo(
        architecture=Architecture(in_channels=6, out_channels=channels, width=64), output=output
    )
    return prepare_network(build_network(info.architecture), info, choose_device(device))


def pair_of(size: int) -> list[np.ndarray]:
    image = np.pad(astronaut(), ((0, 8), (0, 8), (0, 0)), mode="symmetric")[:size, :size]
    pair = focus_pair(image, np.tri(size, dtype=bool), sigma=3.0)
    return [np.round(x * 255).astype(np.uint8) for x in (pair.a, pair.b)]


def median_seconds(
    run: Callable[[], object], *, patience: float, clock: Callable[[], float]
) -> float:
    """Return the median of 3 to 20 runs after a warm one; none starts after `patience` seconds.

    `clock` is the processor time of all threads, or the time of day.
    """
    run()
    times: list[float] = []
    while len(times) < 3 or (len(times) < 20 and sum(times) < patience):
        begin = clock()
        run()
        times.append(clock() - begin)
    return statistics.median(times)


def operations(model: Model, size: int) -> int:
    """Count the operations of a network on a pair of `size` × `size` pixels."""
    weight = next(model.net.parameters())
    pair = torch.zeros(1, 6, size, size, device=weight.device, dtype=weight.dtype)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.net(pair)
    return counter.get_total_flops()


def clock_of(device: torch.device) -> Callable[[], float]:
    """Processor time on a CPU, which other programs lengthen less; else the time of day."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def measure(
    names: Sequence[str], *, device: str, patience: float, sizes: Sequence[int] = SIZES
) -> dict[str, Any]:
    torch_device = choose_device(device)
    methods = {name: method_named(name, device) for name in names}
    rows = {}
    for name, method in methods.items():
        on_device = name not in CLASSICAL or CLASSICAL[name].takes_device
        options = {"device": device} if name in CLASSICAL and on_device else {}
        seconds, counts = [], []
        where = torch_device if on_device else torch.device("cpu")
        for size in sizes:
            sources = pair_of(size)
            run = partial(fuse, sources, model=method, **options)
            seconds.append(median_seconds(run, patience=patience, clock=clock_of(where)))
            counts.append(None if isinstance(method, str) else operations(method, size))
        rows[name] = {
            "on": where.type,
            "seconds": seconds,
            "operations": counts,
        }
        print(name, *(f"{value:.4f}" for value in seconds), flush=True)
    return {
        "machine": machine(torch_device), "precision": name_of(choose_precision(torch_device)),
        "sizes": list(sizes), "methods": rows,
    }  # fmt: skip


def name_of(precision: torch.dtype) -> str:
    """Name a precision without the name of the library."""
    return str(precision).removeprefix("torch.")


def machine(device: torch.device) -> dict[str, str]:
    """Name the CPU, and the accelerator if there is one, by the names of their makers."""
    count = torch.get_num_threads()
    cpu = f"{processor()}, {count} thread{'s' if count > 1 else ''}"
    if device.type == "cpu":
        return {"cpu": cpu}
    return {
        device.type: torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu": cpu,
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    cpu_names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return cpu_names[0] if cpu_names else platform.processor() or platform.machine()


def table(content: Mapping[str, Any]) -> str:
    """Write seconds, next to those of the thesis, and operations."""
    sizes = [f"{size}²" for size in content["sizes"]]
    methods = content["methods"]
    gff = methods.get("gff", {"seconds": [np.nan]})["seconds"][0]
    machines = "; ".join(f"{kind}: {name}" for kind, name in content["machine"].items())
    lines = [
        f"{machines}. Networks in {content['precision']}. Seconds for a pair, on a CPU of "
        "processor time.",
        "",
        f"| | on | {' | '.join(sizes)} | times gff | thesis 520² | 260² | 130² | times gff | "
        f"GFLOP at {sizes[0]} |",
        "|---" * 11 + "|",
    ]
    for name, row in methods.items():
        seconds = row["seconds"]
        cells = [name, row["on"], *(f"{value:.4f}" for value in seconds), ratio(seconds[0], gff)]
        cells += thesis_cells(*THESIS.get(name, ()))
        count = row["operations"][0]
        cells.append(f"{count / 1e9:.1f}" if count else "—")
        lines.append("| " + " | ".join(cells) + " |")
    for name, reported in REPORTED.items():
        lines.append("| " + " | ".join([name, *["—"] * 5, *thesis_cells(reported), "—"]) + " |")
    return "\n".join(lines) + "\n"


def ratio(seconds: float, gff: float) -> str:
    return "—" if np.isnan(gff) else f"{seconds / gff:.3g}"


def thesis_cells(*seconds: float) -> list[str]:
    cells = [f"{value:.4f}" for value in seconds]
    times = ratio(seconds[0], THESIS["gff"][0]) if seconds else "—"
    return [*cells, *["—"] * (3 - len(cells)), times]


def verdicts(content: Mapping[str, Any]) -> list[str]:
    """Judge the claims by arithmetic and by the clock; rows that were not run have no verdict."""
    methods = content["methods"]
    large = "HF-Seg, width 64"
    lines = []
    if large in methods:
        count, thesis_time = methods[large]["operations"][0], THESIS[large][0]
        rate = count / thesis_time
        possible = rate <= GTX_1070
        lines.append(
            f"- Arithmetic, nothing measured: {count / 1e9:.0f} GFLOP in the printed "
            f"{1e3 * thesis_time:.1f} ms would be "
            f"{rate / 1e12:.3g} TFLOP/s, {rate / GTX_1070:.2g} times the {GTX_1070 / 1e12:.1f} "
            "that the maker "
            "states for that card: the printed time "
            + ("**is possible**." if possible else "**cannot be that of the finished work**.")
        )
    if {large, "gff"} <= set(methods):
        slow, gff = methods[large], methods["gff"]
        times = slow["seconds"][0] / gff["seconds"][0]
        lines.append(
            f"- Measured, to the end of the work: the thesis' network on {slow['on']} takes "
            f"{times:.3g} times as long "
            f"as guided filtering on {gff['on']}; that it is faster "
            f"{holds(times < 1)} "
            f"here (the thesis prints {THESIS[large][0] / THESIS['gff'][0]:.2g} times)."
        )
    if {"focus-seg", "gff"} <= set(methods):
        times = methods["focus-seg"]["seconds"][0] / methods["gff"]["seconds"][0]
        lines.append(f"- Measured: focus-seg takes {times:.3g} times as long as guided filtering.")
    return lines


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claims."""
    return "\n".join([table(content), *verdicts(content)]) + "\n"


def main() -> None:
    parser = script_parser(__doc__, "small pairs; files are called table10-quick…", data=None)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = arguments.output / ("table10-quick" if arguments.quick else "table10")
    sizes = QUICK_SIZES if arguments.quick else SIZES
    names = with_extras(arguments.methods)
    cv2.setNumThreads(torch.get_num_threads())  # OpenCV does not follow OMP_NUM_THREADS
    shipped = {name: name for name in names if name not in (*CLASSICAL, *THESIS_SIZE)}
    device = choose_device(arguments.device)
    provenance = provenance_of(
        shipped, methods=names, machine=machine(device), sizes=sizes,
        precision=name_of(choose_precision(device)),
    )  # fmt: skip
    check_stored(stem.with_suffix(".json"), provenance)
    patience = 0 if arguments.quick else 10
    content = measure(names, device=arguments.device, patience=patience, sizes=sizes)
    store(stem.with_suffix(".json"), provenance, content)
    text = table(content) if arguments.quick else section(content)
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    command(main)
