"""Frames laid over each other before they are fused; see `estimate_alignment`, `Alignment` and `AlignedFrames`."""

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import Frames, Picture, checked_frames, luminance
from seamwise.io.jsonfile import read_json, write_json

Matrix = NDArray[np.float64]
Box = tuple[int, int, int, int]
Motion = Literal["homography", "affine"]

_KIND = "seamwise alignment 1"
_MOTION = {"homography": cv2.MOTION_HOMOGRAPHY, "affine": cv2.MOTION_AFFINE}
_WORK_PIXELS = 1_500_000  # of the copy that is registered
_PERSPECTIVE_PIXELS = 40_000  # a smaller copy does not tell perspective from noise
_FEATURE_PIXELS = 400_000
_THUMBNAIL_PIXELS = 60_000
_SHORTEST = 48  # shorter side of the coarsest copy
_WINDOW = 8.0  # standard deviation, in pixels, of the window that contrast is normalised in
_LEAST_CONTRAST = 5e-4
_GOOD, _LEAST_CORRELATION = 0.5, 0.3
_LEAST_MATCHES = 8
_SCALES = (0.8, 1.25)
GAINS = (0.5, 2.0)  # one stop; a gain beyond becomes this bound
_BLACK, _WHITE = 0.02, 0.98  # beyond them a pixel says nothing about exposure
_CLIPPED_SHARE = 0.01  # of what a pixel of the thumbnail is blurred from
_STILL = 0.25  # pixels
_LONGEST, _MOST_CHANNELS = 32_766, 4  # OpenCV's warpPerspective refuses more


