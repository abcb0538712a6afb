"""Does the order of the two sources matter? The thesis' section 6.3.1 and its Figure 46.

python reproduction/fusion/fig46.py ../shared/data/fusion/lytro/pairs -o results [--quick]
python reproduction/fusion/fig46.py ../shared/data/fusion/lytro/pairs --models my.safetensors

Fuses each pair x-A.jpg, x-B.jpg in both orders, in floats, and takes the mean squared difference.
The thesis' claim is about networks that learn not to depend on the order: those of networks/, which
fig46_networks.py trained. A network with symmetric weights cannot depend on it: it is measured, and
says nothing about the claim. Writes fig46.json, fig46.md and, for the first two pairs, fig46.png.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from seamwise.analysis import markdown_table
from seamwise.fusion import Model, find_fused_pairs, fuse_pair, load
from seamwise.io import read_photo
from seamwise.pictures import as_unit
from stored import HERE, check_stored, command, pixels_sha256, provenance_of, script_parser, store

Pair = tuple[np.ndarray, np.ndarray]
THESIS = 1e-5  # "in the order of 10⁻⁵ for all images"
LARGEST = 1e-4  # where that order ends
LEARNED = sorted(map(str, (HERE / "networks").glob("*.safetensors")))


@dataclass(frozen=True)
class Row:
    """Mean squared difference of both orders for each pair, of one model."""

    name: str
    symmetric: bool
    nearest: bool
    mse: tuple[float, ...]

    def verdict(self) -> str:
        """Judge what was learned, as painted or selected."""
        if self.symmetric:
            return "symmetric by construction, not judged"
        if self.nearest:
            return "with Near, not judged"
        return "holds" if max(self.mse) < LARGEST else "does not hold"


def find_pairs(folder: Path, count: int | None) -> dict[str, Pair]:
    """Read the whole pairs of a folder, the first `count` of them."""
    pairs_on_disk = find_fused_pairs([folder], [])
    for pair in pairs_on_disk:
        if pair.fault:
            print(f"skipped: {pair.name}: {pair.fault}")
    whole = [pair for pair in pairs_on_disk if not pair.fault][:count]
    if not whole:
        raise ValueError(f"{folder} holds no pairs named x-A.jpg, x-B.jpg")
    pairs = {}
    for pair in whole:
        first, second = pair.sources
        pairs[pair.name] = (read_photo(first).pixels, read_photo(second).pixels)
    return pairs


def load_all(names: Sequence[str]) -> dict[str, Model]:
    """Load models by their names; a file of weights has the name of its stem."""
    return {Path(name).name.removesuffix(".safetensors"): load(name) for name in names}


def in_both_orders(pair: Pair, model: Model, *, nearest: bool) -> list[np.ndarray]:
    a, b = (as_unit(source) for source in pair)
    return [fuse_pair(*order, model=model, nearest=nearest).image for order in ((a, b), (b, a))]


def is_symmetric(model: Model) -> bool:
    return bool(model.info.training.get("settings", {}).get("symmetric", False))


def measure(pairs: Mapping[str, Pair], models: Mapping[str, Model]) -> list[Row]:
    """Return a row for each model; for networks that paint a second one, with Near."""
    rows = []
    for name, model in models.items():
        for nearest in (False, True) if model.info.output == "picture" else (False,):
            orders = (in_both_orders(pair, model, nearest=nearest) for pair in pairs.values())
            mse = tuple(float(((ab - ba) ** 2).mean()) for ab, ba in orders)
            rows.append(Row(name, is_symmetric(model), nearest, mse))
            print(f"{name}{', Near' * nearest}: {np.mean(mse):.1e}", flush=True)
    return rows


def table(rows: Sequence[Row]) -> str:
    """Write the mean squared difference of each model."""
    pairs = len(rows[0].mse)
    lines = [
        [f"{row.name}{', Near' * row.nearest}", f"{np.mean(row.mse):.1e}", f"{max(row.mse):.1e}"]
        for row in rows
    ]
    return markdown_table(["", f"MSE of both orders, mean of {pairs} pairs", "largest"], lines)


def verdicts(rows: Sequence[Row]) -> str:
    """Write a verdict for each model."""
    lines = [
        f"The claim is an error in the order of {THESIS:.0e} for all pairs. It holds for a network "
        f"that learned it if the largest is below {LARGEST:.0e}.",
        "",
        *(f"- {row.name}{', Near' * row.nearest}: **{row.verdict()}**" for row in rows),
    ]
    if all(row.symmetric or row.nearest for row in rows):
        lines += [
            "",
            "No network here learned it: nothing to judge the claim by; name some with --models.",
        ]
    return "\n".join(lines) + "\n"


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claim."""
    rows = [Row(**{**row, "mse": tuple(row["mse"])}) for row in content["rows"]]
    return f"{table(rows)}\n{verdicts(rows)}"


def draw(pairs: Mapping[str, Pair], models: Mapping[str, Model], output: Path) -> None:
    """Draw sources, both orders of each model and 50 times their difference, a row a pair."""
    columns = 2 + 3 * len(models)
    figure = Figure(figsize=(2.4 * columns, 2.7 * len(pairs)), layout="constrained")
    for panels, pair in zip(
        figure.subplots(len(pairs), columns, squeeze=False), pairs.values(), strict=True
    ):
        pictures = [("A", as_unit(pair[0])), ("B", as_unit(pair[1]))]
        for name, model in models.items():
            ab, ba = in_both_orders(pair, model, nearest=False)
            pictures += [
                (f"{name}\n(A, B)", ab),
                (f"{name}\n(B, A)", ba),
                ("50 × difference", 50 * abs(ab - ba)),
            ]
        for panel, (title, image) in zip(panels, pictures, strict=True):
            panel.imshow(image.clip(0, 1))
            panel.set_title(title, fontsize=9)
            panel.set_axis_off()
    figure.savefig(output, dpi=80)


def main() -> None:
    parser = script_parser(__doc__, "two pairs; files are called fig46-quick…")
    parser.add_argument("--models", nargs="+", default=["focus-seg", "focus-reg", *LEARNED])
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = arguments.output / ("fig46-quick" if arguments.quick else "fig46")
    pairs = find_pairs(arguments.data, 2 if arguments.quick else None)
    models_by_title = {Path(name).name: name for name in arguments.models}
    provenance = provenance_of(
        models_by_title,
        models=list(models_by_title),
        pairs=list(pairs),
        data_sha256=pixels_sha256(chain.from_iterable(pairs.values())),
    )
    check_stored(stem.with_suffix(".json"), provenance)
    models = load_all(arguments.models)
    rows = measure(pairs, models)
    content = {"rows": [asdict(row) for row in rows]}
    store(stem.with_suffix(".json"), provenance, content)
    text = table(rows) if arguments.quick else section(content)
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(dict(list(pairs.items())[:2]), models, stem.with_suffix(".png"))
    print("\n" + text)


if __name__ == "__main__":
    command(main)
