"""How frames are aligned, as a value: `Alignment`; the burst seen through it: `AlignedFrames`."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignable import check_shape, check_type, size_text
from seamwise.fusion.frames import (
    Frames,
    FrameSequence,
    Rows,
    grey_of_rows,
    rows_of,
    rows_within,
    shape_of,
)
from seamwise.fusion.homography import (
    Matrix,
    PixelBox,
    common_box,
    corner_shifts,
    is_folding,
    resampling,
    scale_and_turn,
    source_rows,
    translation,
)
from seamwise.io.jsonfile import read_json, write_json
from seamwise.types import Picture

_KIND = "seamwise alignment 1"
_LANCZOS = 5  # rows around a place that its interpolation reads


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each frame of a burst lies on its reference frame, and how bright it is.

    A pixel (x, y) of frame i shows what the reference shows at (x′, y′)::

        w · (x′, y′, 1)ᵀ = matrices[i] · (x, y, 1)ᵀ,    I_ref(x′, y′) ≈ gains[i] · I_i(x, y)

    with x to the right, y down and (0, 0) the centre of the first pixel, in pixels of the full
    picture.

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
    unmatched : tuple of int
        Numbers of the frames with nothing in focus that could be matched. They lie where their
        neighbour lies.
    correlations : tuple of float or None
        Of each frame with what it was registered to; None where it was not measured, as for the
        reference. Empty if not known.
    hints : tuple of float
        By how many pixels the corners of a frame may have moved that stays as it is, since its
        displacements do not prove it; 0 for other frames. Empty if not known.
    common : (y0, y1, x0, x1)
        The largest box ``[y0:y1, x0:x1]`` of the reference that every frame covers, to the outer
        edges of its pixels, so that a shift of up to half a pixel costs none; of equal ones the
        topmost.

    Raises
    ------
    ValueError
        Shapes do not fit together or are beyond what `estimate_alignment` takes, a matrix mirrors,
        folds (w ≤ 0 at a corner of the frame) or is not finite, a gain is not positive, or no pixel
        is covered by every frame.

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
    unmatched: tuple[int, ...] = ()
    correlations: tuple[float | None, ...] = ()
    hints: tuple[float, ...] = ()
    common: PixelBox = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.matrices.shape != (count, 3, 3) or self.gains.shape[:-1] != (count,):
            raise ValueError(
                f"matrices and gains must be ({count}, 3, 3) and ({count}, C) for {count} names, "
                f"not {self.matrices.shape} and {self.gains.shape}: estimate the alignment again"
            )
        check_shape((*self.shape, self.gains.shape[1]))
        if not 0 <= self.reference < count:
            raise ValueError(
                f"reference must be one of the frames 0..{count - 1}, not {self.reference}: "
                "estimate the alignment again"
            )
        is_finite = np.isfinite(self.matrices).all()
        if not is_finite or any(is_folding(matrix, self.shape) for matrix in self.matrices):
            raise ValueError(
                "matrices must be finite, with a positive determinant and w > 0 at the corners of "
                "the frame, so that none folds or mirrors: estimate the alignment again"
            )
        if not (np.isfinite(self.gains) & (self.gains > 0)).all():
            raise ValueError("gains must be positive and finite: estimate the alignment again")
        for name in ("correlations", "hints"):
            if len(getattr(self, name)) not in (0, count):
                raise ValueError(
                    f"{name} must be one per frame, {count}, not {len(getattr(self, name))}: "
                    "estimate the alignment again"
                )
        object.__setattr__(self, "common", common_box(self.matrices, self.shape))

    def apply(self, frame: Picture, i: int, *, crop: bool = True) -> Picture:
        """Return frame i as the reference would have seen it, times its gain, clipped to 0..1.

        Parameters
        ----------
        frame : (Y, X) or (Y, X, C) float32 array
            Frame i, in 0..1.
        i : int
            Its number, 0..n−1.
        crop : bool
            Cut to `common`. Otherwise the size is kept, and the picture is mirrored at the border
            of what the frame covers.

        Raises
        ------
        ValueError
            The frame has another size or number of channels.
        TypeError
            It holds integers or half floats.

        Notes
        -----
        Lanczos interpolation over 8 × 8 pixels, at positions rounded to 1/32 pixel (OpenCV's
        `warpPerspective`).
        """
        self._check_frame(frame, self.names[i])
        y0, y1, _, _ = self._box(crop)
        return self._apply_rows(rows_within(frame), i, crop=crop)(0, y1 - y0)

    def _apply_rows(self, rows: Rows, i: int, *, crop: bool = True) -> Rows:
        """Return what makes rows of `apply`, from what makes rows of frame i.

        Only the rows of the frame that the result depends on are made; where these are most of it,
        as of a frame turned by 90°, all are made once and held.
        """
        y0, _, x0, x1 = self._box(crop)
        if self.is_untouched(i):
            return lambda start, stop: np.asarray(
                rows(y0 + start, y0 + stop)[:, x0:x1].clip(0, 1), np.float32
            )

        whole: list[Picture] = []

        def source(first: int, last: int) -> Picture:
            if not whole and last - first > self.shape[0] / 2:
                whole.append(rows(0, self.shape[0]))
            return whole[0][first:last] if whole else rows(first, last)

        def moved(start: int, stop: int) -> Picture:
            size = x1 - x0, stop - start
            matrix = translation(-x0, -y0 - start) @ self.matrices[i]
            first, last = source_rows(matrix, size, self.shape[0], reach=_LANCZOS)
            picture = _warped(source(first, last), matrix @ translation(0, first), size)
            return _brightened(picture, self.gains[i])

        return moved

    def apply_grey(self, frame: Picture, i: int, zoom: int = 1, *, crop: bool = True) -> Picture:
        """Return the luminance of `apply`, smaller by a factor, in a fraction of the time.

        The luminance is made smaller before it moves and not after, so both differ a little where
        there is fine detail (see `frames.smaller_grey`).
        """
        self._check_frame(frame, self.names[i])
        return self._apply_grey_rows(rows_within(frame), i, zoom, crop=crop)

    def _apply_grey_rows(self, rows: Rows, i: int, zoom: int = 1, *, crop: bool = True) -> Picture:
        """Return `apply_grey`, from what makes rows of frame i."""
        y0, y1, x0, x1 = self._box(crop)
        if self.is_untouched(i):
            return grey_of_rows(self._apply_rows(rows, i, crop=crop), y1 - y0, zoom)

        def bright(start: int, stop: int) -> Picture:
            strip = rows(start, stop)
            return _brightened(strip.copy(), self.gains[i]) if is_gained else strip

        is_gained = bool((self.gains[i] != 1).any())
        size = -((x0 - x1) // zoom), -((y0 - y1) // zoom)
        to_small = resampling((zoom, zoom), (1, 1))
        matrix = to_small @ translation(-x0, -y0) @ self.matrices[i] @ np.linalg.inv(to_small)
        small = grey_of_rows(bright, self.shape[0], zoom)
        return _brightened(_warped(small, matrix, size), np.ones(1))

    def _box(self, crop: bool) -> PixelBox:
        return self.common if crop else (0, self.shape[0], 0, self.shape[1])

    def is_untouched(self, i: int) -> bool:
        """Whether `apply` leaves the pixels of frame i as they are, but for the cut."""
        return bool((self.matrices[i] == np.eye(3)).all() and (self.gains[i] == 1).all())

    def reordered(self, order: Sequence[int]) -> "Alignment":
        """Return the alignment of the frames in another order: `order[i]` becomes frame i."""
        places = {number: i for i, number in enumerate(order)}
        return Alignment(
            self.matrices[order],
            self.gains[order],
            self.shape,
            places[self.reference],
            tuple(self.names[number] for number in order),
            tuple(sorted(places[number] for number in self.unmatched)),
            tuple(self.correlations[number] for number in order if self.correlations),
            tuple(self.hints[number] for number in order if self.hints),
        )

    def summary(self) -> str:
        """Return in one line what was found.

        Examples
        --------
        >>> matrices = np.stack([np.eye(3)] * 2)
        >>> matrices[1, :2, 2] = 3, 4
        >>> Alignment(matrices, np.ones((2, 1)), (20, 40), 0, ("a", "b")).summary()
        'moved by up to 5.0 px'
        """
        words = []
        shifts = [corner_shifts(matrix, self.shape).max() for matrix in self.matrices]
        farthest = int(np.argmax(shifts))
        if shifts[farthest] > 0:
            words.append(f"moved by up to {shifts[farthest]:.1f} px")
            scale, turn = scale_and_turn(self.matrices[farthest])
            words += [f"scale {scale:.3f}"] if abs(scale - 1) >= 5e-4 else []
            words += [f"turned by {turn:.1f}°"] if abs(turn) >= 0.05 else []
        if (self.gains != 1).any():
            words.append(f"brightness matched by {self.gains.min():.2f} to {self.gains.max():.2f}")
        return ", ".join(words) or "no frame was moved"

    def check_fits(self, frames: Frames, *, names: Sequence[str] | None = None) -> None:
        """Check that a burst has this alignment's count, size, channels and, if given, names.

        At most the first frame of a list is read; `apply` checks each of its frames, and
        `AlignedFrames` those of a list. A sequence makes all its frames of one shape.

        Raises
        ------
        ValueError
            The burst is another one.
        """
        count = len(self.names)
        if len(frames) != count:
            raise ValueError(
                f"alignment has {count} frames, the burst has {len(frames)}: estimate it again"
            )
        if not isinstance(frames, FrameSequence):
            check_type(frames[0])
        self._check_size(shape_of(frames), self.names[0])
        if names is not None:
            self.check_names(names)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ValueError unless the frames have these names, in this order."""
        count = len(self.names)
        if len(names) != count:
            raise ValueError(f"names must be one per frame, {count}, not {len(names)}")
        for own_name, name in zip(self.names, names, strict=True):
            if own_name != name:
                raise ValueError(
                    f"alignment is of {own_name}, where the burst has {name}: estimate it again"
                )

    def save(self, path: Path, *, picture: str = "") -> None:
        """Write the alignment as JSON; `load` restores every bit.

        `picture` is the name of the picture next to it that was made with it, for `picture_of`.
        """
        content = {"kind": _KIND, **self.fields()}
        if picture:
            content["picture"] = picture
        write_json(path, content)

    def fields(self) -> dict[str, Any]:
        """Return what JSON can hold of it, for `from_fields`."""
        return {
            "shape": list(self.shape),
            "reference": self.reference,
            "names": list(self.names),
            "matrices": self.matrices.tolist(),
            "gains": self.gains.tolist(),
            "unmatched": list(self.unmatched),
            "correlations": list(self.correlations),
            "hints": list(self.hints),
        }

    @classmethod
    def load(cls, path: Path) -> "Alignment":
        """Read an alignment that `save` wrote; `common` is computed again.

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
                f"{path} is not an alignment: its kind must be {_KIND!r}, "
                f"not {content.get('kind')!r}"
            )
        return cls.from_fields(content, path)

    @classmethod
    def from_fields(cls, content: Mapping[str, Any], path: Path) -> "Alignment":
        """Return the alignment of `fields`; ValueError names the file that they come from."""
        try:
            height, width = (operator.index(length) for length in content["shape"])
            return cls(
                matrices=np.array(content["matrices"], np.float64),
                gains=np.array(content["gains"], np.float64),
                shape=(height, width),
                reference=operator.index(content["reference"]),
                names=tuple(str(name) for name in content["names"]),
                unmatched=tuple(operator.index(i) for i in content.get("unmatched", ())),
                correlations=tuple(
                    None if c is None else float(c) for c in content.get("correlations", ())
                ),
                hints=tuple(float(shift) for shift in content.get("hints", ())),
            )
        except KeyError as error:
            raise ValueError(f"{path} is a damaged alignment: {error} is missing") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is a damaged alignment: {error}") from error

    def _check_frame(self, frame: Picture, name: str) -> None:
        check_type(frame)
        self._check_size(frame.shape, name)

    def _check_size(self, shape: tuple[int, ...], name: str) -> None:
        if shape[:2] != self.shape or math.prod(shape[2:]) != self.gains.shape[1]:
            raise ValueError(
                f"{name} is {size_text(shape)}, the alignment is of frames of "
                f"{size_text((*self.shape, self.gains.shape[1]))}: estimate it again"
            )


def picture_of(path: Path) -> str:
    """Return the name of the picture that an alignment belongs to; empty if the file tells none."""
    try:
        return str(read_json(path).get("picture", ""))
    except (ValueError, OSError):  # `Alignment.load` tells what is wrong
        return ""


class AlignedFrames(FrameSequence):
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

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the aligned frames."""
        y0, y1, x0, x1 = self.alignment._box(self.crop)
        return (y1 - y0, x1 - x0, *shape_of(self.frames)[2:])

    def seen(self) -> NDArray[np.bool_]:
        """Where every frame covers the result, `(Y, X)`; elsewhere borders are mirrored."""
        rows, columns = self.frame_shape()[:2]
        y0, y1, x0, x1 = (0, rows, 0, columns) if self.crop else self.alignment.common
        mask = np.zeros((rows, columns), bool)
        mask[y0:y1, x0:x1] = True
        return mask

    def grey(self, i: int, zoom: int = 1) -> Picture:
        """See `Alignment.apply_grey`."""
        return self.alignment._apply_grey_rows(self._rows(i), i, zoom, crop=self.crop)

    def rows(self, i: int) -> Rows:
        """Read frame i, and return what makes rows of it as `Alignment.apply` moves it."""
        return self.alignment._apply_rows(self._rows(i), i, crop=self.crop)

    def _rows(self, i: int) -> Rows:
        name = self.alignment.names[i]
        return rows_of(self.frames, i, check=lambda frame: self.alignment._check_frame(frame, name))

    def _frame(self, i: int) -> Picture:
        return self.alignment.apply(self.frames[i], i, crop=self.crop)


def _warped(picture: Picture, matrix: Matrix, size: tuple[int, int]) -> Picture:
    warped = cv2.warpPerspective(
        picture, matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, picture.dtype).reshape(*size[::-1], *picture.shape[2:])


def _brightened(picture: Picture, gains: Matrix) -> Picture:
    """Times the gains, clipped to 0..1. The picture is changed: a copy in full size costs time."""
    bright = picture.reshape(*picture.shape[:2], -1)
    if (gains != 1).any():
        bright *= gains.astype(np.float32)
    return np.asarray(np.clip(bright, 0, 1, out=bright), np.float32).reshape(picture.shape)
