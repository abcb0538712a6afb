"""Does the order of the two sources matter? The thesis' section 6.3.1 and its Figure 46.

python reproduction/fig46.py ../shared/data/fusion/lytro/pairs -o results [--models focus-seg focus-reg my.safetensors]
python reproduction/fig46.py ../shared/data/fusion/lytro/pairs -o results --quick

Fuses each pair x-A.jpg, x-B.jpg in both orders, in floats, and takes the mean squared difference. Writes fig46.json,
fig46.md and, for the first two pairs, fig46.png.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seamwise.fusion import fuse_pair
from seamwise.fusion.predict import load
from seamwise.io.jsonfile import write_json
from seamwise.io.photo import read_photo
from seamwise.synth.focus import as_unit

Pair = tuple[np.ndarray, np.ndarray]
THESIS = 1e-5  # "in the order of 10⁻⁵ for all images"


def find_pairs(folder: Path, count: int | None) -> dict[str, Pair]:
    found = sorted(folder.glob("*-A.*"))[:count]
    if not found:
        raise SystemExit(f"{folder} holds no pairs named x-A.jpg, x-B.jpg")
    return {a.stem[:-2]: tuple(read_photo(path).pixels for path in (a, partner(a))) for a in found}


def partner(path: Path) -> Path:
    return path.with_name(path.name.replace("-A.", "-B."))


def in_both_orders(pair: Pair, name: str, *, near: bool) -> list[np.ndarray]:
    model = load(name)
    a, b = (as_unit(source) for source in pair)
    return [fuse_pair(*order, model=model, near=near).image for order in ((a, b), (b, a))]


def measure(pairs: dict[str, Pair], models: Sequence[str]) -> dict[str, list[float]]:
    """Mean squared difference of both orders for each pair, by model; for networks that paint also with Near."""
    results = {}
    for name in models:
        paints = load(name).info.output == "picture"
        for near in (False, True) if paints else (False,):
            label = f"{Path(name).stem}{', Near' if near else ''}"
            both = (in_both_orders(pair, name, near=near) for pair in pairs.values())
            results[label] = [float(((there - back) ** 2).mean()) for there, back in both]
            print(f"{label}: {np.mean(results[label]):.1e}", flush=True)
    return results


def table(results: dict[str, list[float]], count: int) -> str:
    lines = [
        f"{count} pairs, intensities 0..1.",
        "",
        "| | MSE of both orders, mean | largest | thesis |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {np.mean(v):.1e} | {max(v):.1e} | about {THESIS:.0e} |" for name, v in results.items()]
    worst = max(max(values) for values in results.values())
    claim = "Holds" if worst < 10 * THESIS else "Does not hold"
    said = f"{claim}: the largest difference of all is {worst:.1e}, where the thesis has the order of {THESIS:.0e}."
    return "\n".join([*lines, "", said]) + "\n"


def draw(pairs: dict[str, Pair], models: Sequence[str], output: Path) -> None:
    """Both sources, both orders of each model and fifty times their difference, a row for each pair."""
    columns = 2 + 3 * len(models)
    figure = Figure(figsize=(2.4 * columns, 2.7 * len(pairs)), layout="constrained")
    for panels, pair in zip(figure.subplots(len(pairs), columns, squeeze=False), pairs.values(), strict=True):
        shown = [("A", as_unit(pair[0])), ("B", as_unit(pair[1]))]
        for name in models:
            there, back = in_both_orders(pair, name, near=False)
            stem = Path(name).stem
            shown += [(f"{stem} (A, B)", there), (f"{stem} (B, A)", back), ("50 × difference", 50 * abs(there - back))]
        for panel, (title, image) in zip(panels, shown, strict=True):
            panel.imshow(image.clip(0, 1))
            panel.set_title(title, fontsize=9)
            panel.set_axis_off()
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--models", nargs="+", default=["focus-seg", "focus-reg"])
    parser.add_argument("--quick", action="store_true", help="two pairs")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    pairs = find_pairs(given.data, 2 if given.quick else None)
    results = measure(pairs, given.models)
    write_json(given.output / "fig46.json", {"pairs": list(pairs), "mse": results, "thesis": THESIS})
    text = table(results, len(pairs))
    (given.output / "fig46.md").write_text(text)
    draw(dict(list(pairs.items())[:2]), given.models, given.output / "fig46.png")
    print("\n" + text)
