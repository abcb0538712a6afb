"""Which loss is steep around a trained network? The thesis' Figure 37.

python reproduction/segmentation/fig37.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

The losses BWM, W³, J3 and plain cross entropy, on a plane through the network that
J3 has trained; and on planes through those of BWM and W³, since no loss has its least value at
another's network. All share the crops, the plane and the passes. Pictures are of the first seed.

A factor before a loss goes into the learning rate, so values are also given in units of chance: the
same loss of a network that finds every class equally likely everywhere.
"""

from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

import measures
from seamwise.analysis import loss_landscape, markdown_table, random_direction
from seamwise.io import read_json
from seamwise.labels import TOUCHING
from seamwise.segmentation import AnnotatedImage, TrainSettings, count_classes
from seamwise.segmentation.choose import Run
from seamwise.words import SystemName
from study import DataSet, Study, command, protocol_settings

SETS = ("usiigaci",)
LOSSES: dict[str, SystemName] = {"BWM": "bwm", "W³": "w3", "J3": "j3", "CE": "ce3"}
CENTRES: dict[str, SystemName] = {"J3": "j3", "BWM": "bwm", "W³": "w3"}
COLOURS = {"BWM": "tab:blue", "W³": "tab:orange", "J3": "tab:red", "CE": "0.5"}
KINDS = ("line", "plane")
RADII = (0.1, 0.25, 0.5, 1.0)
NEAR = RADII[:2]  # "around the optimizer"
FLAT = 0.1  # times as steep as J3 is "almost flat", "near-constant"
SCALES = ("plain", "chance")

Units = Mapping[str, Mapping[str, Any]]
Content = Mapping[str, Units]  # of each data set, by centre and seed: line and plane


def settings_by_loss(data: DataSet, seed: int) -> dict[str, TrainSettings]:
    """Return the settings that a network of each loss is trained with."""
    return {
        name: protocol_settings(Run(loss, seed), data.settings) for name, loss in LOSSES.items()
    }


