"""Which axis of a stored array is which: `settle_axes`, `channels_first`.

The user's word wins over the file's, the file's over a guess, and a note reports a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LETTERS = "TCZYX"
_MOST_CHANNELS = 4  # a longer axis of unknown meaning is taken for a stack


@dataclass(frozen=True)
class Axes:
    """The meaning of a stored array's axes.

    Attributes
    ----------
    letters : str
        One of T, C, Z, Y, X for each axis that is kept, in the order of the file.
    shape : tuple of int
        Length of each of these axes; the dropped ones have length 1.
    note : str
        What was guessed or overridden, in one line; empty if the file was clear.
    dimensions : tuple of int
        Which axes of the file these are, counted from 0; needed to choose a time point.
    """

    letters: str
    shape: tuple[int, ...]
    note: str = ""
    dimensions: tuple[int, ...] = ()


def settle_axes(
    shape: tuple[int, ...],
    letters: str,
    *,
    name: str,
    request: str | None = None,
    stack: bool = False,
) -> Axes:
    """Settle what each axis of a stored array means.

    The user's word wins over the file's, the file's over a guess. A guess takes an axis of length
    ≤ 4 for channels and a longer one for a stack; the note reports it.

    Parameters
    ----------
    shape : tuple of int
        Shape of the stored array.
    letters : str
        One letter per axis: T, C, Z, Y, X, S (colour samples, read as C); any other letter is an
        axis of unknown meaning.
    name : str
        The file's name, for messages.
    request : str, optional
        The user's word, e.g. ``"ZYX"`` or ``"YXC"``: one of T, C, Z, Y, X per axis. Axes of length
        1 need no letter.
    stack : bool
        Take every axis of unknown meaning for Z, as in a label image.

    Returns
    -------
    Axes
        Axes of length 1 are dropped, except Y, X and a Z that the file or the user names.

    Raises
    ------
    ValueError
        `request` does not fit, or the axes are unclear.

    Examples
    --------
    >>> settle_axes((3, 512, 512), "QYX", name="x.tif").note
    "no axes in x.tif: read (3, 512, 512) as CYX; say axes='ZYX' if that is wrong"
    >>> settle_axes((1, 40, 512, 512), "TZYX", name="x.tif").letters
    'ZYX'
    """
    if request is not None:
        return _as_requested(shape, letters, check_axes(request), name)
    dimensions = [
        i for i, (n, a) in enumerate(zip(shape, letters, strict=True)) if n > 1 or a in "ZYX"
    ]
    shape, letters = tuple(shape[i] for i in dimensions), "".join(letters[i] for i in dimensions)
    if "S" in letters and "C" in letters:
        raise ValueError(
            f"{name} has a channel axis and a colour axis ({letters}, shape {shape}); "
            "save its channels as separate grey planes"
        )
    letters = letters.replace("S", "C")
    clear = set(letters) <= set(_LETTERS)
    guess: str | None = letters
    if not clear:
        guess = _as_stack(letters) if stack else _guess(shape, letters)
    if guess is None or not set("YX") <= set(guess):
        raise ValueError(
            f"cannot tell the axes of {name} (shape {shape}): "
            f"name them, e.g. axes='{_example(len(shape))}'"
        )
    note = ""
    if not clear and not stack:
        note = (
            f"no axes in {name}: read {shape} as {guess}; "
            f"say axes='{_alternative(guess)}' if that is wrong"
        )
    return Axes(guess, shape, note, tuple(dimensions))


def channels_first(
    data: Any, axes: Axes, *, name: str, time: int | None = None
) -> tuple[NDArray[Any], str]:
    """Return an array in the order CZYX and its axes, without T and without a single channel.

    Parameters
    ----------
    data : array
        The stored array; it may have further axes of length 1. Anything that gives an array when it
        is indexed with slices will do; only the returned time point is read from it.
    axes : Axes
        What `settle_axes` returned for it.
    name : str
        The file's name, for messages.
    time : int, optional
        The time point to keep, counted from 0; needed only if there are several.

    Raises
    ------
    ValueError
        There are several time points and `time` chooses none, or there is no such time point.

    Examples
    --------
    >>> axes = Axes("ZCYX", (6, 2, 4, 5))
    >>> data, letters = channels_first(np.zeros((1, 6, 2, 4, 5)), axes, name="x.tif")
    >>> letters, data.shape
    ('CZYX', (2, 6, 4, 5))
    """
    letters, lengths = axes.letters, dict(zip(axes.letters, axes.shape, strict=True))
    times = lengths.get("T", 1)
    if time is None and times > 1:
        remedy = f"choose it (time=0 to {times - 1}) or save one file per time point"
        if "Z" not in letters:
            remedy += f" (or say axes='{letters.replace('T', 'Z')}' if they are a stack)"
        raise ValueError(
            f"{name} holds {times} time points ({letters}, shape {axes.shape}), expected one: "
            f"{remedy}"
        )
    part = [slice(None)] * len(data.shape)
    if time is not None:
        check_time(time, times, name=name)
    if times > 1 and time is not None:
        part[axes.dimensions[letters.index("T")]] = slice(time, time + 1)
    array_axes = [a for a in letters if not (a == "T" or (a == "C" and lengths["C"] == 1))]
    data = data[tuple(part)].reshape([lengths[a] for a in array_axes])
    order = sorted(array_axes, key="CZYX".index)
    return data.transpose([array_axes.index(a) for a in order]), "".join(order)


def check_time(time: int, times: int, *, name: str) -> None:
    """Raise ValueError unless `time` is one of so many time points, counted from 0."""
    if isinstance(time, bool) or not isinstance(time, int | np.integer) or not 0 <= time < times:
        exist = "time point 0 only" if times == 1 else f"time points 0 to {times - 1}"
        raise ValueError(f"time={time!r} does not fit {name}, which has {exist}")


def pick_channels(
    data: NDArray[Any], letters: str, channel: int | Sequence[int], *, name: str
) -> tuple[NDArray[Any], str]:
    """Return the requested channels, and the axes.

    An int gives no channel axis, a sequence keeps it.

    Parameters
    ----------
    data : (*S) or (C, *S) array
        As `channels_first` gives it; without a channel axis it has channel 0 only.
    letters : str
        Its axes.
    channel : int or sequence of int
        Counted from 0.
    name : str
        The file's name, for messages.

    Raises
    ------
    ValueError
        There is no such channel.

    Examples
    --------
    >>> pick_channels(np.array([[[5, 6]], [[7, 8]]]), "CYX", 1, name="x.tif")
    (array([[7, 8]]), 'YX')
    """
    spatial = letters.removeprefix("C")
    channels = data if "C" in letters else data[None]
    numbers = channel_numbers(channel, len(channels), name=name)
    if np.ndim(channel) == 0:
        return channels[numbers[0]], spatial
    return channels[numbers], "C" + spatial


def channel_numbers(channel: int | Sequence[int], count: int, *, name: str) -> list[int]:
    """Return the requested channels as a list; ValueError if one does not exist.

    Channels are counted from 0 to `count` − 1.

    Examples
    --------
    >>> channel_numbers(1, 3, name="x.tif"), channel_numbers([2, 0], 3, name="x.tif")
    ([1], [2, 0])
    """
    numbers: list[int] = np.atleast_1d(channel).tolist()
    if not numbers or not all(type(c) is int and 0 <= c < count for c in numbers):
        exist = "channel 0 only: name no channel" if count == 1 else f"channels 0 to {count - 1}"
        raise ValueError(f"channel={channel!r} does not fit {name}, which has {exist}")
    return numbers


def check_axes(request: str) -> str:
    """Return the user's word on the axes in capitals, or raise ValueError if it cannot be one."""
    request = request.upper() if isinstance(request, str) else repr(request)
    if len(set(request)) < len(request) or not set("YX") <= set(request) <= set(_LETTERS):
        raise ValueError(
            "axes must name Y and X and may name C, Z and T, each once (e.g. 'ZYX', 'YXC'), "
            f"not {request!r}"
        )
    return request


