"""Align the frames of a burst: find where each lies on another; see `estimate_alignment`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from seamwise.fusion.alignable import check_shape, check_type, size_text
from seamwise.fusion.alignment import Alignment
from seamwise.fusion.exposure import Thumbnail, focus_changes, gains, shrink, thumbnail, white
from seamwise.fusion.frames import (
    Frames,
    Rows,
    luminance,
    read_ahead,
    rows_of,
    shape_of,
    strips,
)
from seamwise.fusion.homography import (
    Matrix,
    corner_shifts,
    implausible,
    is_still,
    resampling,
    unit,
)
from seamwise.fusion.pyramid import WORK_PIXELS, FocusPyramid, focus_pyramid
from seamwise.fusion.registration import GOOD_CORRELATION, LEAST_CORRELATION, View, register
from seamwise.fusion.sharpest import SharpestParts
from seamwise.words import MotionChoice, check_word

_BLURRED = 0.2  # a frame with less of the contrast of the others shows nothing in focus
_NOTICEABLE = 0.5  # pixels of a small copy: a hint of less is not told
# Of bursts whose light is the square of what they store, the square changes less with focus, by a
# factor of 1.2 to 2.2 in `benchmarks/moved.py`; of those that store light by 0.5 to 1.02. So the
# margin is 8 % on either side, on scenes that are scored, too. A burst on the wrong side is aligned
# less exactly: its edges are sought where blur seems to move them.
_LINEAR = 1.1
_MOVING = 0.25  # share of the frames that surely move, from which a hint is enough for the others


class AlignmentError(ValueError):
    """A frame that cannot be registered; `frame` is its number in the burst, counted from 0."""

    def __init__(self, message: str, frame: int) -> None:
        super().__init__(message)
        self.frame = frame


class _UnreadableError(AlignmentError):
    """A frame whose values no other reading of them makes usable."""


@dataclass(frozen=True, eq=False)
class _Copy:
    """Small copies of a frame."""

    pyramid: FocusPyramid
    thumbnail: Thumbnail


def estimate_alignment(
    frames: Frames,
    *,
    motion: MotionChoice = "auto",
    reference: int | None = None,
    exposure: bool = True,
    names: Sequence[str] | None = None,
) -> Alignment:
    """Find where each frame of a hand-held or breathing burst lies on the reference frame.

    Frames are registered one after the other, outwards from the reference, to a picture that holds
    the sharpest parts of the frames before, and to the frame before. So each meets those that it
    shares focus with, in any order, and errors hardly add up. Where the blocks of a frame lie on
    both is measured from coarse to fine (`fusion.displacement.measure_displacements`), and
    explained by one motion (`fusion.motion.fit_motions`). A frame that correlates below 0.5 is
    tried again after all others.

    Out of focus, light is blurred, and only in light an edge stays where it is. So frames are
    compared by the square of what they store, about what a camera saw. If then their local means
    tell that they store light itself (`fusion.exposure.focus_changes`), as microscopes do, or one
    cannot be registered, all are read and registered again without the square. If that fails, what
    the square gave stands, be it an alignment or an error.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        At least two, of one shape, in 0..1, of at most 32,766 pixels a side and 4 channels. They
        are read one at a time; of a sequence, the next one is read meanwhile. In memory are copies
        of at most 1.5 megapixels, of the reference, the sharpest parts, the frame that is
        registered to them and the one before; and this frame in full size, as it is stored and as
        floats.
    motion : {"auto", "none", "shift", "similarity", "affine", "homography"}
        How the frames may move: not at all, or by 2, 4, 6 or 8 numbers. "auto" takes for each frame
        the simplest motion that explains it (`fusion.motion.choose_motion`), so a frame that did
        not move stays untouched. Another word is taken wherever the frame has blocks enough.
    reference : int, optional
        Number of the frame that stays as it is, counted from 0; the middle one by default, n // 2,
        or the next one that shows something in focus.
    exposure : bool
        Also estimate gains, `fusion.exposure.gains`. They are 1 without this option.
    names : sequence of str, optional
        Names of the frames for messages; "frame 0", "frame 1", … by default.

    Returns
    -------
    Alignment
        A frame whose corners all lie within a quarter of a pixel of their place has exactly the
        identity: resampling would soften it, and soft looks out of focus. `Alignment.unmatched`
        numbers the frames that show nothing in focus; they lie where their neighbour lies.
        `Alignment.correlations` and `hints` tell of which frames the place is doubtful.

    Raises
    ------
    AlignmentError
        A frame as rich in contrast as the others correlates with them below 0.3, or a frame would
        be moved by over a quarter of the picture, scaled beyond 0.8..1.25, mirrored or folded. Its
        number is in `frame`.
    ValueError
        There are fewer than two frames, they are empty or too large, their shapes differ, or an
        option is out of range.
    TypeError
        Frames hold integers or half floats.

    Notes
    -----
    The search starts at the place of the neighbour. If that ends in a correlation below 0.5, it
    starts again at the peak of phase correlation and at the matrix of matched SIFT features
    (RANSAC). The thesis assumes aligned frames. When a frame fits only without the square, that
    alignment is taken without asking whether the frames store light.

    Examples
    --------
    What frame 1 shows at (0, 0), the reference shows at x = 4, y = 2:

    >>> import cv2
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

    def registered(*, is_linear: bool) -> tuple[Alignment | AlignmentError, bool]:
        """What was found, or why nothing was; and whether the other storage may fit better."""
        chain = _Chain(frames, motion, names, exposure=exposure, is_linear=is_linear)
        try:
            chain.align(middle, is_fixed=reference is not None)
        except AlignmentError as error:  # its traceback would hold the chain in memory
            return error.with_traceback(None), not isinstance(error, _UnreadableError)
        return chain.alignment(), motion != "none" and chain.stores_light()

    found, is_doubtful = registered(is_linear=False)
    if is_doubtful:
        second, _ = registered(is_linear=True)
        found = found if isinstance(second, AlignmentError) else second
    if isinstance(found, AlignmentError):
        raise found
    return found