def middle(image: AnnotatedImage, side: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices of the central crop of an image."""
    starts = [(size - length) // 2 for size, length in zip(image.labels.shape, side, strict=True)]
    return tuple(slice(start, start + length) for start, length in zip(starts, side, strict=True))


def batch(
    data: DataSet, settings: Mapping[str, TrainSettings]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return images, target and weights of one batch of crops of validation images."""
    common = settings["CE"]
    label = common.transform().target
    counts = count_classes((image.labels for image in data.training), common.transform())
    crops = [(image, middle(image, common.crop_shape(image.ndim))) for image in data.validation]
    # losses differ most in what they make of touching cells
    crops.sort(key=lambda crop: -np.sum(label(crop[0].labels[crop[1]]) == TOUCHING))
    crops = crops[: common.batch_size]
    images = np.stack([image.image[(slice(None), *where)] for image, where in crops])
    target = np.stack([label(image.labels[where]) for image, where in crops])

    def weights_of(its: TrainSettings) -> Tensor:
        transform = its.transform(counts)
        maps = [transform(image.labels[where])[1] for image, where in crops]
        return torch.from_numpy(np.stack(maps))

    weights = {
        name: weights_of(its) for name, its in settings.items() if its.transform().map is not None
    }
    return torch.from_numpy(images), torch.from_numpy(target).long(), weights


def measure(study: Study, name: str, kind: str, centre: str, seed: int) -> dict[str, Any]:
    """Measure all losses along two random directions ("line") or on their plane ("plane")."""
    data = study.data_set(name)
    model = measures.network(study, name, CENTRES[centre], seed)
    network = model.net.float()  # bfloat16 would round small steps away
    settings = settings_by_loss(data, seed)
    images, target, weights = batch(data, settings)
    images, target = images.to(model.device), target.to(model.device)
    weight_arguments = {key: {"weight": weight.to(model.device)} for key, weight in weights.items()}

    def losses(logits: Tensor) -> dict[str, float]:
        return {
            key: float(its.system().loss(logits, target, **weight_arguments.get(key, {})))
            for key, its in settings.items()
        }

    def losses_of(net: nn.Module) -> dict[str, float]:
        return losses(net(images))

    rng = np.random.default_rng(seed)
    directions = [random_direction(network, rng=rng) for _ in range(2)]
    paths = [[direction] for direction in directions] if kind == "line" else [directions]
    options = study.protocol["landscape"]
    reach = {"extent": options["extent"], "steps": options[kind]}
    landscapes = [loss_landscape(network, losses_of, directions=path, **reach) for path in paths]
    no_logits = torch.zeros(
        len(images), model.info.architecture.out_channels, *images.shape[2:]
    ).to(images)

    def values(loss: str) -> Any:
        # an axis for the directions in front, of the plane none
        return round_values(np.squeeze([each.values[loss] for each in landscapes]))

    return {
        "crops": list(images.shape),
        "touching": round_values((target == TOUCHING).double().mean().item()),
        "chance": losses(no_logits),
        "coordinates": round_values(landscapes[0].coordinates[0]),
        "values": {loss: values(loss) for loss in LOSSES},
    }


def round_values(values: NDArray[np.float64] | float) -> Any:
    """Return six digits of a number or of each of an array, as JSON takes them."""
    return np.vectorize(lambda value: float(f"{value:.6g}"))(values).tolist()


def collect(results: Path, sets: tuple[str, ...] = SETS) -> Content:
    """Read what was measured from its files: the content that `words` and `draw` take."""
    content: dict[str, dict[str, dict[str, Any]]] = {}
    for name in sets:
        path = results / f"landscape-{name}.json"
        for key, unit in read_json(path)["units"].items() if path.exists() else ():
            kind, _, network = key.partition("/")
            content.setdefault(name, {}).setdefault(network, {})[kind] = unit
    # a run that was stopped may have left a line without its plane
    complete = {}
    for name, units in content.items():
        whole = {network: unit for network, unit in units.items() if set(unit) == set(KINDS)}
        if whole:
            complete[name] = whole
    return complete


def chance(unit: Mapping[str, Any], loss: str) -> float:
    """Return the loss of a network that finds every class equally likely, on the same crops."""
    return float(unit["line"]["chance"][loss])


def unit_of(unit: Mapping[str, Any], loss: str, scale: str) -> float:
    """Return what a loss is divided by."""
    return chance(unit, loss) if scale == "chance" else 1.0


def rise(unit: Mapping[str, Any], loss: str, radius: float) -> float:
    """Return how much a loss rises at a distance from the centre, the mean over four ways."""
    coordinates = unit["line"]["coordinates"]
    values = [
        np.interp([-radius, radius], coordinates, line) for line in unit["line"]["values"][loss]
    ]
    return float(np.mean(values)) - at_centre(unit, loss)


def at_centre(unit: Mapping[str, Any], loss: str) -> float:
    """Return the value of a loss at the network itself."""
    return float(np.interp(0, unit["line"]["coordinates"], unit["line"]["values"][loss][0]))


def plane_rise(unit: Mapping[str, Any], loss: str) -> float:
    """Return by how much a loss is higher than at the centre, the median over the plane."""
    return float(np.median(unit["plane"]["values"][loss])) - at_centre(unit, loss)


def of_centre(units: Units, centre: str) -> list[Mapping[str, Any]]:
    """Return the measurements around one loss's networks, a seed each."""
    return [unit for key, unit in units.items() if key.rpartition("/")[0] == centre]


def rises(units: Units, centre: str, scale: str) -> dict[str, dict[str, float]]:
    """Return the rise of each loss at each radius, and over the "plane"; means over the seeds."""
    seeds = of_centre(units, centre)

    def at_radius(loss: str, radius: float) -> float:
        ratios = [rise(unit, loss, radius) / unit_of(unit, loss, scale) for unit in seeds]
        return float(np.mean(ratios))

    def over_plane(loss: str) -> float:
        ratios = [plane_rise(unit, loss) / unit_of(unit, loss, scale) for unit in seeds]
        return float(np.mean(ratios))

    def of_loss(loss: str) -> dict[str, float]:
        by_radius = {f"{radius}": at_radius(loss, radius) for radius in RADII}
        return {**by_radius, "plane": over_plane(loss)}

    return {loss: of_loss(loss) for loss in LOSSES}


def verdicts(rises: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[bool, str]]:
    """Judge each claim of the thesis by these rises, with the numbers."""
    bwm, w3, j3 = rises["BWM"], rises["W³"], rises["J3"]
    inner_radii = [f"{radius}" for radius in NEAR]
    three = ("BWM", "W³", "J3")
    winners = {radius: max(three, key=lambda loss: rises[loss][radius]) for radius in inner_radii}

    def rises_at(radius: str) -> str:
        texts = [f"{loss} {rises[loss][radius]:.3g}" for loss in three]
        return f"at {radius} {', '.join(texts)}"

    return {
        f"BWM is almost flat on the whole plane (median rise under {FLAT} of J3's)": (
            bwm["plane"] < FLAT * j3["plane"],
            f"{bwm['plane']:.3g} to {j3['plane']:.3g}",
        ),
        "W³ rises more than BWM (at every radius)": (
            all(w3[f"{radius}"] > bwm[f"{radius}"] for radius in RADII),
            ", ".join(f"{w3[f'{radius}']:.3g} to {bwm[f'{radius}']:.3g}" for radius in RADII),
        ),
        f"W³ is near-constant (rise at {' and '.join(inner_radii)} under {FLAT} of J3's)": (
            all(w3[radius] < FLAT * j3[radius] for radius in inner_radii),
            ", ".join(f"{w3[radius]:.3g} to {j3[radius]:.3g}" for radius in inner_radii),
        ),
        f"CE + J tells best near the network (J3 rises most at {' and '.join(inner_radii)})": (
            set(winners.values()) == {"J3"},
            "; ".join(rises_at(radius) for radius in inner_radii),
        ),
    }


def rise_table(units: Units, centre: str) -> str:
    """Write a line for each loss: its rise at each radius as it is, as a ratio, and by chance."""
    seeds = of_centre(units, centre)
    plain, relative = (rises(units, centre, scale) for scale in SCALES)
    lines = []
    for loss in LOSSES:
        value = np.mean([at_centre(unit, loss) for unit in seeds])
        by_chance = np.mean([chance(unit, loss) for unit in seeds])
        cells = [
            f"{plain[loss][f'{r}']:+.3g} (×{1 + plain[loss][f'{r}'] / value:.2f}; "
            f"{relative[loss][f'{r}']:+.0%})"
            for r in RADII
        ]
        lines.append([loss, f"{value:.3g}", f"{by_chance:.3g}", *cells])
    head = [
        f"around {centre}'s network",
        "there",
        "at chance",
        *(f"rise at {radius}" for radius in RADII),
    ]
    return markdown_table(head, lines)


def words(content: Content) -> str:
    """Write how steep each loss is, in Markdown, and what becomes of the thesis' claims."""
    lines = [
        "Figure 37: how much each loss rises when the filters of a trained network change by a "
        "share of their length "
        "(0.1: by a tenth), the mean over both ways of two random directions; in brackets the loss "
        "there as a "
        "multiple of that at the network, and the rise as a share of chance, the loss of a network "
        "that finds all "
        "classes equally likely. The thesis prints surfaces without numbers, so flat is what rises "
        "less than a tenth "
        "of what J3 does. In the verdicts, *a to b* is the rise of the first and of the "
        "second.",
        "",
    ]
    for name, units in content.items():
        centres = [centre for centre in CENTRES if of_centre(units, centre)]
        outcomes = {
            (centre, scale): verdicts(rises(units, centre, scale))
            for centre in centres
            for scale in SCALES
        }
        claims = []
        for claim in outcomes[centres[0], SCALES[0]]:
            for scale, units_text in zip(
                SCALES, ("as they are", "in units of chance"), strict=True
            ):
                cells = [verdict_text(*outcomes[centre, scale][claim]) for centre in centres]
                claims.append([claim, units_text, *cells])
        head = ["the thesis says", "values", *(f"around {centre}'s network" for centre in centres)]
        lines += [
            f"**{name}**",
            "",
            *(rise_table(units, centre) for centre in centres),
            markdown_table(head, claims),
        ]
        lines += [*remarks(units, centres), ""]
    return "\n".join(lines)


def verdict_text(holds: bool, numbers: str) -> str:
    """Write a verdict with its numbers."""
    return f"**{'holds' if holds else 'does not hold'}** ({numbers})"


def remarks(units: Units, centres: list[str]) -> list[str]:
    """Write what a reader must know before believing any of it."""
    first = of_centre(units, centres[0])[0]
    plain = rises(units, centres[0], "plain")
    shares = ", ".join(f"{plain['CE'][f'{r}'] / plain['J3'][f'{r}']:.0%} at {r}" for r in RADII)
    crops, touching = first["line"]["crops"][0], first["line"]["touching"]

    def own_loss(centre: str) -> float:
        seeds = of_centre(units, centre)
        return float(np.mean([at_centre(unit, centre) / chance(unit, centre) for unit in seeds]))

    own = {centre: own_loss(centre) for centre in centres}
    return [
        f"- At chance J3 is {chance(first, 'J3') / chance(first, 'BWM'):.0f} times BWM, of which "
        "only the rarest class "
        "has the weight 1: on one axis BWM is flat whatever the network does.",
        "- Each loss at its own network, in units of chance: "
        f"{', '.join(f'{c} {v:.2f}' for c, v in own.items())}. A "
        "ratio to the value at the network is largest for the loss that is smallest there.",
        f"- Of J3's rise around {centres[0]}'s network cross entropy makes {shares}; the rest is "
        "J's.",
        f"- {crops} crops, {touching:.1%} of their pixels touching; two directions through "
        "millions of axes.",
    ]


def draw(content: Content, folder: Path) -> list[Path]:
    """Draw surfaces around J3's network and lines through all networks, for the first seed."""
    files = []
    for name, units in content.items():
        first = {
            centre: of_centre(units, centre)[0] for centre in CENTRES if of_centre(units, centre)
        }
        figures = {f"fig37-{name}-lines.png": lines_figure(first)}
        if "J3" in first:
            figures[f"fig37-{name}.png"] = surface_figure(first["J3"])
        for file, figure in figures.items():
            figure.savefig(folder / file, dpi=100)
            files.append(folder / file)
    return files


def lines_figure(units: Units) -> Figure:
    """Draw a column for each network; above losses on one axis, below each in units of chance."""
    figure = Figure(figsize=(4.2 * len(units), 7.2), layout="constrained")
    panels = figure.subplots(2, len(units), sharex=True, sharey="row", squeeze=False)
    for column, (centre, unit) in zip(panels.T, units.items(), strict=True):
        for panel, scale in zip(column, SCALES, strict=True):
            for loss in LOSSES:
                for line, style in zip(unit["line"]["values"][loss], ("-", "--"), strict=True):
                    values = np.array(line) / unit_of(unit, loss, scale)
                    label = loss if style == "-" else None
                    panel.plot(
                        unit["line"]["coordinates"],
                        values,
                        style,
                        color=COLOURS[loss],
                        lw=1.6,
                        label=label,
                    )
            panel.axvline(0, color="0.8", lw=0.8, zorder=0)
        column[0].set(
            title=f"around the network trained with {centre}", ylim=(0, 2 * chance(unit, "J3"))
        )
        column[1].set(
            xlabel="step, in lengths of each filter", yscale="log", xticks=(-1, -0.5, 0, 0.5, 1)
        )
        column[1].axhline(1, color="0.8", lw=0.8, zorder=0)
    panels[0, 0].set_ylabel("loss as it is")
    panels[1, 0].set_ylabel("loss in units of chance")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LOSSES), frameon=False)
    figure.supxlabel("solid and dashed: two random directions", fontsize="small", color="0.4")
    return figure


