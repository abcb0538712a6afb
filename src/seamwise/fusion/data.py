"""Pictures with segments: `find_pictures`; pairs of different focus from them: `make_pair`."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seamwise.engine.draws import ImageDraws
from seamwise.fusion.frames import pixel_size
from seamwise.fusion.settings import Simulation
from seamwise.io.images import read_image, read_labels
from seamwise.io.jsonfile import read_json
from seamwise.io.listing import by_stem, find_images
from seamwise.io.photo import read_photo
from seamwise.pictures import as_unit
from seamwise.synth.focus import FocusPair, draw_mask, focus_pair, random_shapes
from seamwise.words import Sampling

_ANNOTATOR = re.compile(r"_h\d+$")  # x_h0.png, x_h1.png, …: segments of x by several people


@dataclass(frozen=True)
class SegmentedPicture:
    """A sharp picture and where its segments are.

    Attributes
    ----------
    name : str
    image : Path
    segments : tuple of Path
        Label images, of which one is drawn for each pair. Empty: masks are random shapes.
    panoptic : bool
        The segments are a PNG of MS COCO's panoptic format: number = red + 256·green + 256²·blue.
    """

    name: str
    image: Path
    segments: tuple[Path, ...] = ()
    panoptic: bool = False

    def read(self) -> NDArray[Any]:
        """Return the picture as `(Y, X, 3)`, uint8 or uint16."""
        pixels = read_photo(self.image).pixels
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)

    def read_segments(self, path: Path) -> NDArray[np.int64]:
        """Return one of the segmentations as `(Y, X)` numbers."""
        if not self.panoptic:
            return read_labels(path, one_bit=True).astype(np.int64)
        picture = read_image(path)
        if picture.axes != "CYX" or len(picture.data) != 3 or picture.data.dtype != np.uint8:
            raise ValueError(
                f"{path} is not a panoptic segmentation: it must be an 8-bit RGB picture"
            )
        return np.tensordot([1, 256, 256**2], picture.data.astype(np.int64), 1)


def find_pictures(data: Path, *, images: Path | None = None) -> list[SegmentedPicture]:
    """List the pictures of a data set, sorted by name.

    Parameters
    ----------
    data : Path
        One of:

        - a folder with ``images/`` and ``labels/``, also with subfolders of the same names in both.
          The segments of ``x.jpg`` are ``x.png`` or ``x.tif``, or ``x_h0.png``, ``x_h1.png``, …
          where several people drew them;
        - a folder of pictures: they have no segments, masks will be random shapes;
        - a panoptic JSON file of MS COCO. Its PNGs lie next to it in a folder of the same name, the
          pictures in `images`.
    images : Path, optional
        The folder of pictures of a panoptic file.

    Raises
    ------
    FileNotFoundError
        There is no picture, a picture of ``images/`` has no segments, or a file that the JSON names
        is missing.
    ValueError
        The JSON is not in the panoptic format, or comes without `images`; two pictures have the
        same name.
    """
    if data.suffix.lower() == ".json":
        return _coco_pictures(data, images)
    if not (data / "images").is_dir():
        files = by_stem(find_images(data))
        return [SegmentedPicture(name, path) for name, path in sorted(files.items())]
    pictures: dict[str, SegmentedPicture] = {}
    for picture in _pictures_of_folders(data / "images", data / "labels"):
        twin = pictures.setdefault(picture.name, picture)
        if twin is not picture:
            raise ValueError(
                f"{twin.image} and {picture.image} have the same name: rename one of them"
            )
    if not pictures:
        raise FileNotFoundError(f"folder {data / 'images'} holds no picture: add some")
    return [pictures[name] for name in sorted(pictures)]


@dataclass(frozen=True)
class PictureSplit:
    """Pictures to train on, to validate on, and to test with after the training."""

    training: tuple[SegmentedPicture, ...]
    validation: tuple[SegmentedPicture, ...]
    test: tuple[SegmentedPicture, ...] = ()


def split(
    pictures: Sequence[SegmentedPicture],
    *,
    hold_out_every: int = 10,
    leave_out_every: int | None = None,
) -> PictureSplit:
    """Keep every n-th picture for testing, and every m-th of the others for validation.

    The first picture of each count is kept.

    Parameters
    ----------
    pictures : sequence of SegmentedPicture
    hold_out_every : int
        m.
    leave_out_every : int, optional
        n; by default no picture is kept for testing.

    Examples
    --------
    >>> pictures = [SegmentedPicture(name, Path(name)) for name in "abcdefgh"]
    >>> parts = split(pictures, hold_out_every=3, leave_out_every=4)
    >>> for part in (parts.training, parts.validation, parts.test):
    ...     print(*(picture.name for picture in part))
    c d g h
    b f
    a e
    """
    test = pictures[::leave_out_every] if leave_out_every else ()
    rest = [p for i, p in enumerate(pictures) if leave_out_every is None or i % leave_out_every]
    training = [p for i, p in enumerate(rest) if i % hold_out_every]
    return PictureSplit(tuple(training), tuple(rest[::hold_out_every]), tuple(test))


def _pictures_of_folders(images: Path, labels: Path) -> Iterator[SegmentedPicture]:
    """Yield the pictures of a folder and its subfolders, with segments of the same subfolder."""
    subfolders = sorted(path for path in images.iterdir() if path.is_dir())
    for folder in (images, *subfolders):
        if any(path.is_file() and path.name[0] != "." for path in folder.iterdir()):
            yield from _with_label_maps(folder, labels / folder.relative_to(images))


def _with_label_maps(images: Path, labels: Path) -> list[SegmentedPicture]:
    by_picture: dict[str, list[Path]] = {}
    for name, path in sorted(by_stem(find_images(labels, masks=True)).items()):
        by_picture.setdefault(_ANNOTATOR.sub("", name), []).append(path)
    pictures = by_stem(find_images(images))
    missing = sorted(pictures.keys() - by_picture.keys())
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(pictures)} pictures in {images} have no segments of the same "
            f"name in {labels}, such as {', '.join(missing[:3])}: add them"
        )
    return [
        SegmentedPicture(name, path, tuple(by_picture[name])) for name, path in pictures.items()
    ]


def _coco_pictures(path: Path, images: Path | None) -> list[SegmentedPicture]:
    if images is None:
        raise ValueError(f"{path} names pictures but not their folder: give it with --images")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: check its name and folder")
    pairs = _coco_pairs(path, images)
    by_stem(image for image, _ in pairs)  # names are unique
    for file in itertools.chain(*pairs):
        if not file.is_file():
            raise FileNotFoundError(f"{path} names {file}, which does not exist: check its folder")
    pictures = [
        SegmentedPicture(image.stem, image, (segments,), panoptic=True) for image, segments in pairs
    ]
    return sorted(pictures, key=lambda picture: picture.name)


def _coco_pairs(path: Path, images: Path) -> list[tuple[Path, Path]]:
    """The pictures and segments that a panoptic file names."""
    content = read_json(path)
    try:
        pictures = {entry["id"]: images / str(entry["file_name"]) for entry in content["images"]}
        segments = {
            entry["image_id"]: path.with_suffix("") / str(entry["file_name"])
            for entry in content["annotations"]
        }
        return [(pictures[number], file) for number, file in segments.items()]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not in MS COCO's panoptic format: it lacks {error}") from error


def pictures_sha256(pictures: Sequence[SegmentedPicture]) -> str:
    """Return the SHA-256 of the files of all pictures and segments."""
    total = hashlib.sha256()
    for picture in pictures:
        for path in (picture.image, *picture.segments):
            total.update(path.read_bytes())
    return total.hexdigest()


def make_pair(
    picture: SegmentedPicture, *, crop: int | None, simulation: Simulation, rng: np.random.Generator
) -> FocusPair:
    """Make a random pair from a picture: a crop of `crop` × `crop` pixels, or the whole picture.

    A picture smaller than the crop is mirrored at its borders. A crop with a single segment gets a
    mask of random shapes.

    Parameters
    ----------
    picture : SegmentedPicture
    crop : int or None
    simulation : Simulation
    rng : numpy random generator

    Raises
    ------
    ValueError
        The segments have another size than the picture.
    """
    image_pixels: NDArray[Any] = picture.read()
    segments: NDArray[Any] | None = _draw_segments(picture, simulation, rng)
    if segments is not None and segments.shape != image_pixels.shape[:2]:
        raise ValueError(
            f"{picture.image} has {pixel_size(image_pixels.shape)} pixels, its segments have "
            f"{pixel_size(segments.shape)}: give segments of the same size"
        )
    if crop is not None:
        image_pixels, segments = _random_crop(image_pixels, segments, crop, simulation, rng)
    image = _vary(as_unit(image_pixels), simulation, rng)
    if segments is None or segments.min() == segments.max():
        segments = random_shapes(image.shape[:2], rng=rng)
    mask = draw_mask(segments, rng)
    is_swapped = bool(rng.random() < 0.5)
    pair = focus_pair(
        image,
        mask,
        sigma=simulation.sigma,
        edges="matte" if rng.random() < simulation.matte else "hard",
        kernel="disc" if rng.random() < simulation.disc else "gaussian",
        noise=simulation.noise,
        brightness=simulation.brightness,
        rng=rng,
    )
    # the object in front is as often the sharp one in a as in b
    return FocusPair(pair.b, pair.a, pair.truth, ~pair.mask) if is_swapped else pair


class FocusSamples(Dataset[tuple[torch.Tensor, ...]]):
    """Training samples, each a pure function of (seed, step, index).

    Their number is step·batch_size + index.
    A sample is x_A, x_B, y, each `(3, crop, crop)` float32 in 0..1, and g^b, `(crop, crop)` int64.
    """

    def __init__(
        self,
        pictures: Sequence[SegmentedPicture],
        *,
        seed: int,
        steps: int,
        batch_size: int,
        crop: int,
        simulation: Simulation,
        sampling: Sampling = "random",
    ) -> None:
        self._draws = ImageDraws([1.0] * len(pictures), sampling=sampling, seed=seed)
        self.pictures, self.seed, self.steps, self.batch_size = pictures, seed, steps, batch_size
        self.crop, self.simulation = crop, simulation

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        """Return the tensors of one pair."""
        step, index = divmod(number, self.batch_size)
        rng = np.random.default_rng((self.seed, step, index))
        picture = self.pictures[self._draws.draw(number, rng)]
        pair = make_pair(picture, crop=self.crop, simulation=self.simulation, rng=rng)
        images = (
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, 2, 0)))
            for x in (pair.a, pair.b, pair.truth)
        )
        return *images, torch.from_numpy(pair.mask.astype(np.int64))


def _draw_segments(
    picture: SegmentedPicture, simulation: Simulation, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    if rng.random() < simulation.shapes or not picture.segments:
        return None
    return picture.read_segments(picture.segments[int(rng.integers(len(picture.segments)))])


def _random_crop(
    image: NDArray[Any],
    segments: NDArray[np.int64] | None,
    crop: int,
    simulation: Simulation,
    rng: np.random.Generator,
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    factor = float(np.exp(rng.uniform(-1, 1) * np.log1p(simulation.scale)))
    size = max(1, round(crop / factor))
    padding = [(0, max(0, size - length)) for length in image.shape[:2]]
    image = np.pad(image, [*padding, (0, 0)], mode="symmetric")
    y, x = (int(rng.integers(length - size + 1)) for length in image.shape[:2])
    image = image[y : y + size, x : x + size]
    flips = tuple(_flip(simulation, rng) for _ in range(2))
    is_transposed = simulation.mirror and rng.random() < 0.5
    image = _resize(image[flips], crop, cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    if segments is not None:
        segments = np.pad(segments, padding, mode="symmetric")[y : y + size, x : x + size]
        numbers = _resize(segments[flips].astype(np.int32), crop, cv2.INTER_NEAREST)
        segments = numbers.astype(np.int64)
    if is_transposed:
        image, segments = image.swapaxes(0, 1), None if segments is None else segments.T
    return image, segments


def _flip(simulation: Simulation, rng: np.random.Generator) -> slice:
    return slice(None, None, -1 if simulation.mirror and rng.random() < 0.5 else 1)


def _resize(image: NDArray[Any], size: int, interpolation: int) -> NDArray[Any]:
    image = np.ascontiguousarray(image)
    if len(image) == size:
        return image
    return cv2.resize(image, (size, size), interpolation=interpolation)


def _vary(
    image: NDArray[np.float32], simulation: Simulation, rng: np.random.Generator
) -> NDArray[np.float32]:
    gamma = np.exp(rng.uniform(-1, 1) * np.log1p(simulation.gamma))
    image = image ** np.float32(gamma)
    if rng.random() < simulation.grey:
        image = np.repeat(image.mean(2, keepdims=True, dtype=np.float32), 3, axis=2)
    return image
