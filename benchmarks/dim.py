"""Do dim frames fuse as well as bright ones? Pairs with truth that use a part of the range.

python benchmarks/dim.py ../shared/data/fusion/bsds500 [--pairs 6] [--json FILE]
    PSNR in the range of the scene: focus-pair, the same without `find_brightness`, and gff
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fusion import SIMULATIONS, pairs
from result_files import add_json, write_result
from seamwise.fusion import Model, find_brightness, fuse, fuse_frames, load
from seamwise.metrics import fusion as metrics
from seamwise.synth import FocusPair

HOT = 0.001  # of the pixels
# black, white and type as stored; whether there are hot pixels
CODES: dict[str, tuple[int, int, DTypeLike, bool]] = {
    "16 bits": (0, 65535, np.uint16, False),
    "12 of 16 bits": (0, 4095, np.uint16, False),
    "8 of 16 bits": (0, 255, np.uint16, False),
    "8 of 16 bits, hot pixels": (0, 255, np.uint16, True),
    "8 of 16 bits on an offset of 1000": (1000, 1255, np.uint16, False),
    "8 of 16 bits on an offset, hot pixels": (1000, 1255, np.uint16, True),
    "8 bits": (0, 255, np.uint8, False),
    "8 bits, up to 120": (0, 120, np.uint8, False),
    "8 bits, up to 40": (0, 40, np.uint8, False),
    "8 bits, 70 to 190": (70, 190, np.uint8, False),
    "8 bits, 200 to 250": (200, 250, np.uint8, False),
}


def stored(pair: FocusPair, code: str) -> tuple[list[NDArray[np.generic]], NDArray[np.bool_]]:
    """Both sources and the truth, and where hot pixels are."""
    black, white, dtype, is_hot = CODES[code]
    pictures = [
        np.round(black + (white - black) * x).astype(dtype) for x in (pair.a, pair.b, pair.truth)
    ]
    hot = np.random.default_rng(0).random(pair.mask.shape) < HOT * is_hot
    for picture in pictures:
        picture[hot] = np.iinfo(dtype).max
    return pictures, hot


def quality(
    image: NDArray[np.generic], truth: NDArray[np.generic], hot: NDArray[np.bool_], code: str
) -> float:
    """PSNR as if the scene used 0 to 255, without hot pixels."""
    black, white, *_ = CODES[code]
    scaled = [255 * (x[~hot].astype(float) - black) / (white - black) for x in (image, truth)]
    return metrics.psnr(*(x[np.newaxis].clip(0, 255) for x in scaled))


def measure(drawn: Sequence[FocusPair], code: str, model: Model) -> dict[str, Any]:
    """Mean PSNR of each way, and how many pairs are seen as they are."""
    rows = []
    for pair in drawn:
        (*frames, truth), hot = stored(pair, code)
        images = [fuse(frames, model=x).image for x in (model, "gff")]
        largest = np.float32(np.iinfo(frames[0].dtype).max)
        scaled = [frame / largest for frame in frames]
        as_stored = fuse_frames(scaled, model=model).image * largest  # black is 0, white 1
        images.insert(1, np.rint(as_stored).astype(frames[0].dtype))
        is_whole = find_brightness(scaled).is_whole
        rows.append([*(quality(image, truth, hot, code) for image in images), is_whole])
    *means, whole = np.mean(rows, 0).tolist()
    return {"psnr": means, "as_they_are": round(whole * len(rows)), "pairs": len(rows)}


def table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table."""
    yield "| | focus-pair | without | gff | seen as they are |"
    yield "|---|---|---|---|---|"
    for code, row in content["codes"].items():
        means = " | ".join(f"{mean:.2f}" for mean in row["psnr"])
        yield f"| {code} | {means} | {row['as_they_are']} of {row['pairs']} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=6)
    add_json(parser)
    options = parser.parse_args()
    model = load("focus-pair")
    drawn = [pair for x in SIMULATIONS.values() for pair in pairs(options.data, x, options.pairs)]
    content = {"codes": {code: measure(drawn, code, model) for code in CODES}}
    print(f"\n{len(drawn)} pairs, half of them with matte edges; PSNR, dB\n")
    print(*table(content), sep="\n")
    write_result(options.json, content, models=["focus-pair"])


if __name__ == "__main__":
    main()
