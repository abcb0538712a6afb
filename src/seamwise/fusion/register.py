"""Align the frames of a burst: find where each lies on another; see `estimate_alignment`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment, check_shape, check_type, size_text
from seamwise.fusion.exposure import gain, shrink, thumbnail
from seamwise.fusion.frames import Frames, luminance, shape_of
from seamwise.fusion.homography import Matrix, implausible, is_still, resampling, unit
from seamwise.types import Picture
from seamwise.words import Motion, check_word

_MOTION = {"homography": cv2.MOTION_HOMOGRAPHY, "affine": cv2.MOTION_AFFINE}
_WORK_PIXELS = 1_500_000  # of the copy that is registered
_PERSPECTIVE_PIXELS = 40_000  # in a smaller copy noise looks like perspective
_FEATURE_PIXELS = 400_000
_SHORTEST = 48  # shorter side of the coarsest copy
_WINDOW = 8.0  # standard deviation, in pixels, of the window that contrast is normalised in
_LEAST_CONTRAST = 5e-4
_GOOD, _LEAST_CORRELATION = 0.5, 0.3
_LEAST_MATCHES = 8


class AlignmentError(ValueError):
    """A frame that cannot be registered; `frame` is its number in the burst, counted from 0."""

    def __init__(self, message: str, frame: int) -> None:
        super().__init__(message)
        self.frame = frame


@dataclass(frozen=True, eq=False)
class _Copy:
    """Small copies of a frame: normalised ones from fine to coarse, and the `thumbnail`."""

    levels: tuple[Picture, ...]
    thumbnail: Picture


def estimate_alignment(
    frames: Frames,
    *,
    motion: Motion = "homography",
    reference: int | None = None,
    exposure: bool = True,
    names: Sequence[str] | None = None,
) -> Alignment:
    """Find where each frame of a hand-held or breathing burst lies on the reference frame.

    Each frame i is registered to its neighbour j towards the reference, which has the most similar
    focus. The steps are chained, M_i = M_j · T_ij. A step maximises the enhanced correlation
    coefficient over the matrices of the motion, from coarse to fine::

        T_ij⁻¹ = arg max_W  ⟨t̄, ī_W⟩ / (‖t̄‖ · ‖ī_W‖),    t̄, ī_W zero-mean
        i_W(x) = N[I_i](W x),    t = N[I_j]
        N[I] = d / (c + c̄/4),    d = G₁*I − G₈*I,    c² = G₈*d²,    c̄ the mean of c

    with G_σ a Gaussian of σ pixels. So it counts where edges are, not how strong they are;
    brightness and most of a different blur cancel. The search starts at the identity. If that ends
    in a correlation below 0.5, it starts again at the matrix of matched SIFT features (RANSAC). A
    step that correlates no better than the identity is the identity.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        At least two, of one shape, in 0..1, of at most 32,766 pixels a side and 4 channels. They
        are read one at a time, in order away from the reference. Only copies of at most 1.5
        megapixels of three of them are in memory: of the reference, the neighbour and the frame
        that is registered to it.
    motion : {"homography", "affine"}
        Eight or six numbers per frame. An affine matrix has a smaller error where texture is
        scarce. Copies of under 40,000 pixels are always registered by one, since noise looks like
        perspective in them.
    reference : int, optional
        Number of the frame that stays as it is, counted from 0; the middle one by default, n // 2.
    exposure : bool
        Also estimate gains: per channel, the median over the common pixels of the ratio of blurred
        reference to blurred frame. Pixels are ignored that are below 0.02 in either blurred
        picture, or blurred from over 1 % of clipped values, above 0.98. A gain beyond 0.5..2, one
        stop, becomes that bound. The gain is 1 if no pixel remains, and everywhere without this
        option.
    names : sequence of str, optional
        Names of the frames for messages; "frame 0", "frame 1", … by default.

    Returns
    -------
    Alignment
        Identical frames have exactly the identity and gains of 1. A frame whose corners all lie
        within a quarter of a pixel of their place has the identity too: resampling would soften it,
        and soft looks out of focus. Its neighbour is chained to where it truly lies, so that a slow
        drift adds up.

    Raises
    ------
    AlignmentError
        A frame has no texture, correlates with its neighbour below 0.3, or would be moved by over a
        quarter of the picture, scaled beyond 0.8..1.25, mirrored or folded. Its number is in
        `frame`.
    ValueError
        There are fewer than two frames, they are empty or too large, their shapes differ, or an
        option is out of range.
    TypeError
        Frames hold integers or half floats.

    Notes
    -----
    Source: Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113. The thesis assumes aligned
    frames. The correlation ignores a border of up to 16 pixels, as the local mean is not the same
    there in both frames.

    Examples
    --------
    What frame 1 shows at (0, 0), the reference shows at x = 4, y = 2:

    >>> scene = np.random.default_rng(0).random((90, 120), np.float32)
    >>> scene = cv2.GaussianBlur(scene, (0, 0), 2)
    >>> alignment = estimate_alignment([scene[5:85, 5:105], scene[7:87, 9:109]], reference=0)
    >>> alignment.matrices[1, :2, 2].round()
    array([4., 2.])
    """
    shape, count = shape_of(frames), len(frames)
    names = [f"frame {i}" for i in range(count)] if names is None else names
    middle = count // 2 if reference is None else reference
    check_shape(shape)
    _check_options(motion, middle, names, count)

    matrices = np.tile(np.eye(3), (count, 1, 1))
    gains = np.ones((count, math.prod(shape[2:])))
    anchor = _small_copy(frames, middle, shape, names)
    to_full = resampling(anchor.levels[0].shape, shape)
    to_small = np.linalg.inv(to_full)
    for outward in (range(middle + 1, count), range(middle - 1, -1, -1)):
        neighbour, j, matrix = anchor, middle, np.eye(3)
        for i in outward:
            copy = _small_copy(frames, i, shape, names)
            step, correlation = _register(copy, neighbour, motion)
            if not correlation >= _LEAST_CORRELATION:
                fault = f"their correlation is {correlation:.2f}, below {_LEAST_CORRELATION}"
                raise AlignmentError(_refusal(names[i], names[j], fault), i)
            matrix = unit(matrix @ to_full @ step @ to_small)
            if fault := implausible(matrix, shape):
                raise AlignmentError(_refusal(names[i], names[middle], fault), i)
            if not is_still(matrix, shape):
                matrices[i] = matrix
            if exposure:
                gains[i] = gain(copy.thumbnail, anchor.thumbnail, matrix, shape)
            neighbour, j = copy, i
    return Alignment(matrices, gains, (shape[0], shape[1]), middle, tuple(names))


def _check_options(motion: str, reference: int, names: Sequence[str], count: int) -> None:
    check_word("motion", motion, get_args(Motion))
    if not 0 <= reference < count:
        raise ValueError(f"reference must be one of the frames 0..{count - 1}, not {reference}")
    if len(names) != count:
        raise ValueError(f"names must be one per frame, {count}, not {len(names)}")


def _refusal(name: str, other: str, fault: str) -> str:
    return (
        f"{name} cannot be registered to {other}: {fault}; "
        "remove it, or do not align (--no-align, align=False)"
    )


def _small_copy(frames: Frames, i: int, shape: tuple[int, ...], names: Sequence[str]) -> _Copy:
    frame = frames[i]
    if frame.shape != shape:
        raise ValueError(
            f"frames must be of one size: {names[i]} is {size_text(frame.shape)}, "
            f"{names[0]} {size_text(shape)}; remove it"
        )
    check_type(frame)
    pictures = [shrink(luminance(frame), _WORK_PIXELS)]
    while min(pictures[-1].shape) >= 2 * _SHORTEST:
        pictures.append(shrink(pictures[-1], pictures[-1].size // 4))
    levels, contrasts = zip(*map(_normalize, pictures), strict=True)
    highest = max(contrasts)
    if not highest >= _LEAST_CONTRAST:
        fault = f"it has no texture (contrast {highest:.1e}, at least {_LEAST_CONTRAST} is needed)"
        raise AlignmentError(_refusal(names[i], "its neighbour", fault), i)
    return _Copy(levels, thumbnail(frame))


def _normalize(image: Picture) -> tuple[Picture, float]:
    """N[I] and the mean contrast c̄ of `estimate_alignment`."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1, borderType=cv2.BORDER_REFLECT)
    detail = smooth - cv2.GaussianBlur(image, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT)
    contrast = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT))
    mean = float(contrast.mean())
    return detail / (contrast + max(mean / 4, np.finfo(np.float32).tiny)), mean