def surface_figure(unit: Mapping[str, Any]) -> Figure:
    """Draw a column for each loss; above all on one scale, below each in units of chance."""
    norms = (Normalize(0, 2 * chance(unit, "J3")), LogNorm(0.1, 10))
    labels = ("loss as it is", "loss in units of chance (dashed: 1)")
    levels = (np.linspace(0, norms[0].vmax, 21), np.geomspace(0.1, 10, 21))
    figure = Figure(figsize=(3.3 * len(LOSSES) + 1, 7), layout="constrained")
    panels = figure.subplots(2, len(LOSSES), sharex=True, sharey=True)
    axis = unit["plane"]["coordinates"]
    for row, scale, norm, level, label in zip(panels, SCALES, norms, levels, labels, strict=True):
        for panel, loss in zip(row, LOSSES, strict=True):
            values = np.array(unit["plane"]["values"][loss]) / unit_of(unit, loss, scale)
            # the first direction is the first axis of the values, and goes along x
            panel.contourf(
                axis, axis, values.T, levels=level, norm=norm, cmap="viridis", extend="both"
            )
            if scale == "chance" and values.min() < 1 < values.max():
                panel.contour(
                    axis, axis, values.T, levels=[1], colors="white", linewidths=1, linestyles="--"
                )
            panel.plot(0, 0, "+", color="white", ms=12, mew=2)
            panel.set(aspect="equal", xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5))
        colours = ScalarMappable(norm, "viridis")
        figure.colorbar(colours, ax=row, label=label, extend="both" if scale == "chance" else "max")
    for panel, loss in zip(panels[0], LOSSES, strict=True):
        panel.set_title(loss)
    figure.supxlabel("step along a random direction, in lengths of each filter", fontsize="medium")
    figure.supylabel("step along another", fontsize="medium")
    figure.suptitle("Four losses on one plane through the network trained with J3 (+)")
    return figure


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    content = collect(results)
    if not content:
        return ""
    pictures = [
        f"![losses around trained networks, {path.stem}](images/{path.name})"
        for path in draw(content, pictures)
    ]
    return "\n\n".join([*pictures, words(content)])


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed in arguments.seeds:
        for name in arguments.sets:
            for centre, kind in product(CENTRES, KINDS):
                job = partial(measure, study, name, kind, centre, seed)
                study.measure_once("landscape", name, f"{kind}/{centre}/{seed}", job)
    print("\n" + words(collect(study.results, tuple(arguments.sets))))


if __name__ == "__main__":
    command(main)
