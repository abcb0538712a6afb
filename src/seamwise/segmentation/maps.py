"""Decode class probabilities or class maps in files, without a network; see `decode_files`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode import instances
from seamwise.decode.probabilities import check_probabilities
from seamwise.io.atomic import make_folder
from seamwise.io.errors import UnsupportedError, error_line, unreadable
from seamwise.io.images import read_image, write_labels
from seamwise.io.jsonfile import read_json
from seamwise.io.links import real_path
from seamwise.io.listing import by_stem, find_images, stem
from seamwise.io.models import DecodeRule
from seamwise.io.ome_zarr import is_ome_zarr, write_image
from seamwise.io.outcome import Outcome, amount
from seamwise.io.volume import open_volume
from seamwise.labels import CLASS_NAMES, IGNORE, Labels
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.nnunet_classes import RECORD, ClassNames, read_class_names
from seamwise.segmentation.rule_files import read_rule
from seamwise.types import AnyPath

_MOST_CLASSES = 4
_NUMPY = (b"\x93NUMPY", b"PK")  # how files of one array and of several begin
_ARRAY_NAMES = ("probabilities", "softmax", "classes", "segmentation")  # as nnU-Net and we say
_IMAGES = (".tif", ".tiff", ".png", ".zarr")
_SLACK = 0.01  # of float16 and 8 bits, in a sum of probabilities


def decode_files(
    inputs: Sequence[AnyPath],
    output: Path,
    rule: DecodeRule | Callable[[DecodeRule | None], DecodeRule] | None = None,
    *,
    axes: str | None = None,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Write a label image, ``<stem>.tif``, for each file of probabilities or classes.

    A series becomes ``<stem>.ome.zarr``, one time point after the other.

    What would stop the whole job is checked at the call. The work is done as the outcomes are
    drawn. Files that cannot be read or decoded are reported and skipped.

    Parameters
    ----------
    inputs : sequence of paths
        ``.npz``, ``.npy``, TIFF, OME-Zarr, PNG; folders stand for those in them, where an ``.npz``
        takes the place of an image of the same name. So a folder that nnU-Net predicted is decoded
        from its probabilities if it has them, else from its classes. Real numbers are class
        probabilities with channels first, as `segment_files` writes them: background, cell,
        touching, gap. Relief and offsets may follow. Integers are a class map. The pixel size is
        that of the file, or of nnU-Net's ``<stem>.json`` next to it.
    output : Path
        A folder.
    rule : DecodeRule or function, optional
        Sizes are in pixels of the file. A function gets the rule that `segment_files` stored with a
        file, or None, and returns the one to use. By default that is the stored one, and the arg
        max for other files. A damaged one is reported, and its file skipped.
    axes : str, optional
        Meaning of the axes of an image, as in `read_image`.
    overwrite : bool
        Replace existing label images.

    Raises
    ------
    ValueError
        A file does not exist, or two have the same name.
    OSError
        A file does not exist, or the folder cannot be written.
    """
    files = maps_by_stem(inputs)
    stored, damaged = ({}, {}) if isinstance(rule, DecodeRule) else _stored_rules(files)
    rules = {name: _chosen(rule, stored.get(name)) for name in files}
    note = _note(stored, rules)
    make_folder(output)

    def outcomes() -> Iterator[Outcome]:
        notes = note
        for name, path in files.items():
            if name in damaged:
                yield Outcome(path, len(files), True, (damaged[name],))
                continue
            target = output / f"{name}.tif"
            try:
                times = open_volume(path, axes=axes).times if is_ome_zarr(path) else 1
                target = output / f"{name}.ome.zarr" if times > 1 else target
                if real_path(target) == real_path(path):
                    raise ValueError(f"its labels would replace {path}: choose another folder")
                if target.exists() and not overwrite:
                    yield Outcome(path, len(files), messages=(f"{path}: {target} already exists",))
                    continue
                counts = _decode(path, target, rules[name], times=times, axes=axes)
            except (ValueError, TypeError, OSError, MemoryError) as error:
                yield Outcome(path, len(files), True, (error_line(path, error),))
                continue
            messages = (*notes, f"{path}: {amount(counts, 'cell')}")
            notes = ()
            yield Outcome(path, len(files), messages=messages)

    return outcomes()


def _stored_rules(files: Mapping[str, Path]) -> tuple[dict[str, DecodeRule], dict[str, str]]:
    """Return the rules that files have, and what is wrong with those that are damaged."""
    rules, damaged = {}, {}
    for name, path in files.items():
        try:
            rule = read_rule(path)
        except ValueError as error:
            damaged[name] = str(error)
            continue
        if rule is not None:
            rules[name] = rule
    return rules, damaged


def _chosen(
    rule: DecodeRule | Callable[[DecodeRule | None], DecodeRule] | None, stored: DecodeRule | None
) -> DecodeRule:
    """Return the rule for a file with this stored one."""
    if isinstance(rule, DecodeRule):
        return rule
    return (stored or DecodeRule()) if rule is None else rule(stored)


