"""Images and masks of cells as a raw data set of classes for nnU-Net: see `write_nnunet`."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise import __version__, weights
from seamwise.io.atomic import atomic_path, make_folder
from seamwise.io.images import read_image, read_spaced_labels, write_labels, write_map
from seamwise.io.jsonfile import write_json
from seamwise.io.nifti import check_nifti, write_nifti
from seamwise.io.outcome import amount
from seamwise.labels import CLASS_NAMES
from seamwise.segmentation.channels import joined_channels
from seamwise.segmentation.data import (
    Pair,
    find_pairs,
    images_and_masks,
    number_pieces,
    relative,
)
from seamwise.segmentation.nnunet_classes import RECORD, as_annotation
from seamwise.segmentation.transforms import TargetAndWeight
from seamwise.types import AnyPath
from seamwise.words import NNUNetFormat

_NAME = re.compile(r"Dataset\d{3}_\w+")
_FOLDS = 5  # nnU-Net's cross-validation needs a case for each
_SPLITS = "splits_final.json"


@dataclass(frozen=True)
class NNUNetDataset:
    """What `write_nnunet` wrote.

    Attributes
    ----------
    folder : Path
    cases, tests : int
        Annotated images, and those for a test.
    names : tuple of str
        Of the classes by number; "ignore" behind them if a pixel is ignored.
    counts : tuple of int
        Pixels of each class 0..3 in all cases.
    notes : tuple of str
        What the user should know, a line each.
    """

    folder: Path
    cases: int
    tests: int
    names: tuple[str, ...]
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Case:
    """An image with its mask, or without one for a test, under the name it will have."""

    name: str
    part: str
    images: tuple[Path, ...]
    pair: Pair | None = None


@dataclass(frozen=True)
class _Look:
    """What an image has: spatial axes, channels, whether they are all equal; pixels by class."""

    axes: int
    channels: int
    is_grey: bool
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class _Files:
    """A kind of file: its ending, nnU-Net's reader for 2 or 3 spatial axes, and how to write it."""

    ending: str
    readers: Mapping[int, str]
    image: Callable[..., None]
    labels: Callable[..., None]
    weight: Callable[..., None]
    has_spacing: bool  # that nnU-Net reads


def _write_tiff(path: Path, plane: NDArray[Any], *, spacing: Sequence[float] | None) -> None:
    """Write one channel; nnU-Net's readers look for its pixel size in another file."""
    tifffile.imwrite(path, plane, photometric="minisblack")


_FILES: Mapping[NNUNetFormat, _Files] = {
    "tiff": _Files(
        ".tif",
        {2: "NaturalImage2DIO", 3: "Tiff3DIO"},
        image=_write_tiff,
        labels=write_labels,
        weight=write_map,
        has_spacing=False,
    ),
    "nifti": _Files(
        ".nii.gz",
        {3: "NibabelIO"},  # SimpleITK would take micrometres for thousandths of a millimetre
        image=write_nifti,
        labels=write_nifti,
        weight=write_nifti,
        has_spacing=True,
    ),
}