class AlignmentError(ValueError):
    """A frame that cannot be registered; `frame` is its number in the burst, counted from 0."""

    def __init__(self, message: str, frame: int) -> None:
        super().__init__(message)
        self.frame = frame


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each frame of a burst lies on its reference frame, and how bright it is.

    A pixel (x, y) of frame i shows what the reference shows at (x′, y′)::

        w · (x′, y′, 1)ᵀ = matrices[i] · (x, y, 1)ᵀ,    I_ref(x′, y′) ≈ gains[i] · I_i(x, y)

    with x to the right, y down and (0, 0) the centre of the first pixel, in pixels of the full picture.

    Attributes
    ----------
    matrices : (n, 3, 3) float64 array
        From frame to reference; the identity for the reference itself.
    gains : (n, C) float64 array
        One per channel, C = 1 for grey pictures; 1 for the reference.
    shape : (Y, X)
        Size of every frame.
    reference : int
        Number of the frame that stays as it is.
    names : tuple of str
        One per frame, for messages.
    common : (y0, y1, x0, x1)
        The largest box ``[y0:y1, x0:x1]`` of the reference that every frame covers, to the outer edges of its pixels,
        so that a shift of up to half a pixel costs none; of equal ones the topmost.

    Raises
    ------
    ValueError
        Shapes do not fit together or are beyond what `estimate_alignment` takes, a matrix mirrors, folds (w ≤ 0 at
        a corner of the frame) or is not finite, a gain is not positive, or no pixel is covered by every frame.

    Examples
    --------
    >>> matrices = np.stack([np.eye(3)] * 2)
    >>> matrices[1, 0, 2] = 1  # frame 1 shows at x what the reference shows at x + 1
    >>> alignment = Alignment(matrices, np.ones((2, 1)), (2, 4), 0, ("a", "b"))
    >>> alignment.common
    (0, 2, 1, 4)
    >>> alignment.apply(np.array([[0.2, 0.3, 0.4, 0.5]] * 2, np.float32), 1)
    array([[0.2, 0.3, 0.4],
           [0.2, 0.3, 0.4]], dtype=float32)
    """

    matrices: Matrix
    gains: Matrix
    shape: tuple[int, int]
    reference: int
    names: tuple[str, ...]
    common: Box = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.matrices.shape != (count, 3, 3) or self.gains.shape[:-1] != (count,):
            raise ValueError(
                f"matrices and gains must be ({count}, 3, 3) and ({count}, C) for {count} names, "
                f"not {self.matrices.shape} and {self.gains.shape}: estimate the alignment again"
            )
        _check_shape((*self.shape, self.gains.shape[1]))
        if not 0 <= self.reference < count:
            raise ValueError(
                f"reference must be one of the frames 0..{count - 1}, not {self.reference}: "
                "estimate the alignment again"
            )
        if not np.isfinite(self.matrices).all() or any(
            _folds(matrix, self.shape) for matrix in self.matrices
        ):
            raise ValueError(
                "matrices must be finite, with a positive determinant and w > 0 at the corners of the frame, "
                "so that none folds or mirrors: estimate the alignment again"
            )
        if not (np.isfinite(self.gains) & (self.gains > 0)).all():
            raise ValueError("gains must be positive and finite: estimate the alignment again")
        object.__setattr__(self, "common", _common_box(self.matrices, self.shape))

    def apply(self, frame: Picture, i: int, *, crop: bool = True) -> Picture:
        """Return frame i as the reference would have seen it, its gain applied, clipped to 0..1.

        Parameters
        ----------
        frame : (Y, X) or (Y, X, C) float32 array
            Frame i, in 0..1.
        i : int
            Its number, 0..n−1.
        crop : bool
            Cut to `common`. Otherwise the size is kept, and what the frame does not cover is mirrored at its border.

        Raises
        ------
        ValueError
            The frame has another size or number of channels.
        TypeError
            It holds integers or half floats.

        Notes
        -----
        Lanczos interpolation over 8 × 8 pixels, at positions rounded to 1/32 pixel (OpenCV's `warpPerspective`).
        """
        self._check_frame(frame, self.names[i])
        y0, y1, x0, x1 = self.common if crop else (0, self.shape[0], 0, self.shape[1])
        warped = cv2.warpPerspective(
            frame,
            _translation(-x0, -y0) @ self.matrices[i],
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        bright = warped.reshape(y1 - y0, x1 - x0, -1) * self.gains[i].astype(np.float32)
        return np.asarray(bright.clip(0, 1), np.float32).reshape(y1 - y0, x1 - x0, *frame.shape[2:])

    def check_fits(self, frames: Frames, *, names: Sequence[str] | None = None) -> None:
        """Check that a burst has the count, the size, the channels and, if given, the names of this one.

        Raises
        ------
        ValueError
            It has not. Only the first frame is read; `apply` checks each.
        """
        called = self.names if names is None else tuple(names)
        count = len(self.names)
        if len(frames) != count:
            raise ValueError(
                f"the alignment is of {count} frames, the burst has {len(frames)}: align it anew"
            )
        if len(called) != count:
            raise ValueError(f"names must be one per frame, {count}, not {len(called)}")
        self._check_frame(frames[0], self.names[0])
        for mine, theirs in zip(self.names, called, strict=True):
            if mine != theirs:
                raise ValueError(
                    f"the alignment is of {mine}, where the burst has {theirs}: align it anew"
                )

    def save(self, path: Path) -> None:
        """Write the alignment as JSON; `load` brings back every bit."""
        content = {
            "kind": _KIND,
            "shape": list(self.shape),
            "reference": self.reference,
            "names": list(self.names),
            "matrices": self.matrices.tolist(),
            "gains": self.gains.tolist(),
        }
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> "Alignment":
        """Read what `save` wrote; `common` is computed again.

        Raises
        ------
        OSError
            The file is missing or not readable.
        ValueError
            The file is something else, or damaged.
        """
        content = read_json(path)
        if content.get("kind") != _KIND:
            raise ValueError(
                f"{path} is no alignment: kind must be {_KIND!r}, not {content.get('kind')!r}"
            )
        try:
            height, width = (operator.index(length) for length in content["shape"])
            return cls(
                matrices=np.array(content["matrices"], np.float64),
                gains=np.array(content["gains"], np.float64),
                shape=(height, width),
                reference=operator.index(content["reference"]),
                names=tuple(str(name) for name in content["names"]),
            )
        except KeyError as error:
            raise ValueError(f"{path} is a damaged alignment: {error} is missing") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is a damaged alignment: {error}") from error

    def _check_frame(self, frame: Picture, name: str) -> None:
        _check_type(frame)
        channels = math.prod(frame.shape[2:])
        if frame.shape[:2] != self.shape or channels != self.gains.shape[1]:
            raise ValueError(
                f"{name} is {_size(frame.shape)}, the alignment is of frames of "
                f"{_size((*self.shape, self.gains.shape[1]))}: align the burst anew"
            )


class AlignedFrames(Sequence[Picture]):
    """A burst seen through its alignment: each frame is read and warped when it is asked for.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
    alignment : Alignment
    crop : bool
        As in `Alignment.apply`.

    Raises
    ------
    ValueError
        The alignment is of another burst (`Alignment.check_fits`).
    """

    def __init__(self, frames: Frames, alignment: Alignment, *, crop: bool = True) -> None:
        alignment.check_fits(frames)
        self.frames, self.alignment, self.crop = frames, alignment, crop

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Frame `index` on the reference."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        i = range(len(self))[index]
        return self.alignment.apply(self.frames[i], i, crop=self.crop)


@dataclass(frozen=True, eq=False)
class _Copy:
    """What is kept of a frame: smaller and smaller normalised copies, and a blurred thumbnail (Y, X, C).

    The thumbnail is NaN where what it is blurred from is clipped.
    """

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

    Each frame i is registered to its neighbour j towards the reference, which has the most similar focus; the steps
    are chained, M_i = M_j · T_ij. A step maximises the enhanced correlation coefficient over the matrices of the motion,
    from coarse to fine::

        T_ij⁻¹ = arg max_W  ⟨t̄, ī_W⟩ / (‖t̄‖ · ‖ī_W‖),    t̄, ī_W zero-mean,  i_W(x) = N[I_i](W x),  t = N[I_j]
        N[I] = d / (c + c̄/4),    d = G₁*I − G₈*I,    c² = G₈*d²,    c̄ the mean of c

    with G_σ a Gaussian of σ pixels: where edges are counts, not how strong they are, so that brightness and much of a
    different blur drop out. The search starts at the identity and, where that ends in a correlation below 0.5,
    again at the matrix of matched SIFT features (RANSAC). A step that correlates no better than the identity is
    the identity.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        At least two, of one shape, in 0..1, of at most 32,766 pixels a side and 4 channels. They are read one at a
        time, in order away from the reference, and only copies of at most 1.5 megapixels of three of them are kept:
        the reference, the neighbour and the frame that is registered to it.
    motion : {"homography", "affine"}
        Eight or six numbers per frame. An affine matrix holds less error where texture is scarce; the copies of under
        40,000 pixels are always registered by one, as they do not tell perspective from noise.
    reference : int, optional
        Number of the frame that stays as it is, counted from 0; the middle one by default, n // 2.
    exposure : bool
        Also estimate gains: per channel, the median over the common pixels of the ratio of blurred reference to
        blurred frame. Left out are pixels that are in either picture blurred to below 0.02, or blurred from over 1 %
        of clipped values, above 0.98: of grey pictures as of colours. A gain beyond 0.5..2, one stop, becomes that
        bound; it is 1 where no pixel is left, and everywhere without this option.
    names : sequence of str, optional
        Names of the frames for messages; "frame 0", "frame 1", … by default.

    Returns
    -------
    Alignment
        Identical frames have exactly the identity and gains of 1. A frame whose corners all lie within a quarter of a
        pixel of their place has the identity too, as resampling would soften it, and soft reads as out of focus; its
        neighbour is chained to where it truly lies, so that a slow drift adds up.

    Raises
    ------
    AlignmentError
        A frame has no texture, correlates with its neighbour below 0.3, or would be moved by over a quarter of the
        picture, scaled beyond 0.8..1.25, mirrored or folded. Its number is in `frame`.
    ValueError
        There are fewer than two frames, they are empty or too large, their shapes differ, or an option is out of range.
    TypeError
        Frames hold integers or half floats.

    Notes
    -----
    Source: Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113. The thesis takes aligned frames for granted.
    A border of up to 16 pixels is left out of the correlation, as the local mean is not the same there in both frames.

    Examples
    --------
    >>> scene = np.random.default_rng(0).random((90, 120), np.float32)
    >>> scene = cv2.GaussianBlur(scene, (0, 0), 2)
    >>> alignment = estimate_alignment([scene[5:85, 5:105], scene[7:87, 9:109]], reference=0)
    >>> alignment.matrices[1, :2, 2].round()  # what frame 1 shows at (0, 0), the reference shows at x = 4, y = 2
    array([4., 2.])
    """
    shape, count = checked_frames(frames), len(frames)
    called = tuple(names) if names is not None else tuple(f"frame {i}" for i in range(count))
    middle = count // 2 if reference is None else reference
    _check_shape(shape)
    _check_options(motion, middle, called, count)

    matrices = np.tile(np.eye(3), (count, 1, 1))
    gains = np.ones((count, math.prod(shape[2:])))
    anchor = _small_copy(frames, middle, shape, called)
    to_full = _resampling(anchor.levels[0].shape, shape)
    to_small = np.linalg.inv(to_full)
    for outward in (range(middle + 1, count), range(middle - 1, -1, -1)):
        neighbour, j, matrix = anchor, middle, np.eye(3)
        for i in outward:
            copy = _small_copy(frames, i, shape, called)
            step, correlation = _register(copy, neighbour, motion)
            if not correlation >= _LEAST_CORRELATION:
                fault = f"their correlation is {correlation:.2f}, below {_LEAST_CORRELATION}"
                raise AlignmentError(_refusal(called[i], called[j], fault), i)
            matrix = _unit(matrix @ to_full @ step @ to_small)
            if fault := _implausible(matrix, shape):
                raise AlignmentError(_refusal(called[i], called[middle], fault), i)
            if not _stays(matrix, shape):
                matrices[i] = matrix
            if exposure:
                gains[i] = _gain(copy.thumbnail, anchor.thumbnail, matrix, shape)
            neighbour, j = copy, i
    return Alignment(matrices, gains, (shape[0], shape[1]), middle, called)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape[2:]) > _MOST_CHANNELS:
        raise ValueError(
            f"frames must be (Y, X) or (Y, X, C) with at least one pixel and 1 to {_MOST_CHANNELS} channels, "
            f"not of shape {shape}: give one grey or three colour channels"
        )
    if max(shape) > _LONGEST:
        raise ValueError(
            f"frames must have sides of at most {_LONGEST} pixels to be aligned, not {_size(shape)}: "
            "scale them down, or do not align (--no-align, align=False)"
        )