def _register(moving: _Copy, fixed: _Copy, motion: Motion) -> tuple[Matrix, float]:
    """The matrix from the moving to the fixed finest copy, and the correlation it reaches."""
    identity = np.eye(3)
    best, highest = identity, _correlation(moving.levels[0], fixed.levels[0], identity)
    for start in _starts(moving, fixed, motion):
        matrix = _refine(moving, fixed, motion, start)
        correlation = _correlation(moving.levels[0], fixed.levels[0], matrix)
        if correlation > highest:
            best, highest = matrix, correlation
        if highest >= _GOOD:
            break
    return best, highest


def _starts(moving: _Copy, fixed: _Copy, motion: Motion) -> Iterator[Matrix]:
    yield np.eye(3)
    matrix = _from_features(moving, fixed, motion)
    if matrix is not None:
        yield matrix


def _from_features(moving: _Copy, fixed: _Copy, motion: Motion) -> Matrix | None:
    """The matrix that most of the matched SIFT features agree on, or None."""
    level = next((k for k, image in enumerate(fixed.levels) if image.size <= _FEATURE_PIXELS), -1)
    source, target = _matches(moving.levels[level], fixed.levels[level])
    if len(source) < _LEAST_MATCHES:
        return None
    matrix = _consensus(source, target, motion)
    # features that collapse or mirror the picture agree by chance
    if matrix is None or not np.linalg.det(matrix) > 0.1:
        return None
    to_finest = resampling(fixed.levels[level].shape, fixed.levels[0].shape)
    return unit(to_finest @ matrix @ np.linalg.inv(to_finest))