def _note(stored: Mapping[str, DecodeRule], rules: Mapping[str, DecodeRule]) -> tuple[str, ...]:
    """Return a line about the stored rules that are used as they are, if there are any."""
    used = [own.rule for name, own in stored.items() if own == rules[name]]
    if not used:
        return ()
    share = f" ({len(used)} of {len(rules)} files)" if len(used) < len(rules) else ""
    names = " and ".join(sorted(set(used)))
    return (f"cells by {names}, as stored with the probabilities{share}",)


def _decode(
    path: Path, target: Path, rule: DecodeRule, *, times: int, axes: str | None
) -> list[int]:
    """Write the labels of a file; return how many cells there are, at each time point."""
    classes = _names_of(path)
    ignore = None if classes is None else classes.ignore
    frames, spacing = [], None
    for time in range(times):
        maps, spacing = _read(path, axes, time if times > 1 else None)
        frames.append(_decode_but_ignored(maps, rule, ignore))
    if times == 1:
        spacing = spacing or _noted_spacing(path, frames[0].ndim)
        write_labels(target, frames[0], spacing=spacing)
    else:
        series = np.stack(frames)
        letters = "TYX" if series.ndim == 3 else "TZYX"
        write_image(
            target, series, axes=letters, spacing=spacing, labels=True, overwrite=target.exists()
        )
    return [int(labels.max()) for labels in frames]


def _decode_but_ignored(maps: NDArray[Any], rule: DecodeRule, ignore: int | None) -> Labels:
    """`decode_maps`, with −1 where a class map has nnU-Net's number of ignored pixels."""
    is_ignored = maps == ignore
    if ignore is None or maps.dtype.kind not in "iu" or not is_ignored.any():
        return decode_maps(maps, rule)
    labels = decode_maps(np.where(is_ignored, 0, maps), rule)
    return np.where(is_ignored, IGNORE, labels.astype(np.int64))


def decode_maps(maps: NDArray[Any], rule: DecodeRule = DecodeRule()) -> Labels:
    """Label the cells of class probabilities or of a class map.

    Parameters
    ----------
    maps : (C, *S) floating array, or (*S) integer array
        Probabilities of 2 to 4 classes, perhaps with relief and offsets behind them; or classes 0
        to 3, of which a gap counts as background. A pixel without any probability is background:
        some programs have such pixels where they did not look.
    rule : DecodeRule
        For a class map only its sizes count.

    Raises
    ------
    ValueError
        The array is neither, has no pixels or complex numbers, or the rule needs a relief that is
        not there.

    Examples
    --------
    >>> decode_maps(np.array([[0, 1, 1, 2, 1], [0, 0, 0, 0, 0]])).tolist()
    [[0, 1, 1, 0, 2], [0, 0, 0, 0, 0]]
    """
    _check_pixels(maps)
    if maps.dtype.kind in "biu":
        return _decode_classes(maps, rule)
    probabilities, guides = _split(maps)
    if not rule.is_guided:
        return decode_whole(probabilities, rule)
    if not len(guides):
        raise ValueError("it has no relief behind its classes: choose another --decode than relief")
    return decode_whole(np.concatenate([probabilities, guides]), rule)


def read_probabilities(
    path: Path, *, axes: str | None = None, guides: bool = False
) -> NDArray[np.float32]:
    """Read the class probabilities of a file, of one of the kinds of `decode_files`.

    Returns
    -------
    (C, *S) float32 array
        With `guides` those that may follow the classes are there, too.

    Raises
    ------
    ValueError
        The file holds something else, a class map for example.
    OSError
        It cannot be read.
    """
    maps, _ = _read(path, axes, None)
    _check_pixels(maps)
    if maps.dtype.kind in "biu":
        raise ValueError("it holds classes, and thresholds are tuned on their probabilities")
    classes, behind = _split(maps)
    return np.concatenate([classes, behind]) if guides else classes


def _check_pixels(maps: NDArray[Any]) -> None:
    if not maps.ndim:
        raise ValueError("it is a single number: give an image of probabilities or classes")
    if not maps.size:
        raise ValueError(f"it has no pixels (shape {maps.shape}): compute it again")
    if maps.dtype.kind == "c":
        raise ValueError(f"it has complex numbers ({maps.dtype}): give real ones")


