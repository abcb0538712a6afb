"""Train a segmentation network; see `train`."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seamwise.engine.loop import Report, check_output, fit, run_identity
from seamwise.io.models import Architecture, DecodeRule, SegmentationInfo
from seamwise.io.outcome import amount
from seamwise.labels import CLASS_NAMES
from seamwise.losses import guide_losses
from seamwise.metrics import match_dataset
from seamwise.segmentation.data import AnnotatedImage, as_seen
from seamwise.segmentation.predict import Model, segment_normalized
from seamwise.segmentation.record import has_range, record_range, record_rule
from seamwise.segmentation.samples import Samples
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.start import description_from, read_start, rules_from, weights_from
from seamwise.segmentation.systems import System
from seamwise.segmentation.transforms import count_classes
from seamwise.segmentation.unlabelled import check_background, with_unlabelled

_SEEN = 20  # training images that are looked at again when the model is whole


def train(
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
    settings: TrainSettings,
    *,
    output: Path,
    resume: bool = False,
    device: str = "auto",
    report: Report = lambda progress: None,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train a network and write it, with log, curve and checkpoint, to a folder.

    Parameters
    ----------
    training, validation : sequence of AnnotatedImage
        As read by `data.read_pair`.
    settings : TrainSettings
        Everything that the run depends on, except the images.
    output, resume, device, report
        See `engine.loop.fit`.
        The saved model is the one with the best panoptic quality at IoU 0.5, pooled over the
        validation images. With guides it is decoded by the rule of `start.rules_from` that suits
        them.
    start : mapping, optional
        The first weights; with `settings.start` they are those of that model.

    Returns
    -------
    Path
        The model file; it does not exist yet if `report` stopped the run before the first
        validation.

    Raises
    ------
    ValueError
        There are no images, they differ in channels or in the number of axes or have no contrast,
        or no training image has a cell; `settings` have another number of axes; the checkpoint was
        made with other settings or images; the loss is not finite; they do not fit the model of
        `settings.start`, or it has another network; no pixel is background (`with_unlabelled`).
    FileExistsError
        The folder already holds a run, and `resume` is False.
    FileNotFoundError
        There is nothing to resume from.

    Notes
    -----
    The optimizer of the thesis, Adam at 1e-4 (section 5.3), is the default.
    """
    _check_images(training, validation, settings.ndim)
    settings = settings.fill_in(training[0].ndim)
    check_output(output, resume=resume)
    task, first = training_task(training, validation, settings)
    path = fit(
        task,
        settings,
        output=output,
        resume=resume,
        device=device,
        report=report,
        start=first or start,
    )
    info, validation = task.info, task.validation
    if path.exists() and not has_range(path):  # a finished run that is resumed stays as it is
        if info.decode.is_guided:
            record_rule(path, validation[:_SEEN], rules_from(info.decode), device=device)
        record_range(path, [*validation, *task.training[:_SEEN]], device=device)
    return path


@dataclass(frozen=True)
class _Segmentation:
    """A `Task`: classes of pixels."""

    info: SegmentationInfo
    settings: TrainSettings
    system: System
    training: Sequence[AnnotatedImage]
    validation: Sequence[AnnotatedImage]

    def samples(self) -> Samples:
        """Image, target, and weights if the system has a weight map."""
        settings = self.settings
        transform = settings.transform()
        training = [as_seen(image, self.info) for image in self.training]
        if transform.map is not None:
            spacings = (image.relative_spacing for image in training)
            counts = count_classes(
                (image.labels for image in training), transform, spacings=spacings
            )
            transform = settings.transform(counts)
        return Samples(
            training,
            seed=settings.seed,
            steps=settings.steps,
            batch_size=settings.batch_size,
            crop=settings.crop_shape(self.info.architecture.ndim),
            augmentation=settings.augmentation,
            transform=transform,
            sampling=settings.sampling,
            is_guided=self.info.architecture.guides,
        )

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        """Loss of the classes; with guides + 2·relief + offset/2, as the shipped models have it."""
        image, target, *rest = batch
        output = net(image)
        guides = rest.pop(0) if self.info.architecture.guides else None
        # a system without a weight map has no further part
        weight = {"weight": rest[0]} if rest else {}
        classes = self.system.classes
        loss = self.system.loss(output[:, :classes], target, **weight)
        if guides is None:
            return loss
        relief, offset = guide_losses(output[:, classes:], guides, target)
        return loss + 2 * relief + 0.5 * offset

    def validate(self, model: Model) -> Mapping[str, float]:
        """Pooled PQ and mean AP over the images, both at IoU 0.5."""
        pairs = (
            (image.labels, segment_normalized(image.image, model, spacing=image.spacing))
            for image in self.validation
        )
        scores = match_dataset(pairs, ious=(0.5,))
        return {
            "panoptic_quality": scores.pooled[0].panoptic_quality,
            "average_precision": scores.mean[0].accuracy,
        }


