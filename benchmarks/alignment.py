"""How well are frames aligned? Pairs of different focus, moved by known motions.

python benchmarks/alignment.py ../shared/data/fusion/bsds500 [--pairs 12] [--motion auto]
    error in the worst corner, and the PSNR of what gff makes of the aligned frames
"""

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion import FuseOptions, Simulation, find_pictures, fuse_burst, make_pair, split
from seamwise.metrics import fusion as metrics

MARGIN = 24
# shift in pixels, scale, turn in radians, perspective
MOTIONS = {
    "none": ((0, 0), 1, 0, (0, 0)),
    "shift of 0.4": ((0.31, -0.25), 1, 0, (0, 0)),
    "shift of 3.4": ((-2.1, 2.7), 1, 0, (0, 0)),
    "breathing 0.4 %": ((0, 0), 1.004, 0, (0, 0)),
    "breathing 1 %, shaken": ((1.2, -3.3), 0.99, 0.01, (0, 0)),
    "tilted": ((1.5, 2.2), 1, 0, (2e-5, -3e-5)),
}


def movement(shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """From the second frame to the first, about the centre."""
    shift, scale, turn, perspective = MOTIONS[name]
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    about_centre = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*perspective, 1]])
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return np.linalg.inv(to_centre) @ about_centre @ to_centre


def photograph(picture: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The inner part of a picture, as a camera moved by the matrix sees it."""
    size = picture.shape[1] - 2 * MARGIN, picture.shape[0] - 2 * MARGIN
    into = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1]]) @ matrix
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpPerspective(picture, into, size, flags=flags), 0, 1)


def levels(picture: NDArray[np.float32], rng: np.random.Generator | None = None) -> NDArray:
    """As 8 bits, with noise of one level."""
    noise = 0 if rng is None else rng.normal(0, 1, picture.shape)
    return np.clip(np.round(255 * picture + noise), 0, 255).astype(np.uint8)


def measure(pair, name: str, options: FuseOptions, rng: np.random.Generator) -> tuple[float, ...]:
    """Error of the worst corner; 1 if both frames stayed untouched; PSNR."""
    shape = tuple(length - 2 * MARGIN for length in pair.truth.shape[:2])
    matrix = movement(shape, name)
    frames = [levels(photograph(pair.a, np.eye(3)), rng), levels(photograph(pair.b, matrix), rng)]
    fusion = fuse_burst(frames, options)
    first, second = fusion.alignment.matrices
    estimate = np.linalg.inv(first) @ second
    corners = np.array([(x, y, 1) for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)])
    places, truths = corners @ estimate.T, corners @ matrix.T
    error = np.hypot(*(places / places[:, 2:] - truths / truths[:, 2:])[:, :2].T).max()
    y0, y1, x0, x1 = fusion.alignment.common
    truth = levels(photograph(pair.truth, matrix))[y0:y1, x0:x1]
    is_untouched = np.array_equal(estimate, np.eye(3)) and (fusion.alignment.gains == 1).all()
    return float(error), float(is_untouched), metrics.psnr(fusion.image, truth)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--motion")
    given = parser.parse_args()
    chosen = {} if given.motion is None else {"motion": given.motion}
    options = FuseOptions(model="gff", align=True, **chosen)
    held_back = split(find_pictures(given.data), hold_out_every=12, leave_out_every=4).test
    simulation = Simulation(matte=1.0, disc=1.0)
    print("| | corner error, px: median | worst | untouched | PSNR, dB |\n|---|---|---|---|---|")
    for name in MOTIONS:
        rows, failures = [], 0
        for number, picture in enumerate(itertools.islice(held_back, given.pairs)):
            rng = np.random.default_rng((1, number))
            pair = make_pair(picture, crop=None, simulation=simulation, rng=rng)
            try:
                rows.append(measure(pair, name, options, rng))
            except ValueError:
                failures += 1
        errors, untouched, quality = np.transpose(rows)
        refused = f" ({failures} refused)" if failures else ""
        print(
            f"| {name} | {np.median(errors):.3f} | {errors.max():.2f} | "
            f"{untouched.sum():.0f} of {len(rows)}{refused} | {np.mean(quality):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