def has_slices_for_colours(request: str | None) -> bool:
    """Whether the user's word on the axes names no channels: then colours and alpha are slices.

    Examples
    --------
    >>> [has_slices_for_colours(request) for request in ("zyx", "CYX", None)]
    [True, False, False]
    """
    return isinstance(request, str) and "C" not in request.upper()


def _as_requested(shape: tuple[int, ...], letters: str, request: str, name: str) -> Axes:
    file_letters = letters.replace("S", "C") if "C" not in letters else letters
    singletons = [i for i, n in enumerate(shape) if n == 1]
    # first the axes of length 1 that the user did not name, then those that stand in the way
    singletons.sort(key=lambda i: file_letters[i] in request)
    surplus = singletons[: max(len(shape) - len(request), 0)]
    dimensions = [i for i in range(len(shape)) if i not in surplus]
    shape, file_letters = (
        tuple(shape[i] for i in dimensions),
        "".join(file_letters[i] for i in dimensions),
    )
    if len(shape) != len(request):
        raise ValueError(
            f"{name} has {len(shape)} axes (shape {shape}), axes={request!r} names {len(request)}: "
            f"name every axis, e.g. axes='{_example(len(shape))}'"
        )
    is_overridden = file_letters != request and set(file_letters) <= set(_LETTERS)
    note = (
        f"{name} says {file_letters}; read {shape} as {request}, as asked" if is_overridden else ""
    )
    return Axes(request, shape, note, tuple(dimensions))


def _guess(shape: tuple[int, ...], letters: str) -> str | None:
    nameless = [i for i, a in enumerate(letters) if a not in _LETTERS]
    missing = [a for a in "CZ" if a not in letters]
    if len(nameless) > len(missing):
        return None
    is_counted = "I" not in letters and len(letters) == len(nameless) + 2
    if is_counted and shape[-1] <= _MOST_CHANNELS < min(shape[-3:-1]):
        # with pages (I) a row is a row; an array that was only counted may have its colours last
        return "ZYXC"[-len(shape) :]
    if len(nameless) == 2:
        first, second = (shape[i] for i in nameless)
        if min(first, second) > _MOST_CHANNELS:
            return None
        meaning = "CZ" if first < second else "ZC"
    elif len(missing) == 2:
        meaning = "C" if shape[nameless[0]] <= _MOST_CHANNELS else "Z"
    else:
        meaning = missing[0]
    return _fill(letters, meaning)


def _as_stack(letters: str) -> str | None:
    nameless = [a for a in letters if a not in _LETTERS]
    return _fill(letters, "Z") if len(nameless) == 1 and "Z" not in letters else None


def _fill(letters: str, meaning: str) -> str:
    names = iter(meaning)
    return "".join(a if a in _LETTERS else next(names) for a in letters)


def _alternative(guess: str) -> str:
    """Return the reading to suggest in place of a guess."""
    return "ZYX" if guess == "YXC" else guess.translate(str.maketrans("CZ", "ZC"))


def _example(n: int) -> str:
    return {2: "YX", 3: "ZYX", 4: "ZCYX"}.get(n, _LETTERS)