def _check_type(frame: Picture) -> None:
    if frame.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"frames must be single or double floats in 0..1, not {frame.dtype}: "
            "convert them, integers divided by their largest possible value"
        )


def _check_options(motion: str, reference: int, names: Sequence[str], count: int) -> None:
    if motion not in _MOTION:
        raise ValueError(f"motion must be 'homography' or 'affine', not {motion!r}")
    if not 0 <= reference < count:
        raise ValueError(f"reference must be one of the frames 0..{count - 1}, not {reference}")
    if len(names) != count:
        raise ValueError(f"names must be one per frame, {count}, not {len(names)}")


def _refusal(name: str, other: str, fault: str) -> str:
    return f"{name} cannot be registered to {other}: {fault}; leave it out, or do not align (--no-align, align=False)"


def _size(shape: tuple[int, ...]) -> str:
    """Size as people say it, e.g. "640×480, 3 channels"."""
    channels = math.prod(shape[2:])
    return f"{shape[1]}×{shape[0]}, {channels} channel{'s' * (channels != 1)}"


def _small_copy(frames: Frames, i: int, shape: tuple[int, ...], names: Sequence[str]) -> _Copy:
    frame = frames[i]
    if frame.shape != shape:
        raise ValueError(
            f"frames must be of one size: {names[i]} is {_size(frame.shape)}, {names[0]} {_size(shape)}; leave it out"
        )
    _check_type(frame)
    pictures = [_shrunk(luminance(frame), _WORK_PIXELS)]
    while min(pictures[-1].shape) >= 2 * _SHORTEST:
        pictures.append(_shrunk(pictures[-1], pictures[-1].size // 4))
    levels, contrasts = zip(*map(_normalized, pictures), strict=True)
    if not max(contrasts) >= _LEAST_CONTRAST:
        fault = f"it has no texture (contrast {max(contrasts):.1e}, at least {_LEAST_CONTRAST} is needed)"
        raise AlignmentError(_refusal(names[i], "its neighbour", fault), i)
    share = _thumbnail((frame > _WHITE) * np.uint8(255)) / 255
    return _Copy(levels, np.where(share > _CLIPPED_SHARE, np.float32(np.nan), _thumbnail(frame)))


def _thumbnail(image: NDArray[Any]) -> Picture:
    blurred = np.asarray(cv2.GaussianBlur(_shrunk(image, _THUMBNAIL_PIXELS), (0, 0), 2), np.float32)
    return blurred.reshape(*blurred.shape[:2], -1)


def _shrunk(image: NDArray[Any], pixels: int) -> Picture:
    """The picture with at most about so many pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, math.sqrt(pixels / (height * width)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _normalized(image: Picture) -> tuple[Picture, float]:
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
        matrix = _refined(moving, fixed, motion, start)
        correlation = _correlation(moving.levels[0], fixed.levels[0], matrix)
        if correlation > highest:
            best, highest = matrix, correlation
        if highest >= _GOOD:
            break
    return best, highest


def _starts(moving: _Copy, fixed: _Copy, motion: Motion) -> Iterator[Matrix]:
    yield np.eye(3)
    agreed = _from_features(moving, fixed, motion)
    if agreed is not None:
        yield agreed


def _from_features(moving: _Copy, fixed: _Copy, motion: Motion) -> Matrix | None:
    """The matrix that most of the matched SIFT features agree on, or None."""
    level = next((k for k, image in enumerate(fixed.levels) if image.size <= _FEATURE_PIXELS), -1)
    source, target = _matches(moving.levels[level], fixed.levels[level])
    if len(source) < _LEAST_MATCHES:
        return None
    matrix = _consensus(source, target, motion)
    if (
        matrix is None or not np.linalg.det(matrix) > 0.1
    ):  # collapsed or mirrored: they agree by chance
        return None
    resampling = _resampling(fixed.levels[level].shape, fixed.levels[0].shape)
    return _unit(resampling @ matrix @ np.linalg.inv(resampling))


def _consensus(source: Matrix, target: Matrix, motion: Motion) -> Matrix | None:
    """The matrix that takes most source points to within 3 pixels of their targets, or None."""
    if motion == "homography":
        return cast("Matrix | None", cv2.findHomography(source, target, cv2.USAC_MAGSAC, 3.0)[0])
    rows = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=3.0)[0]
    return None if rows is None else np.vstack([rows, (0, 0, 1)])


def _matches(moving: Picture, fixed: Picture) -> tuple[Matrix, Matrix]:
    """Points (x, y) of both pictures whose SIFT features look alike, and like no others."""
    sift = cv2.SIFT.create(nfeatures=3000)
    (points, features), (others, theirs) = (
        sift.detectAndCompute(_grey_levels(x), None) for x in (moving, fixed)
    )
    if min(len(points), len(others)) < _LEAST_MATCHES:
        return np.zeros((0, 2)), np.zeros((0, 2))
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(features, theirs, k=2)
    pairs = [first for first, second in nearest if first.distance < 0.8 * second.distance]
    source = np.array([points[pair.queryIdx].pt for pair in pairs], np.float64).reshape(-1, 2)
    target = np.array([others[pair.trainIdx].pt for pair in pairs], np.float64).reshape(-1, 2)
    return source, target


def _grey_levels(image: Picture) -> NDArray[np.uint8]:
    """A normalised picture, mostly within ±3, as bytes, smoothed so that noise makes no features."""
    return np.clip(128 + 42 * cv2.GaussianBlur(image, (0, 0), 1.5), 0, 255).astype(np.uint8)


def _refined(moving: _Copy, fixed: _Copy, motion: Motion, start: Matrix) -> Matrix:
    """The matrix of the highest correlation near the start, from the coarsest to the finest copy."""
    finest = fixed.levels[0]
    matrix = start
    for image, template in zip(reversed(moving.levels), reversed(fixed.levels), strict=True):
        resampling = _resampling(finest.shape, template.shape)
        onto = resampling @ matrix @ np.linalg.inv(resampling)
        found = _maximised(
            image, template, "affine" if template.size < _PERSPECTIVE_PIXELS else motion, onto
        )
        # a coarse copy with little on it may lead astray
        if _correlation(image, template, found) > _correlation(image, template, onto):
            matrix = _unit(np.linalg.inv(resampling) @ found @ resampling)
    return matrix


def _maximised(moving: Picture, fixed: Picture, motion: Motion, start: Matrix) -> Matrix:
    # OpenCV's matrix goes from its template, here the fixed picture, to the other one
    backward = _unit(np.linalg.inv(start))[: 3 if motion == "homography" else 2].astype(np.float32)
    steps = 50 if fixed.size < _FEATURE_PIXELS else 10
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-6)
    try:
        _, found = cv2.findTransformECC(
            fixed, moving, backward, _MOTION[motion], criteria, _interior(moving.shape)
        )
    except cv2.error:  # OpenCV's word for a correlation that no step raises
        return start
    full = np.eye(3)
    full[: len(found)] = found
    return _unit(np.linalg.inv(full))


def _interior(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """255 but for a margin, in which the local mean depends on what happens to lie within the picture."""
    margin = max(1, min(16, min(shape) // 8))
    inside = np.zeros(shape, np.uint8)
    inside[margin:-margin, margin:-margin] = 255
    return inside


def _correlation(moving: Picture, fixed: Picture, matrix: Matrix) -> float:
    """Correlation of the pictures where they overlap; 0 if that is less than a quarter of them."""
    size = fixed.shape[::-1]
    warped = cv2.warpPerspective(moving, matrix, size, flags=cv2.INTER_LINEAR)
    inside = cv2.warpPerspective(_interior(fixed.shape), matrix, size, flags=cv2.INTER_NEAREST)
    overlap = (inside > 0) & (_interior(fixed.shape) > 0)
    if overlap.sum() * 4 < overlap.size:
        return 0.0
    a, b = warped[overlap].astype(np.float64), fixed[overlap].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def _implausible(matrix: Matrix, shape: tuple[int, ...]) -> str:
    """What is wrong with a movement of the camera by this matrix; empty if nothing."""
    if _folds(matrix, shape):
        return "the picture would be folded or mirrored"
    height, width = shape[:2]
    points = np.vstack([_corners(shape), ((width - 1) / 2, (height - 1) / 2, 1)])
    moved = points @ matrix.T
    depth = moved[:, 2, np.newaxis, np.newaxis]
    positions = moved[:, :2, np.newaxis] / depth
    jacobians = (matrix[:2, :2] - positions * matrix[2, :2]) / depth
    scales = np.linalg.svd(jacobians, compute_uv=False)
    if not (_SCALES[0] <= scales.min() and scales.max() <= _SCALES[1]):
        return f"the scale would be {scales.min():.2f}..{scales.max():.2f}, outside {_SCALES[0]}..{_SCALES[1]}"
    x, y = positions[-1, :, 0] - points[-1, :2]
    if abs(x) > width / 4 or abs(y) > height / 4:
        return f"the shift would be {round(x)}, {round(y)} pixels, over a quarter of the picture"
    return ""


def _folds(matrix: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether the matrix mirrors, or takes a corner of the frame to infinity or beyond."""
    return not ((_corners(shape) @ matrix[2] > 0).all() and np.linalg.det(matrix) > 0)


def _stays(matrix: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether the matrix moves no corner of the frame by as much as a quarter of a pixel."""
    corners = _corners(shape)
    moved = corners @ matrix.T
    shifts = moved[:, :2] / moved[:, 2:] - corners[:, :2]
    return bool((np.hypot(*shifts.T) < _STILL).all())


def _corners(shape: tuple[int, ...]) -> Matrix:
    """The centres of the pixels (x, y, 1) in the corners."""
    right, bottom = shape[1] - 1, shape[0] - 1
    return np.array([(0, 0, 1), (right, 0, 1), (0, bottom, 1), (right, bottom, 1)], np.float64)


def _gain(thumbnail: Picture, reference: Picture, matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Median over the overlap, per channel, of reference / frame; 1 where nothing is well exposed."""
    resampling = _resampling(shape, reference.shape)
    onto = resampling @ matrix @ np.linalg.inv(resampling)
    nothing = (np.nan,) * _MOST_CHANNELS
    warped = cv2.warpPerspective(
        thumbnail, onto, reference.shape[1::-1], flags=cv2.INTER_LINEAR, borderValue=nothing
    ).reshape(reference.shape)
    exposed = np.minimum(warped, reference) > _BLACK  # NaN, outside of the frame or clipped, is not
    gains = np.ones(reference.shape[2])
    for channel in np.flatnonzero(exposed.any((0, 1))):
        a, b, here = warped[..., channel], reference[..., channel], exposed[..., channel]
        gains[channel] = np.clip(np.median(b[here] / a[here]), *GAINS)
    return gains


def _common_box(matrices: Matrix, shape: tuple[int, int]) -> Box:
    """Largest box of pixels that lie within every frame.

    Each frame covers a convex part of the reference, so a box is covered if its first and its last row are, and the
    covered pixels of a row are those from one column to another.
    """
    first, last = _covered_columns(matrices, shape)
    largest, box = 0, (0, 0, 0, 0)
    rows = np.arange(shape[0])
    for top in range(shape[0]):
        left, right = np.maximum(first[top], first[top:]), np.minimum(last[top], last[top:])
        areas = np.maximum(right - left + 1, 0) * (rows[top:] - top + 1)
        k = int(areas.argmax())
        if areas[k] > largest:
            largest, box = int(areas[k]), (top, top + k + 1, int(left[k]), int(right[k]) + 1)
    if not largest:
        raise ValueError(
            "matrices leave no pixel that every frame covers: leave out the frame that moved most"
        )
    return box


def _covered_columns(
    matrices: Matrix, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last column, in each row of the reference, that every frame covers; last < first where none is."""
    height, width = shape
    first, last = np.zeros(height, np.int64), np.full(height, width - 1)
    y = np.arange(height)
    for to_x, to_y, to_w in np.linalg.inv(matrices):
        # a pixel is covered if −½ ≤ x ≤ width − ½ and −½ ≤ y ≤ height − ½ in the frame: four lines a·x + b·y + c ≥ 0
        left, top = to_x + to_w / 2, to_y + to_w / 2
        for line in (left, width * to_w - left, top, height * to_w - top):
            a, b, c = line / np.hypot(*line[:2])
            offset = b * y + c + 1e-6  # a pixel on the border is covered, in spite of rounding
            if abs(a) < 1e-12:
                last[offset < 0] = -1
            elif a > 0:
                first = np.maximum(first, np.ceil(-offset / a).clip(0, width).astype(np.int64))
            else:
                last = np.minimum(last, np.floor(-offset / a).clip(-1, width).astype(np.int64))
    return first, last


def _translation(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _resampling(source: tuple[int, ...], target: tuple[int, ...]) -> Matrix:
    """Where the pixels of a picture lie on its resized copy; their outer borders, half a pixel out, coincide."""
    x, y = target[1] / source[1], target[0] / source[0]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _unit(matrix: NDArray[np.floating[Any]]) -> Matrix:
    """The matrix with a last element of 1."""
    return np.asarray(matrix / matrix[2, 2], np.float64)
