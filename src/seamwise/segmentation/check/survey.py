"""Look through a training folder: see `survey`."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seamwise.io.errors import first_line
from seamwise.io.images import read_image, read_labels
from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, inner_contour, relabel
from seamwise.labels.slabs import areas
from seamwise.segmentation.challenge_folder import series_without_masks
from seamwise.segmentation.channels import joined_channels
from seamwise.segmentation.check.findings import Finding
from seamwise.segmentation.check.masks import mask_faults
from seamwise.segmentation.check.missing import missing_cells, rough_objects
from seamwise.segmentation.data import (
    check_is_folder,
    images_and_masks,
    number_pieces,
    part_folders,
    relative,
)
from seamwise.segmentation.fit import skewness
from seamwise.segmentation.nnunet_classes import ClassNames, as_annotation, class_names
from seamwise.segmentation.normalization import normalization
from seamwise.segmentation.overlay import overlay
from seamwise.segmentation.zoom import diameter_of
from seamwise.words import Annotation

_SATURATED = 0.05  # share of pixels that have the highest value
_CLEAR = 0.8  # a random pixel of a cell is brighter than one of background with this probability
_NONE = 0.1  # so close to 1/2 there is no difference
_MARGIN = 12  # pixels around a place in its picture
_SIDE = 160  # of the picture of a whole image, at least; about its width on the page
_LINE = 2  # width of outlines there
_PICTURES = 6  # of each kind of fault
SHARE_MISSING = 0.1
"""Share of the cells that a mask must lack to be noted."""
_SHARE_ROUGH = 0.2  # the same by roughness; complete masks of usiigaci have up to 0.11
_FEWEST_MISSING = 3  # objects; fewer may be dirt
_SAMPLE = 2**16  # pixels of an image
_RULE = NormalizationRule(kind="contrast")


@dataclass(frozen=True, eq=False)
class Look:
    """What was measured on one image that can be read, with its mask.

    Attributes
    ----------
    name : str
    shape : tuple of int
    channels : int
    dtype : str
    sizes : (n,) array
        Pixels of each cell.
    touching : int
        Cells that have a face neighbour of another number.
    brightness : float
        Probability that a pixel of a cell is brighter than one of background.
    rim : float
        Probability that a pixel at the rim of a cell is brighter than one further inside.
    skewness : float
        Of the first channel: see `fit.skewness`.
    spacing : tuple of float, optional
        Pixel size of the image in micrometres.
    digest : str
        SHA-256 of the pixels.
    """

    name: str
    shape: tuple[int, ...]
    channels: int
    dtype: str
    sizes: NDArray[np.int64]
    touching: int
    brightness: float
    rim: float
    skewness: float
    spacing: tuple[float, ...] | None
    digest: str

    @property
    def diameters(self) -> NDArray[np.float64]:
        """Diameter of each cell: in pixels, or in those of the finest axis."""
        ndim, shape = len(self.shape), float(np.prod(relative(self.spacing) or 1.0))
        return np.array([diameter_of(size * shape, ndim) for size in self.sizes], np.float64)


@dataclass(frozen=True, eq=False)
class Survey:
    """What a training folder holds, and what is wrong with it."""

    folder: Path
    looks: tuple[Look, ...]
    findings: tuple[Finding, ...]


@dataclass(eq=False)
class _Notes:
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: str, name: str, text: str, **more: Any) -> None:
        self.findings.append(Finding(kind, name, text, **more))

    def has_room(self, kind: str) -> bool:
        """Whether another picture of this kind is shown."""
        shown = [one for one in self.findings if one.kind == kind and one.picture is not None]
        return len(shown) < _PICTURES


def survey(
    folder: Path,
    *,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    annotation: Annotation = "instances",
    report: Callable[[int, int], object] = lambda count, total: None,
) -> Survey:
    """Look through a training folder and note what is wrong.

    A file that cannot be used is noted, and the others are read.

    Parameters
    ----------
    folder : Path
        In one of the forms of `data.find_pairs`.
    channel, axes, annotation
        As for `data.read_pair`.
    report : function
        Called after each image with the number of images that were read, and of all.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no image in it.
    NotADirectoryError
        It is a file.
    ValueError
        Two images or two masks have the same stem.
    """
    check_is_folder(folder)
    notes, looks, jobs = _Notes(), [], []
    for part in part_folders(folder):
        images, masks = images_and_masks(part)
        for series in series_without_masks(part):
            masks_folder = f"{series.name}_GT/SEG"
            notes.add("no masks", series.name, f"{series} has no masks in {masks_folder}")
        for name in sorted(images.keys() - masks.keys()):
            notes.add("no mask", name, f"{images[name][0]} has no mask of the same name")
        for name in sorted(masks.keys() - images.keys()):
            notes.add("no image", name, f"{masks[name]} has no image of the same name")
        classes = class_names(part)
        both = sorted(images.keys() & masks.keys())
        jobs += [(name, images[name], masks[name], classes) for name in both]
    for number, (name, files, mask, classes) in enumerate(jobs, 1):
        image, spacing = _read_image(name, files, notes, channel=channel, axes=axes)
        labels = _read_mask(name, mask, notes, annotation, classes)
        if image is not None and labels is not None:
            looks.append(_look(name, image, labels, spacing, notes, annotation))
        report(number, len(jobs))
    usable = tuple(look for look in looks if look is not None)
    notes.findings += _compared(usable)
    if usable and not any(len(look.sizes) for look in usable):
        notes.add("no cell at all", folder.name, "every pixel is background or ignored")
    return Survey(folder, usable, tuple(notes.findings))


def _read_image(
    name: str, files: Sequence[Path], notes: _Notes, **options: Any
) -> tuple[NDArray[np.generic] | None, tuple[float, ...] | None]:
    try:
        parts = [read_image(path, **options) for path in files]
        channels = joined_channels(files, parts, keep_all=options["channel"] is not None)
        return channels, parts[0].spacing
    except (ValueError, TypeError, OSError, MemoryError) as error:
        notes.add("unreadable image", name, first_line(error))
        return None, None


def _read_mask(
    name: str, path: Path, notes: _Notes, annotation: Annotation, classes: ClassNames | None
) -> Labels | None:
    try:
        mask = read_labels(path, one_bit=annotation == "binary")
    except (ValueError, TypeError, OSError, MemoryError) as error:
        notes.add("unreadable mask", name, first_line(error))
        return None
    try:
        mask = as_annotation(mask, classes, path)
    except ValueError as error:
        notes.add("classes", name, first_line(error))
        return None
    is_of_classes = classes is not None and len(classes.names) > 1
    if classes is not None and is_of_classes and classes.is_numbering(mask) and (mask > 0).any():
        text = f"numbers up to {mask.max()}, dataset.json tells of {', '.join(classes.names)}"
        notes.add("numbers", name, text)
    if path.suffix.lower() == ".png":
        with PIL.Image.open(path) as picture:
            if picture.mode == "P":
                notes.add("palette", name, f"{path.name} stores colours by their index")
    return number_pieces(mask, annotation)


def _look(
    name: str,
    image: NDArray[Any],
    labels: Labels,
    spacing: tuple[float, ...] | None,
    notes: _Notes,
    annotation: Annotation,
) -> Look | None:
    """Measure an image and note its faults; None if it cannot be used."""
    if image.shape[1:] != labels.shape:
        text = f"the mask has {_by(labels.shape)} pixels, the image {_by(image.shape[1:])}"
        notes.add("size", name, text)
        return None
    if normalization(image, NormalizationRule(), keep_noise=True).is_blank:
        notes.add("constant", name, f"all pixels are about {image.flat[0]}")
        return None
    share = float((image[0] == image[0].max()).mean())
    if share > _SATURATED:
        shown = _whole(image, labels) if notes.has_room("saturated") else None
        text = f"{share:.0%} of the pixels have the highest value, {image[0].max()}"
        notes.add("saturated", name, text, picture=shown)
    for fault in mask_faults(labels):
        shown = None
        if notes.has_room(fault.kind):
            shown = _whole(image, labels) if fault.box is None else _place(image, labels, fault.box)
        notes.add(fault.kind, name, fault.text, count=fault.count, picture=shown)
    cells = relabel(labels)  # numbers may be far larger than there are cells
    sizes = areas(np.maximum(cells, 0))[1:]
    _note_missing(name, image, cells, len(sizes), notes)
    return Look(
        name=name,
        shape=labels.shape,
        channels=len(image),
        dtype=image.dtype.name,
        sizes=sizes,
        touching=touching_cells(cells),
        brightness=brightness(image[0], cells),
        rim=rim_brightness(image[0], cells),
        skewness=skewness(normalization(image, _RULE, keep_noise=True)(image)[0]),
        spacing=spacing,
        digest=hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest(),
    )


def _note_missing(
    name: str, image: NDArray[Any], labels: Labels, cells: int, notes: _Notes
) -> None:
    """Note objects without a number that look like the cells, if they are many."""
    for word, look, share in (
        ("bright", missing_cells, SHARE_MISSING),
        ("rough", rough_objects, _SHARE_ROUGH),
    ):
        missing = look(image[0], labels)
        if len(missing) < max(_FEWEST_MISSING, share * (cells + len(missing))):
            continue
        shown = _place(image, labels, missing[0]) if notes.has_room("unlabelled") else None
        text = f"{len(missing)} objects as {word} and as large as the {cells} cells have no number"
        notes.add("unlabelled", name, text, count=len(missing), picture=shown)
        return


def touching_cells(labels: Labels) -> int:
    """Return how many cells have a face neighbour of another number.

    Examples
    --------
    >>> touching_cells(np.array([[1, 1, 2, 0, 3, -1]]))
    2
    """
    numbers: set[int] = set()
    for axis in range(labels.ndim):
        ahead = np.moveaxis(labels, axis, 0)
        one, other = ahead[:-1], ahead[1:]
        meets = (one != other) & (one > 0) & (other > 0)
        numbers.update(np.unique(one[meets]).tolist(), np.unique(other[meets]).tolist())
    return len(numbers)


def brightness(channel: NDArray[Any], labels: Labels) -> float:
    """Return the probability that a pixel of a cell is brighter than one of background.

    1/2 if there are no cells or no background. It is the area under the ROC curve, from about
    65,000 pixels.

    Examples
    --------
    >>> brightness(np.array([[1, 2, 3, 9]]), np.array([[0, 1, 0, 1]]))
    0.75
    """
    step = max(1, channel.size // _SAMPLE)
    values, numbers = channel.ravel()[::step].astype(np.float64), labels.ravel()[::step]
    inside, outside = np.sort(values[numbers > 0]), values[numbers == 0]
    if not len(inside) or not len(outside):
        return 0.5
    above = len(inside) - np.searchsorted(inside, outside, side="right")
    equal = np.searchsorted(inside, outside, "right") - np.searchsorted(inside, outside, "left")
    return float((above + equal / 2).mean() / len(inside))


def rim_brightness(channel: NDArray[Any], labels: Labels) -> float:
    """Return the probability that a pixel at the rim of a cell is brighter than one further inside.

    1/2 if every pixel of a cell is at its rim.

    Examples
    --------
    >>> rim_brightness(np.array([[0, 9, 1, 2, 8, 0]]), np.array([[0, 1, 1, 1, 1, 0]]))
    1.0
    """
    places = np.where(labels > 0, inner_contour(labels).astype(np.int8), np.int8(-1))
    return brightness(channel, places)


def _compared(looks: Sequence[Look]) -> Iterator[Finding]:
    """What differs between images that should be alike."""
    by_digest: dict[str, str] = {}
    for look in looks:
        if look.digest in by_digest:
            yield Finding("twice", look.name, f"the same pixels as {by_digest[look.digest]}")
        by_digest.setdefault(look.digest, look.name)
    for kind, name, words in (
        ("axes", "ndim", "spatial axes"),
        ("channels", "channels", "channels"),
        ("type", "dtype", "as the type of its pixels"),
    ):
        values = [len(look.shape) if name == "ndim" else getattr(look, name) for look in looks]
        usual = Counter(values).most_common(1)[0][0] if values else None
        for look, value in zip(looks, values, strict=True):
            if value != usual:
                yield Finding(kind, look.name, f"{value} {words}, most images have {usual}")
    annotated = [look for look in looks if len(look.sizes)]
    usual = float(np.median([look.brightness for look in annotated])) if annotated else 0.5
    if max(usual, 1 - usual) < _CLEAR:
        return
    for look in annotated:
        ours = look.brightness if usual > 0.5 else 1 - look.brightness
        text = f"cells are brighter than background in {look.brightness:.0%} of pairs of pixels, "
        text += f"usually {usual:.0%}"
        if ours < 1 - _CLEAR:
            yield Finding("inverted", look.name, text)
        elif abs(ours - 0.5) < _NONE:
            yield Finding("no match", look.name, text)


def _place(image: NDArray[Any], labels: Labels, box: tuple[slice, ...]) -> NDArray[np.uint8]:
    """Outlines in and around a box; of a stack, its middle slice."""
    flat = list(box)
    if labels.ndim == 3:
        middle = (box[0].start + box[0].stop) // 2
        image, labels, flat = image[:, middle], labels[middle], flat[1:]
    around = tuple(slice(max(0, part.start - _MARGIN), part.stop + _MARGIN) for part in flat)
    return _drawing(image[0][around], labels[around])


def _whole(image: NDArray[Any], labels: Labels) -> NDArray[np.uint8]:
    while labels.ndim > 2:
        image, labels = image[:, image.shape[1] // 2], labels[len(labels) // 2]
    return _drawing(image[0], labels)


def _drawing(channel: NDArray[Any], labels: Labels) -> NDArray[np.uint8]:
    """Outlines on a plane; of a large one, every nth row and column."""
    step = max(1, max(labels.shape) // (3 * _SIDE))
    channel, labels = channel[::step, ::step], labels[::step, ::step]
    zoom = max(1, _SIDE // max(labels.shape))
    ones = np.ones((zoom, zoom))
    large = np.kron(labels, ones.astype(labels.dtype))
    drawing = np.kron(channel.astype(np.float32), ones.astype(np.float32))
    return overlay(drawing, large, width=max(1, round(_LINE * large.shape[1] / _SIDE)))


def _by(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape)