def _split(maps: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Class probabilities, checked, and the guides behind them, of which there may be none."""
    ndim = maps.ndim - 1
    n_guides = 1 + ndim
    classes = len(maps) - n_guides * (len(maps) > _MOST_CLASSES)
    if ndim not in (2, 3) or not 2 <= classes <= _MOST_CLASSES:
        raise ValueError(
            f"probabilities must have 2 to 4 classes first, perhaps with {n_guides} guides behind "
            f"them, and two or three axes, not the shape {maps.shape}"
        )
    probabilities = maps[:classes].astype(np.float32)
    probabilities = check_probabilities(probabilities, pixels=probabilities[0].size, slack=_SLACK)
    return probabilities, maps[classes:].astype(np.float32)


def _decode_classes(classes: NDArray[Any], rule: DecodeRule) -> Labels:
    if rule.pair is not None:
        raise ValueError(f"it holds classes, and --decode {rule.rule} needs probabilities")
    if classes.ndim not in (2, 3) or classes.min() < 0 or classes.max() >= _MOST_CLASSES:
        is_numbering = bool(classes.max() >= _MOST_CLASSES)
        remedy = ": are these labels, the numbers of cells?" * is_numbering
        raise ValueError(
            "a class map must have two or three axes and classes 0 to 3, "
            f"not the shape {classes.shape} with {classes.min()} to {classes.max()}{remedy}"
        )
    flat = np.where(classes == _MOST_CLASSES - 1, 0, classes).astype(np.uint8)
    return instances(flat, min_size=rule.min_size, min_core=rule.min_core)


def maps_by_stem(inputs: Sequence[AnyPath]) -> dict[str, Path]:
    """Files of probabilities or classes by their stems, as `decode_files` finds them."""
    return by_stem(_map_files(inputs))


def _map_files(inputs: Sequence[AnyPath]) -> list[Path]:
    arrays: list[Path] = []
    images: list[AnyPath] = []
    for path in map(Path, inputs):
        inside = sorted(path.glob("*.np[yz]")) if path.is_dir() else []
        if path.suffix.lower() in (".npz", ".npy"):
            inside = [path]
        arrays += inside
        if inside and path.is_dir():
            images += _other_images(path, inside)
        elif not inside:
            images.append(path)
    for path in arrays:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: check its name and folder")
        if path.is_fifo():
            raise ValueError(f"{path} is a pipe: give a file")
    return arrays + (find_images(images) if images else [])


def _other_images(folder: Path, arrays: Sequence[Path]) -> list[Path]:
    """Images of a folder, but for the class maps of its ``.npz`` files of probabilities."""
    names = {stem(path) for path in arrays if path.suffix.lower() == ".npz"}
    images = (path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)
    return [path for path in images if stem(path) not in names]


def _names_of(path: Path) -> ClassNames | None:
    """Class names of the data set of a file; ValueError if ours are in another order."""
    folder = path.parent.parent if path.parent.name.startswith("labels") else path.parent
    try:
        classes = read_class_names(folder / RECORD)
    except ValueError:
        return None  # a file of another program
    if classes is None or not set(classes.names) <= set(CLASS_NAMES):
        return classes
    if classes.names != CLASS_NAMES[1 : len(classes.names) + 1]:
        raise ValueError(
            f"{folder / RECORD} has the classes background, {', '.join(classes.names)}, expected "
            f"the order {', '.join(CLASS_NAMES)}: put the numbers in this order"
        )
    return classes


def _noted_spacing(path: Path, ndim: int) -> tuple[float, ...] | None:
    """Pixel size that nnU-Net notes next to a stack; 1, 1, 1 stands for an unknown one."""
    record = path.with_name(f"{stem(path)}.json")
    try:
        spacing = read_json(record).get("spacing") if record.is_file() else None
    except ValueError:
        return None  # a file of another program
    if not isinstance(spacing, list) or len(spacing) != ndim:
        return None
    is_size = all(isinstance(step, int | float) and step > 0 for step in spacing)
    return tuple(map(float, spacing)) if is_size and set(spacing) != {1} else None


def _read(
    path: Path, axes: str | None, time: int | None
) -> tuple[NDArray[Any], tuple[float, ...] | None]:
    """The array of a file, with channels first, and its pixel size."""
    if path.suffix.lower() in (".npz", ".npy"):
        array = _read_array(path)
        is_plane = array.ndim == 4 and array.shape[1] == 1 and _noted_spacing(path, 3) is None
        # nnU-Net gives a plane one slice
        return array[:, 0] if path.suffix.lower() == ".npz" and is_plane else array, None
    image = read_image(path, axes=axes, time=time)
    if image.axes.startswith("C") and image.data.dtype.kind in "biu":
        if any(not np.array_equal(image.data[0], other) for other in image.data[1:]):
            raise ValueError(
                f"it is a colour picture ({len(image.data)} channels of {image.data.dtype}): give "
                "a class map, one channel with the numbers 0 to 3"
            )
        return image.data[0], image.spacing
    return image.data, image.spacing


def _read_array(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:  # np.load leaves a damaged file open
            if not stream.read(6).startswith(_NUMPY):
                raise UnsupportedError("it does not begin as one; write it with numpy.savez")
            stream.seek(0)
            content = np.load(stream, allow_pickle=False)
            array = content if isinstance(content, np.ndarray) else content[_name_in(content.files)]
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # BadZipFile, EOFError, pickles, …
        raise unreadable(path, "NumPy file", error) from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{path} has NaN or infinite values: compute it again")
    return array


def _name_in(files: Sequence[str]) -> str:
    """Return the name of the array to decode."""
    names = [name for name in _ARRAY_NAMES if name in files] or list(files)
    if len(names) != 1:
        raise ValueError(
            f"it holds {len(names)} arrays ({', '.join(names)}), expected one or one named "
            f"{_ARRAY_NAMES[0]}"
        )
    return names[0]