def write_nnunet(
    source: AnyPath,
    output: AnyPath,
    transform: TargetAndWeight = TargetAndWeight(classes=4),
    *,
    name: str = "Dataset501_Cells",
    file_format: NNUNetFormat = "tiff",
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    report: Callable[[int, int], object] = lambda count, total: None,
) -> NNUNetDataset:
    """Write images and masks of cells as a raw data set for nnU-Net v2, with our classes.

    nnU-Net learns classes, not cells. What it predicts becomes cells again with `decode_files`.

    - ``imagesTr/case_0000.tif``, one file for each channel; ``imagesTs/`` from ``test/``;
    - ``labelsTr/case.tif``: background 0, cell 1, touching 2, gap 3. Pixels to ignore have the
      number behind the last class. They are declared only if there is one, because nnU-Net then
      chooses its patches in another way;
    - ``case.json`` with the pixel size of a stack, next to image and labels. NIfTI files have it in
      their headers;
    - ``weightsTr/case.tif``, float32, if the transform has a map. nnU-Net itself does not read it.
      Classes are balanced over the whole data set, unless the transform has `counts`;
    - ``dataset.json``, which names the reader. Its entry ``seamwise`` holds the options of the
      transform and the pixels of each class;
    - ``splits_final.json`` if the source has ``val/``: one fold. It goes to the folder
      ``nnUNet_preprocessed``, where nnU-Net looks, if the environment names it.

    The folder appears whole or not at all.

    Parameters
    ----------
    source : path
        A folder in one of the forms of `find_pairs`.
    output : path
        nnU-Net's folder ``nnUNet_raw``.
    transform : TargetAndWeight
        Makes classes, and weights, of the masks.
    name : str
        ``DatasetNNN_Name``.
    file_format : {"tiff", "nifti"}
        "nifti" writes ``.nii.gz`` files in place of ``.tif``. It is for stacks, and needs nibabel.
    channel, axes
        As for `read_pair`. By default all channels; one, if they are equal in every image.
    report : function
        Called after each case with the number of cases that are written, and of all.

    Raises
    ------
    FileNotFoundError
        There is no such folder, no image, or an image has no mask.
    ValueError
        The name or the format is another word; a mask has another size than its image, or holds
        classes; images differ in their axes or channels; as `read_image` and `read_labels`. NIfTI
        is asked for planes, or nibabel is not installed.
    FileExistsError
        The data set already exists.
    OSError
        It cannot be written.
    """
    source, output = Path(source), Path(output)
    if not _NAME.fullmatch(name):
        raise ValueError(f"name must be like Dataset501_Cells, with three digits, not {name!r}")
    if file_format not in _FILES:
        raise ValueError(f"file_format must be {' or '.join(_FILES)}, not {file_format!r}")
    files = _FILES[file_format]
    if file_format == "nifti":
        check_nifti()
    folder = output / name
    if folder.exists():
        raise FileExistsError(f"{folder} already exists: choose another name, or remove it")
    cases = _cases(source)
    options = {"channel": channel, "axes": axes}
    looks = {case: _look(case, transform, options) for case in cases}
    _check_alike(looks)
    ndim = looks[cases[0]].axes
    if ndim not in files.readers:
        raise ValueError(
            f"{file_format} is for stacks, and {cases[0].images[0]} is a plane: choose tiff"
        )
    keep_all = channel is not None or not all(look.is_grey for look in looks.values())
    counts = np.sum([look.counts for look in looks.values()], axis=0)
    if transform.map is not None and transform.counts is None:
        transform = replace(transform, counts=tuple(map(int, counts)))
    has_ignored = False
    make_folder(output)
    with _whole_folder(folder) as hidden:
        for number, case in enumerate(cases, 1):
            target = _write_case(case, hidden, transform, files, keep_all, options)
            if target is not None:
                has_ignored = has_ignored or bool((target == transform.classes).any())
            report(number, len(cases))
        names = (*CLASS_NAMES[: transform.classes], *(("ignore",) * has_ignored))
        annotated = [case for case in cases if case.pair is not None]
        channels = looks[cases[0]].channels if keep_all else 1
        record = _record(names, len(annotated), channels, files, ndim)
        record["seamwise"] = _options(transform, counts)
        write_json(hidden / RECORD, record)
    notes = (*_write_splits(folder, annotated), *_too_few(len(annotated)))
    tests = len(cases) - len(annotated)
    return NNUNetDataset(folder, len(annotated), tests, names, tuple(map(int, counts)), notes)


def _cases(source: Path) -> list[_Case]:
    """List all images of a folder; two parts may have images of the same name."""
    split = find_pairs(source)
    has_validation = (source / "train").is_dir() and (source / "val").is_dir()
    pairs = dict.fromkeys((*split.training, *split.validation))
    held_out = set(split.validation) if has_validation else set()
    parts = [("val" if pair in held_out else "train", pair) for pair in pairs]
    names = [pair.name for pair in pairs]
    is_ambiguous = len(set(names)) < len(names)
    cases = [
        _Case(f"{part}_{pair.name}" if is_ambiguous else pair.name, part, pair.images, pair)
        for part, pair in sorted(parts, key=lambda entry: (entry[1].name, entry[0]))
    ]
    if (source / "test").is_dir():
        images, _ = images_and_masks(source / "test")
        cases += [_Case(name, "test", images[name]) for name in sorted(images)]
    return cases


def _look(case: _Case, transform: TargetAndWeight, options: dict[str, Any]) -> _Look:
    """Read an image and its mask; ValueError if they do not fit together."""
    image, spacing = _image(case.images, True, options)
    is_grey = all(np.array_equal(image[0], other) for other in image[1:])
    if image.ndim - 1 not in (2, 3):
        raise ValueError(
            f"{case.images[0]} has {image.ndim - 1} spatial axes, expected 2 or 3: name the axes, "
            "e.g. --axes CYX"
        )
    counts = np.zeros(4, np.int64)
    if case.pair is not None:
        mask, own = _mask(case.pair, transform)
        if mask.shape != image.shape[1:]:
            raise ValueError(
                f"mask {case.pair.labels} must have the size of its image {case.images[0].name}, "
                f"{image.shape[1:]}, not {mask.shape}: use another mask"
            )
        counts += weights.counts_of(transform.target(mask, spacing=relative(own or spacing)))
    return _Look(image.ndim - 1, len(image), is_grey, counts)


def _check_alike(looks: dict[_Case, _Look]) -> None:
    """Raise ValueError unless all images have the same axes and, but for grey ones, channels."""
    (first, look), *others = looks.items()
    all_grey = all(other.is_grey for other in looks.values())
    for case, other in others:
        if other.axes != look.axes:
            raise ValueError(
                f"{case.images[0]} has {other.axes} spatial axes, {first.images[0]} has "
                f"{look.axes}: make a data set of each kind"
            )
        if other.channels != look.channels and not all_grey:
            raise ValueError(
                f"{case.images[0]} has {amount(other.channels, 'channel')}, {first.images[0]} has "
                f"{look.channels}: choose channels with --channel"
            )


