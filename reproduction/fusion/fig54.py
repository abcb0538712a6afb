"""Three sources: the thesis' section 6.3.6 and its Figure 54.

python reproduction/fusion/fig54.py ../shared/data/fusion -o results [--quick]

Fuses the triplets x-A.jpg, x-B.jpg, x-C.jpg of lytro/triplets, by GFF at once, by all others one
source after the other. The thesis looks at the pictures: the metrics are for two sources. We
measure how far the colours are from the nearest source. On made-up pairs and triplets (bands with
hard edges) from held-out pictures of bsds500 we measure SSIM against the truth. Writes fig54.json,
fig54.md, and fig54.png for looking.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seamwise.analysis import Claim, claim_of_pairs, markdown_table
from seamwise.fusion import fuse, load
from seamwise.io import read_photo
from seamwise.metrics.fusion import ssim
from seamwise.synth import focus_pair
from stored import (
    check_stored,
    command,
    pixels_sha256,
    provenance_of,
    script_parser,
    split_pictures,
    store,
)

Picture = NDArray[np.uint8]

PICTURES = 20  # of bsds500, for made-up triplets
SIGMA = 3.0  # of the blur, in pixels
COUNTS = (2, 3)  # frames of a scene
MODELS = ("focus-seg", "focus-reg")
METHODS = {
    "HF-Seg": {"model": "focus-seg"},
    "HF-Reg without Near": {"model": "focus-reg", "nearest": False},
    "HF-Reg with Near": {"model": "focus-reg", "nearest": True},
    "CNN": {"model": "cnn"},
    "GFF": {"model": "gff"},
}


def find_triplets(folder: Path) -> dict[str, list[Picture]]:
    """Read the triplets of a folder."""
    first = sorted(folder.glob("*-A.jpg"))
    if not first:
        raise FileNotFoundError(f"{folder} holds no triplets named x-A.jpg, x-B.jpg, x-C.jpg")

    def frames(path: Path) -> list[Picture]:
        name = path.name.removesuffix("-A.jpg")
        return [read_photo(folder / f"{name}-{letter}.jpg").pixels for letter in "ABC"]

    return {path.name.removesuffix("-A.jpg"): frames(path) for path in first}


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, and made-up frames of it: two of them, and three."""

    truth: Picture
    frames: Mapping[int, Sequence[Picture]]


def bands(shape: tuple[int, int], count: int) -> NDArray[np.int64]:
    """Return upright bands of equal width, with wavy borders."""
    rows, columns = np.indices(shape)
    waves = shape[1] / 20 * np.sin(rows * 2 * np.pi / shape[0])
    return np.clip((columns + waves) * count / shape[1], 0, count - 1).astype(np.int64)


def frames_of(truth: Picture, count: int) -> list[Picture]:
    """Return `count` made-up frames, each sharp in a band of its own."""
    band = bands(truth.shape[:2], count)
    frames = [
        focus_pair(truth, band != number, sigma=SIGMA, edges="hard").a for number in range(count)
    ]
    return [np.round(255 * frame).astype(np.uint8) for frame in frames]


def scene_of(truth: Picture) -> Scene:
    """Make up the frames of a picture."""
    return Scene(truth, {count: frames_of(truth, count) for count in COUNTS})


def fusers() -> dict[str, Callable[[Sequence[Picture]], Picture]]:
    """Return the methods, with each network loaded once."""
    networks = {name: load(name) for name in MODELS}

    def run(frames: Sequence[Picture], *, model: str, **options: Any) -> Picture:
        return fuse(frames, model=networks.get(model, model), **options).image

    return {name: partial(run, **options) for name, options in METHODS.items()}


def distance(image: Picture, frames: Sequence[Picture]) -> float:
    """Return how far a picture is from the nearest frame, a mean over pixels, in grey levels."""
    distances = [np.abs(image.astype(int) - frame).mean(axis=2) for frame in frames]
    return round(float(np.min(distances, axis=0).mean()), 4)