def _check_options(motion: str, reference: int, names: Sequence[str], count: int) -> None:
    check_word("motion", motion, get_args(MotionChoice))
    if not 0 <= reference < count:
        raise ValueError(f"reference must be one of the frames 0..{count - 1}, not {reference}")
    if len(names) != count:
        raise ValueError(f"names must be one per frame, {count}, not {len(names)}")


class _Chain:
    """Frames registered one after the other to the sharpest parts of those before."""

    def __init__(
        self,
        frames: Frames,
        motion: MotionChoice,
        names: Sequence[str],
        *,
        exposure: bool,
        is_linear: bool,
    ) -> None:
        self.frames, self.motion, self.names, self.exposure = frames, motion, names, exposure
        self.is_linear = is_linear
        self.shape, count = shape_of(frames), len(frames)
        self.matrices = np.tile(np.eye(3), (count, 1, 1))
        self.gains = np.ones((count, math.prod(self.shape[2:])))
        self.unmatched: set[int] = set()
        # in full size, used again by each frame: new memory costs more time than what is done to it
        self._whole = np.empty(self.shape, np.float32)
        self._grey = np.empty(self.shape[:2], np.float32)
        self._white = np.empty(self.shape, np.uint8)

    def align(self, reference: int, *, is_fixed: bool) -> None:
        """Register every frame to a reference.

        A reference that is not fixed is replaced if the next frame shows much more in focus.
        """
        count, later = len(self.frames), []
        order = (reference, *range(reference + 1, count), *range(reference - 1, -1, -1))
        for i, rows in zip(order, read_ahead(self.frames, self._rows, order), strict=True):
            copy = self._copy(i, rows)
            if i == reference:
                self._begin(i, copy)
            elif not is_fixed and len(self.places) == 1 and _is_blurred(self.anchor, copy):
                later.append(self.reference)
                self._begin(i, copy)
            elif not self._add(i, copy, GOOD_CORRELATION if count > 2 else LEAST_CORRELATION):
                later.append(i)
        del rows  # a frame
        for i in sorted(later, key=lambda i: abs(i - self.reference)):
            copy = self._copy(i, self._rows(self.frames, i))
            if not self._add(i, copy, LEAST_CORRELATION):
                self._set_apart(i, copy)
        self._take_hints()
        for i in self.unmatched:
            self.matrices[i] = self.matrices[self._neighbour(i)]

    def _begin(self, reference: int, copy: _Copy) -> None:
        self.reference, self.anchor = reference, copy
        self.sharpest = SharpestParts(copy.pyramid)
        self.latest = reference, copy
        self.places: dict[int, Matrix] = {reference: np.eye(3)}
        self.hints: dict[int, Matrix] = {}
        self.correlations: dict[int, float] = {}
        self.doubts: dict[int, float] = {}
        self.changes: list[tuple[float, float]] = []

    def stores_light(self) -> bool:
        """Whether another focus keeps what the frames store better than the square of it."""
        of_stored, of_light = np.sum([(0.0, 0.0), *self.changes], 0)
        return bool(of_stored < _LINEAR * of_light)

    def alignment(self) -> Alignment:
        """What was found."""
        count = len(self.frames)
        return Alignment(
            self.matrices,
            self.gains,
            (self.shape[0], self.shape[1]),
            self.reference,
            tuple(self.names),
            tuple(sorted(self.unmatched)),
            tuple(self.correlations.get(i) for i in range(count)),
            tuple(self.doubts.get(i, 0.0) for i in range(count)),
        )

    def _neighbour(self, i: int) -> int:
        """The closest frame whose place is known."""
        return min(self.places, key=lambda j: (abs(j - i), abs(j - self.reference)))

    def _take_hints(self) -> None:
        """Where a burst moves, let frames move that only hint at it; note the hints elsewhere."""
        n_moved = sum(bool((place != np.eye(3)).any()) for place in self.places.values())
        is_moving = n_moved >= max(2, _MOVING * len(self.frames))
        zoom = self.anchor.pyramid.shape[1] / self.shape[1]
        for i, matrix in self.hints.items():
            shift = float(corner_shifts(matrix, self.shape).max())
            if is_moving and not is_still(matrix, self.shape):
                self.matrices[i] = matrix
            elif not is_moving and shift * zoom >= _NOTICEABLE:
                self.doubts[i] = shift

    def _in_full(self, place: Matrix) -> Matrix:
        """A matrix of small copies, in pixels of the full frames."""
        to_full = resampling(self.anchor.pyramid.shape, self.shape)
        return unit(to_full @ place @ np.linalg.inv(to_full))

    def _add(self, i: int, copy: _Copy, least_correlation: float) -> bool:
        """Register a frame, unless it correlates too little."""
        place, hint = np.eye(3), None
        if self.motion != "none":
            expected = self.places[self._neighbour(i)]
            place, self.correlation, hint = register(
                copy.pyramid, self._views(i), expected, self.motion
            )
            if not self.correlation >= least_correlation:
                return False
            self.correlations[i] = self.correlation
        self.places[i] = place
        if hint is not None:
            self.hints[i] = self._in_full(hint)
        matrix = self._in_full(place)
        if fault := implausible(matrix, self.shape):
            raise self._error(i, fault)
        if not is_still(matrix, self.shape):
            self.matrices[i] = matrix
        self.changes.append(
            focus_changes(copy.thumbnail, self.anchor.thumbnail, matrix, self.shape)
        )
        if self.exposure:
            self.gains[i] = gains(copy.thumbnail, self.anchor.thumbnail, matrix, self.shape)
        # frames that drift unnoticed would carry the next ones with them
        if hint is None and self.motion != "none" and len(self.frames) > 2:
            self.sharpest.add(copy.pyramid, place)
            self.latest = i, copy
        return True

    def _views(self, i: int) -> list[View]:
        """What a frame is registered to: the sharpest parts, and the frame before it."""
        views = [View(self.sharpest.pyramid, np.eye(3))]
        ends = (self.reference, self.anchor), self.latest
        number, copy = min(ends, key=lambda end: abs(end[0] - i))
        if copy.pyramid is not self.sharpest.pyramid:
            views.append(View(copy.pyramid, self.places[number]))
        return views

    def _set_apart(self, i: int, copy: _Copy) -> None:
        """Note a frame out of focus; raise AlignmentError for one that shows something else."""
        if not _is_blurred(copy, self.anchor):
            raise self._error(
                i, f"their correlation is {self.correlation:.2f}, below {LEAST_CORRELATION}"
            )
        self.unmatched.add(i)

    def _error(
        self, i: int, fault: str, kind: type[AlignmentError] = AlignmentError
    ) -> AlignmentError:
        others = self.names[1 - i] if len(self.frames) == 2 else "the other frames"
        return kind(
            f"{self.names[i]} cannot be registered to {others}: {fault}; "
            "remove it, or do not align (--no-align, align=False)",
            i,
        )

    def _rows(self, frames: Frames, i: int) -> Rows:
        """Read a frame."""
        return rows_of(frames, i, check=lambda frame: self._check_size(i, frame.shape))

    def _check_size(self, i: int, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ValueError(
                f"frames must be of one size: {self.names[i]} is {size_text(shape)}, "
                f"{self.names[0]} {size_text(self.shape)}; remove it"
            )

    def _copy(self, i: int, rows: Rows) -> _Copy:
        for start, stop in strips(0, self.shape[0]):
            strip = rows(start, stop)
            self._check_size(i, (self.shape[0] - (stop - start - len(strip)), *strip.shape[1:]))
            check_type(strip)
            self._whole[start:stop] = strip
            self._grey[start:stop] = luminance(strip if self.is_linear else strip * strip)
            self._white[start:stop] = white(strip)
        pyramid = focus_pyramid(shrink(self._grey, WORK_PIXELS))
        if not np.isfinite(pyramid.contrast).all():
            raise self._error(i, "it holds values that are not finite", _UnreadableError)
        small = thumbnail(
            self._whole, self._white, self._grey, pyramid.contrast, is_linear=self.is_linear
        )
        return _Copy(pyramid, small)


def _is_blurred(copy: _Copy, other: _Copy) -> bool:
    """Whether a frame has much less contrast than another."""
    contrast, sharp = (float(x.pyramid.contrast.mean()) for x in (copy, other))
    return not contrast > _BLURRED * sharp