def _consensus(source: Matrix, target: Matrix, motion: Motion) -> Matrix | None:
    """The matrix that takes most source points to within 3 pixels of their targets, or None."""
    if motion == "homography":
        return cast("Matrix | None", cv2.findHomography(source, target, cv2.USAC_MAGSAC, 3.0)[0])
    rows = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=3.0)[0]
    return None if rows is None else np.vstack([rows, (0, 0, 1)])


def _matches(moving: Picture, fixed: Picture) -> tuple[Matrix, Matrix]:
    """Points (x, y) of both pictures whose SIFT features look alike, and like no others."""
    sift = cv2.SIFT.create(nfeatures=3000)
    moving_points, moving_features = sift.detectAndCompute(_grey_levels(moving), None)
    fixed_points, fixed_features = sift.detectAndCompute(_grey_levels(fixed), None)
    if min(len(moving_points), len(fixed_points)) < _LEAST_MATCHES:
        return np.zeros((0, 2)), np.zeros((0, 2))
    two_best = cv2.BFMatcher(cv2.NORM_L2).knnMatch(moving_features, fixed_features, k=2)
    pairs = [first for first, second in two_best if first.distance < 0.8 * second.distance]
    source = [moving_points[pair.queryIdx].pt for pair in pairs]
    target = [fixed_points[pair.trainIdx].pt for pair in pairs]
    return np.reshape(source, (-1, 2)), np.reshape(target, (-1, 2))


def _grey_levels(image: Picture) -> NDArray[np.uint8]:
    """A normalised picture, mostly within ±3, as bytes; smoothed, as noise makes features."""
    return np.clip(128 + 42 * cv2.GaussianBlur(image, (0, 0), 1.5), 0, 255).astype(np.uint8)


def _refine(moving: _Copy, fixed: _Copy, motion: Motion, start: Matrix) -> Matrix:
    """The matrix of the highest correlation close to the start, from coarse to fine copies."""
    finest = fixed.levels[0]
    matrix = start
    for picture, template in zip(reversed(moving.levels), reversed(fixed.levels), strict=True):
        to_level = resampling(finest.shape, template.shape)
        start_matrix = to_level @ matrix @ np.linalg.inv(to_level)
        safe_motion = "affine" if template.size < _PERSPECTIVE_PIXELS else motion
        end_matrix = _maximise(picture, template, safe_motion, start_matrix)
        # a coarse copy with little on it may lead astray
        if _correlation(picture, template, end_matrix) > _correlation(
            picture, template, start_matrix
        ):
            matrix = unit(np.linalg.inv(to_level) @ end_matrix @ to_level)
    return matrix


def _maximise(moving: Picture, fixed: Picture, motion: Motion, start: Matrix) -> Matrix:
    """The matrix of the highest correlation of two pictures, or the start if no step raises it."""
    # OpenCV's matrix goes from its template, here the fixed picture, to the other one
    backward = unit(np.linalg.inv(start))[: 3 if motion == "homography" else 2].astype(np.float32)
    steps = 50 if fixed.size < _FEATURE_PIXELS else 10
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-6)
    try:
        _, rows = cv2.findTransformECC(
            fixed, moving, backward, _MOTION[motion], criteria, _interior(moving.shape)
        )
    except cv2.error:  # how OpenCV reports that no step raises the correlation
        return start
    matrix = np.eye(3)
    matrix[: len(rows)] = rows
    return unit(np.linalg.inv(matrix))


def _interior(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """255 inside of a margin, in which the local mean depends on pixels outside of the picture."""
    margin = max(1, min(16, min(shape) // 8))
    mask = np.zeros(shape, np.uint8)
    mask[margin:-margin, margin:-margin] = 255
    return mask


def _correlation(moving: Picture, fixed: Picture, matrix: Matrix) -> float:
    """Correlation of the pictures where they overlap; 0 if that is less than a quarter of them."""
    size = fixed.shape[::-1]
    picture = cv2.warpPerspective(moving, matrix, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(_interior(fixed.shape), matrix, size, flags=cv2.INTER_NEAREST)
    overlap = (mask > 0) & (_interior(fixed.shape) > 0)
    if overlap.sum() * 4 < overlap.size:
        return 0.0
    a, b = picture[overlap].astype(np.float64), fixed[overlap].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0