def table(content: Mapping[str, Any]) -> str:
    """Write SSIM of made-up pairs and triplets, and the distance from real sources."""
    similarity = content["ssim"]
    names = list(content["distance"])

    def line(method: str) -> list[str]:
        two, three = (float(np.mean(similarity[method][count])) for count in ("2", "3"))
        distances = [f"{content['distance'][name][method]:.2f}" for name in names]
        return [method, f"{two:.4f}", f"{three:.4f}", f"{three - two:+.4f}", *distances]

    pictures = len(next(iter(similarity.values()))["2"])
    head = [f"SSIM, mean of {pictures}", "two sources", "three sources", "change"]
    return markdown_table(
        [*head, *(f"{name}, from a source" for name in names)], map(line, METHODS)
    )


def claims(content: Mapping[str, Any]) -> dict[str, Claim]:
    """Judge whether errors accumulate more when colours are regressed, without and with Near."""

    def lost(method: str) -> NDArray[np.float64]:
        scores = content["ssim"][method]
        return np.subtract(scores["2"], scores["3"])

    text = "HF-Reg loses more than HF-Seg by a third source"
    return {
        name: claim_of_pairs(
            f"{text}, {name}", lost(f"HF-Reg {name}"), lost("HF-Seg"), metric="SSIM lost"
        )
        for name in ("without Near", "with Near")
    }


def verdict(content: Mapping[str, Any]) -> str:
    """Write the claims with their verdicts."""
    lines = (f"- {c.text}: **{c.verdict}** ({c.numbers})." for c in claims(content).values())
    return "\n".join(lines) + "\n"


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claim."""
    return f"{table(content)}\n{verdict(content)}"


def draw(triplets: Mapping[str, Sequence[Picture]], output: Path) -> None:
    """Draw sources and results, a row for each triplet."""
    methods = fusers()
    figure = Figure(figsize=(2.4 * (3 + len(methods)), 2.7 * len(triplets)), layout="constrained")
    rows = figure.subplots(len(triplets), 3 + len(methods), squeeze=False)
    for panels, frames in zip(rows, triplets.values(), strict=True):
        pictures = dict(zip("ABC", frames, strict=True))
        pictures |= {name: method(frames) for name, method in methods.items()}
        for panel, (title, image) in zip(panels, pictures.items(), strict=True):
            panel.imshow(image)
            panel.set_title(title, fontsize=9)
            panel.set_axis_off()
    figure.savefig(output, dpi=80)


def measure(triplets: Mapping[str, Sequence[Picture]], scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return SSIM of each scene by method and number of frames, and distances of each triplet."""
    methods = fusers()
    similarity: dict[str, dict[str, list[float]]] = {}
    for name in methods:
        similarity[name] = {str(count): [] for count in COUNTS}
    for scene in scenes:
        for count, frames in scene.frames.items():
            for name, method in methods.items():
                score = round(ssim(method(frames), scene.truth), 6)
                similarity[name][str(count)].append(score)
    distances: dict[str, dict[str, float]] = {}
    for name, frames in triplets.items():
        distances[name] = {
            title: distance(method(frames), frames) for title, method in methods.items()
        }
    return {"ssim": similarity, "distance": distances}


def pictures_of(
    triplets: Mapping[str, Sequence[Picture]], scenes: Sequence[Scene]
) -> Iterator[Picture]:
    """Yield all pictures that the results depend on."""
    for frames in triplets.values():
        yield from frames
    for scene in scenes:
        yield scene.truth
        for frames in scene.frames.values():
            yield from frames


def main() -> None:
    arguments = script_parser(
        __doc__,
        "one picture; files are called fig54-quick…",
        data="folder with lytro/triplets and bsds500",
    ).parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / ("fig54-quick.json" if arguments.quick else "fig54.json")
    count = 1 if arguments.quick else PICTURES
    triplets = find_triplets(arguments.data / "lytro" / "triplets")
    triplets = dict(list(triplets.items())[:count])
    held_out = split_pictures(arguments.data / "bsds500").test[:count]
    scenes = [scene_of(picture.read()) for picture in held_out]
    provenance = provenance_of(
        {name: name for name in MODELS},
        triplets=list(triplets),
        pictures=[picture.name for picture in held_out],
        data_sha256=pixels_sha256(pictures_of(triplets, scenes)),
        sigma=SIGMA,
        methods=METHODS,
    )
    check_stored(path, provenance)
    content = measure(triplets, scenes)
    store(path, provenance, content)
    text = table(content) if arguments.quick else section(content)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(triplets, path.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    command(main)