def training_task(
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
    settings: TrainSettings,
) -> tuple[_Segmentation, dict[str, Tensor] | None]:
    """Return the task that `train` trains, and the first weights if settings name a start."""
    settings = settings.fill_in(training[0].ndim)
    images = with_unlabelled(
        [*training, *validation], settings.unlabelled, settings.unlabelled_radius
    )
    training, validation = images[: len(training)], images[len(training) :]
    check_background(training, settings.unlabelled)
    info, first = describe(settings, training, validation), None
    if settings.start is not None:
        model = read_start(settings.start)
        info = description_from(model, info, training)
        first = weights_from(model, info.architecture, seed=settings.seed)
    return _Segmentation(info, settings, settings.system(), training, validation), first


def _check_images(
    training: Sequence[AnnotatedImage], validation: Sequence[AnnotatedImage], ndim: int | None
) -> None:
    """Raise now what would stop the run at its first validation, with nothing saved."""
    if not training or not validation:
        raise ValueError(
            f"training needs at least one training and one validation image, "
            f"not {len(training)} and {len(validation)}: add images with their masks"
        )
    first, channels = training[0], len(training[0].image)
    if first.ndim not in ((2, 3) if ndim is None else (ndim,)):
        expected_axes = "2 or 3" if ndim is None else f"{ndim}: remove ndim from the settings"
        raise ValueError(
            f"image {first.name} has {first.ndim} spatial axes, expected {expected_axes}, "
            "or name the axes, e.g. --axes CYX"
        )
    for image in (*training, *validation):
        if image.ndim != first.ndim:
            raise ValueError(
                f"image {image.name} has {image.ndim} spatial axes, {first.name} has {first.ndim}: "
                "train on planes or on stacks, not on both; or name the axes, e.g. --axes CYX"
            )
        if len(image.image) != channels:
            raise ValueError(
                f"image {image.name} has {amount(len(image.image), 'channel')}, "
                f"{first.name} has {channels}: choose the channels to use with --channel"
            )
        if image.image.min() == image.image.max():
            raise ValueError(f"image {image.name} is constant: remove it")
    if not any((image.labels > 0).any() for image in training):
        raise ValueError("no training mask holds a cell: every pixel is background or ignored")


def _digest(images: Sequence[AnnotatedImage]) -> str:
    """SHA-256 of all pixels and labels: a corrected mask keeps its name."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.image.tobytes())
        digest.update(image.labels.tobytes())
    return digest.hexdigest()


def describe(
    settings: TrainSettings,
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
) -> SegmentationInfo:
    """Return the description of a model that is trained with these settings on these images."""
    first, system = training[0], settings.system()
    record = run_identity(settings)
    if system.map == "w3":  # earlier versions had another default: a resumed run must not change it
        record["weights"] = {"balance": "frequency", **record["weights"]}
    spacings = {image.spacing for image in training}
    corrected = [image.name for image in training if image.is_corrected]
    return SegmentationInfo(
        architecture=Architecture(
            in_channels=len(first.image),
            out_channels=system.classes,
            ndim=first.ndim,
            width=settings.width,
            depth=settings.depth,
            norm=settings.norm,
        ),
        classes=CLASS_NAMES[: system.classes],
        channels=first.channels,
        spacing=first.spacing if len(spacings) == 1 else None,
        normalization=settings.normalization,
        decode=DecodeRule(min_size=settings.min_size, min_core=settings.min_core, gap=settings.gap),
        training={
            "settings": record,
            "images": [image.name for image in training],
            "validation_images": [image.name for image in validation],
            "data_sha256": _digest([*training, *validation]),
            **({"corrected": corrected} if corrected else {}),
        },
    )