def _image(
    paths: Sequence[Path], keep_all: bool, options: dict[str, Any]
) -> tuple[NDArray[np.generic], tuple[float, ...] | None]:
    """Channels of an image `(C, *S)`, all or the first one, and its pixel size."""
    images = [read_image(path, **options) for path in paths]
    channels = joined_channels(paths, images, keep_all=True)
    return channels if keep_all else channels[:1], images[0].spacing


def _mask(pair: Pair, transform: TargetAndWeight) -> tuple[NDArray[Any], tuple[float, ...] | None]:
    """Labels of the cells, and the pixel size that the file of the mask gives."""
    mask, spacing = read_spaced_labels(pair.labels, one_bit=transform.annotation == "binary")
    mask = as_annotation(mask, pair.classes, pair.labels)
    return number_pieces(mask, transform.annotation), spacing


def _write_case(
    case: _Case,
    folder: Path,
    transform: TargetAndWeight,
    files: _Files,
    keep_all: bool,
    options: dict[str, Any],
) -> NDArray[np.int8] | None:
    """Write the files of a case; return its classes, where `transform.classes` is ignored."""
    image, spacing = _image(case.images, keep_all, options)
    part = "imagesTs" if case.pair is None else "imagesTr"
    target = None
    if case.pair is not None:
        labels, own = _mask(case.pair, transform)
        spacing = own or spacing
        target, weight = transform(labels, spacing=relative(spacing))
        target[target < 0] = transform.classes
        path = folder / "labelsTr" / f"{case.name}{files.ending}"
        path.parent.mkdir(exist_ok=True)
        files.labels(path, target.astype(np.uint8), spacing=spacing)
        if weight is not None:
            path = folder / "weightsTr" / path.name
            path.parent.mkdir(exist_ok=True)
            files.weight(path, weight, spacing=spacing)
    (folder / part).mkdir(exist_ok=True)
    for number, plane in enumerate(image):
        path = folder / part / f"{case.name}_{number:04d}{files.ending}"
        files.image(path, plane, spacing=spacing)
    if not files.has_spacing and image.ndim == 4:
        for place in (part,) if target is None else (part, "labelsTr"):
            _note_spacing(folder / place / f"{case.name}.json", spacing)
    return target


def _note_spacing(path: Path, spacing: Sequence[float] | None) -> None:
    """Note the pixel size of a stack where nnU-Net reads it; 1, 1, 1 if it is not known."""
    write_json(path, {"spacing": list(spacing or (1, 1, 1))})


def _record(
    names: Sequence[str], cases: int, channels: int, files: _Files, ndim: int
) -> dict[str, Any]:
    return {
        "channel_names": {str(number): f"channel {number}" for number in range(channels)},
        "labels": {name: number for number, name in enumerate(names)},
        "numTraining": cases,
        "file_ending": files.ending,
        "overwrite_image_reader_writer": files.readers[ndim],
    }


def _options(transform: TargetAndWeight, counts: NDArray[np.int64]) -> dict[str, Any]:
    """How the classes were made, and how many pixels each has."""
    return {
        "version": __version__,
        "classes": transform.classes,
        "touching_radius": transform.touching_radius,
        "gap_radius": transform.gap_radius,
        "annotation": transform.annotation,
        "counts": [int(count) for count in counts[: transform.classes]],
    }


def _write_splits(folder: Path, cases: Sequence[_Case]) -> list[str]:
    """Write the fold that train/ and val/ make; return where it is."""
    fold: dict[str, list[str]] = {"train": [], "val": []}
    for case in cases:
        fold[case.part].append(case.name)
    if not fold["val"]:
        return []
    preprocessed = os.environ.get("nnUNet_preprocessed")  # noqa: SIM112, its name
    path = (Path(preprocessed) / folder.name if preprocessed else folder) / _SPLITS
    if path.exists():
        return [f"{path} already exists and is kept: remove it if it is of another data set"]
    make_folder(path.parent)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps([fold], indent=1) + "\n", encoding="utf-8")
    remedy = "" if preprocessed else f": copy it to nnUNet_preprocessed/{folder.name}"
    return [f"train/ and val/ are fold 0 in {path}{remedy}"]


def _too_few(cases: int) -> list[str]:
    if cases >= _FOLDS:
        return []
    verb = "is" if cases == 1 else "are"
    return [
        f"{amount(cases, 'case')} {verb} too few for the {_FOLDS} folds of nnU-Net: train with "
        "fold all, nnUNetv2_train NNN 2d all"
    ]


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder that becomes `folder` at the end; after an error it is removed."""
    hidden = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir()
    try:
        yield hidden
        os.replace(hidden, folder)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
