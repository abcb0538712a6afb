"""Mask R-CNN, the reference point of the thesis' Figure 27; needs torchvision.

python reproduction/segmentation/mask_rcnn.py ../shared/data [--sets usiigaci] [--seeds 0]
[--pretrained] [--steps 300] [--regions 64] [--pictures FOLDER] [--quick]

torchvision's network with a ResNet-50 and a feature pyramid, on the crops that the systems of three
classes see, for as many steps and with the same schedule; its instances become a label image
(`as_labels`), which is scored as theirs are. It has 44 million weights, a U-Net of the protocol
about 2: a GPU helps. With --pretrained it begins with weights learned from photographs (COCO),
which torchvision downloads; by default with random ones, as the others do.

On a CPU the whole protocol takes hours. --steps trains for fewer steps than the protocol, and
--regions lets the heads learn from fewer regions of each crop than torchvision's 512. Results of
such runs are kept and named apart.

Convolutions compute in the numbers of the others, boxes in float32. Unlike the others it learns at
the rate of `RATE`, and looks for cells with `ANCHORS`. Its masks have 28 × 28 pixels, and
torchvision pastes them into boxes of whole pixels: even true boxes and masks come back a little
large, with a mean IoU of about 0.94 (usiigaci) and 0.88 (dsb2018), which its SQ hardly exceeds.
A torchvision without compiled operators uses those of `box_operators`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import measures
from box_operators import stand_in
from gallery import save
from seamwise.analysis import Claim, markdown_table, verdict_table
from seamwise.engine import choose_device, choose_precision, learning_rate
from seamwise.io import atomic_path
from seamwise.labels import Labels, Target, bounding_boxes, relabel
from seamwise.metrics import match
from seamwise.segmentation import (
    AnnotatedImage,
    Samples,
    TargetAndWeight,
    TrainSettings,
    overlay,
)
from seamwise.segmentation.choose import Run, settings_of
from study import Results, Study, command, positive
from table4_5 import SHOWN
from units import Units

SETS = ("usiigaci", "dsb2018")
RATE = 1e-4  # the thesis'; the protocol's 2e-3 is for small U-Nets
ANCHORS = (8, 16, 32, 64, 128)  # pixels; most cells are 7 to 50 (dsb2018), 40 to 130 (usiigaci)
DETECTIONS = 400  # in an image; at most about 300 cells are
REGIONS = 512  # of each crop that the heads learn from, as torchvision has it
SCORE = 0.5
MASK = 0.5
SAID_EVERY = 50  # steps
METRICS = ("P05", "RQ", "SQ", "PQ", "AP")
DRAWN = 4  # test images of the picture

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """What a network has that the protocol's have not.

    Attributes
    ----------
    pretrained : bool
        The first weights are those learned from photographs.
    steps : int, optional
        Of the training; by default the protocol's.
    regions : int, optional
        Of each crop that the heads learn from, a quarter of them cells; by default torchvision's
        512.
    """

    pretrained: bool = False
    steps: int | None = None
    regions: int | None = None

    def __str__(self) -> str:
        parts = ["coco" if self.pretrained else "random"]
        if self.steps is not None:
            parts.append(f"{self.steps} steps")
        if self.regions is not None:
            parts.append(f"{self.regions} regions")
        return ", ".join(parts)

    @property
    def slug(self) -> str:
        """Its name in files."""
        return str(self).replace(", ", "-").replace(" ", "")


class LowPrecision(nn.Module):
    """Computes a part of a network in the numbers that the device is fastest in.

    What comes out is float32: boxes need more digits than bfloat16 has.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, features: Any) -> Any:
        """Return what the part returns: a tensor, or tensors in a list, tuple or mapping."""
        device = next(self.part.parameters()).device
        precision = choose_precision(device)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            return as_float(self.part(features))


def as_float(tensors: Any) -> Any:
    """Return a tensor, or tensors in a list, tuple or mapping, in float32."""
    if isinstance(tensors, Tensor):
        return tensors.float()
    if isinstance(tensors, Mapping):
        return {name: as_float(part) for name, part in tensors.items()}
    return type(tensors)(as_float(part) for part in tensors)


@dataclass(frozen=True)
class WithLabels:
    """A transform for `Samples`: the target for the touching contrast, and the labels."""

    target: TargetAndWeight

    def __call__(
        self, labels: Labels, *, spacing: Sequence[float] | None = None
    ) -> tuple[Target, Labels]:
        """Return target and labels `(*S)`."""
        return self.target.target(labels, spacing=spacing), labels


def samples(training: Sequence[AnnotatedImage], settings: TrainSettings) -> Samples:
    """Return image `(C, H, W)`, target and labels `(H, W)` of each sample, as j3 sees them."""
    return Samples(
        training,
        seed=settings.seed,
        steps=settings.steps,
        batch_size=settings.batch_size,
        crop=settings.crop_shape(2),
        augmentation=settings.augmentation,
        transform=WithLabels(settings_of(Run("lsmax", settings.seed), settings).transform()),
    )


def as_input(image: Tensor) -> Tensor:
    """Return three channels `(3, H, W)` of a grey image `(1, H, W)`, each the same."""
    return image.expand(3, -1, -1)


def without_ignored(image: Tensor, labels: Tensor) -> Tensor:
    """Fill ignored pixels with the mean of the others: Mask R-CNN cannot ignore pixels.

    Beyond the border of an image `random_crop` shows its mirror image, and half a mirrored cell
    that no box surrounds would be learned as background.
    """
    is_ignored = labels < 0
    if is_ignored.all():
        return torch.zeros_like(image)
    return torch.where(is_ignored, image[:, ~is_ignored].mean(dim=1)[:, None, None], image)


def as_targets(labels: Labels) -> dict[str, Tensor]:
    """Return boxes, classes and masks of the cells, as torchvision's detectors learn from them.

    Parameters
    ----------
    labels : (H, W) integer array
        0 background, 1.. cells, negative = ignore (no instance).

    Returns
    -------
    dict
        In the order of the numbers: `boxes` (N, 4) float32, x₁, y₁, x₂, y₂ from the first pixel to
        one past the last, so that a cell of a single pixel still has an extent; `labels` (N,)
        int64, all 1; `masks` (N, H, W) uint8.

    Examples
    --------
    >>> as_targets(np.array([[0, 7, 7], [-1, -1, 2]]))["boxes"].tolist()
    [[2.0, 1.0, 3.0, 2.0], [1.0, 0.0, 3.0, 1.0]]
    """
    label_image = relabel(labels)
    boxes = [
        (across.start, down.start, across.stop, down.stop)
        for down, across in bounding_boxes(label_image)
    ]
    masks = label_image == np.arange(1, len(boxes) + 1)[:, np.newaxis, np.newaxis]
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "masks": torch.from_numpy(masks.astype(np.uint8)),
    }


def as_labels(
    masks: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    shape: tuple[int, int],
    *,
    min_size: int = 0,
) -> Labels:
    """Return a label image of the instances, which may overlap.

    Parameters
    ----------
    masks : (N, H, W) or (N, 1, H, W) array in 0..1
        Soft masks; an instance claims the pixels where its own is at least 0.5.
    scores : (N,) array in 0..1
        Instances below 0.5 are dropped.
    shape : (H, W)
    min_size : int
        Instances that keep fewer pixels are dropped, as the decoders of the other systems drop
        them.

    Returns
    -------
    (H, W) array
        1..n by descending score (ties in the order given). A pixel belongs to the instance with the
        best score among those that claim it; an instance that keeps none vanishes.
    """
    labels = np.zeros(shape, np.int32)
    best_first = np.argsort(-np.asarray(scores), kind="stable")
    for number, i in enumerate(best_first, start=1):
        if scores[i] < SCORE:
            break
        labels[(labels == 0) & (masks[i].reshape(shape) >= MASK)] = number
    small = np.bincount(labels.ravel()) < min_size
    return relabel(np.where(small[labels], 0, labels))


def train(
    net: nn.Module, samples: Samples, settings: TrainSettings, device: torch.device
) -> nn.Module:
    """Train a network with the interface of torchvision's detectors.

    Parameters
    ----------
    net : Module
        In training, `net(images, targets)` returns a dict of losses, which are added.
    samples : Samples
        Of `samples`.
    settings : TrainSettings
        Optimizer, rate, schedule, steps, batch size and seed.
    device : torch.device

    Returns
    -------
    Module
        The moving average of the weights, as of the other systems.

    Raises
    ------
    ValueError
        The loss is no longer finite.
    """
    torch.manual_seed(settings.seed)
    net.to(device).train()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    optimizer = kind(
        net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    average = AveragedModel(
        net, multi_avg_fn=get_ema_multi_avg_fn(settings.average), use_buffers=True
    )

    def on_device(target: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: part.to(device) for name, part in target.items()}

    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        batch = [
            samples[step * settings.batch_size + index] for index in range(settings.batch_size)
        ]
        images = [as_input(without_ignored(image, labels)).to(device) for image, _, labels in batch]
        targets = [on_device(as_targets(labels.numpy())) for _, _, labels in batch]
        losses = net(images, targets)
        loss = torch.stack(list(losses.values())).sum()
        if not math.isfinite(loss.item()):
            parts = ", ".join(f"{name} {part.item():.3g}" for name, part in losses.items())
            raise ValueError(
                f"the loss is {loss.item()} at step {step + 1} ({parts}): lower RATE, now {RATE}"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(net)
        if (step + 1) % SAID_EVERY == 0:
            print(f"step {step + 1} of {settings.steps}: loss {loss.item():.4f}", flush=True)
    return average.module.eval()


@torch.inference_mode()
def cells(image: AnnotatedImage, net: nn.Module, device: torch.device, *, min_size: int) -> Labels:
    """Find the cells of an image; `net(images)` returns a dict of masks and scores for each."""
    (answer,) = net([as_input(torch.from_numpy(image.image)).to(device)])
    scores, masks = (answer[name].float().cpu().numpy() for name in ("scores", "masks"))
    return as_labels(masks, scores, image.labels.shape, min_size=min_size)


def import_torchvision(device: torch.device) -> str:
    """Return the version of torchvision; SystemExit in one line if it does not work here."""
    remedy = (
        f"install the torchvision that belongs to torch {torch.__version__}, "
        "see https://pytorch.org/get-started"
    )
    one_box = torch.tensor([[0.0, 0.0, 1.0, 1.0]], device=device)
    try:
        is_ours = stand_in()
        import torchvision
        from torchvision.ops import boxes

        boxes.nms(one_box, torch.ones(1, device=device), 0.5)
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"Mask R-CNN needs {error.name}, which is not installed: {remedy}"
        ) from error
    except Exception as error:  # a build for another torch, or for no GPU, raises anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SystemExit(
            f"torchvision does not work on {device} with this torch ({reason}): {remedy}"
        ) from error
    return f"{torchvision.__version__}{' with operators in plain torch' if is_ours else ''}"


def build(seed: int, recipe: Recipe) -> nn.Module:
    """Build torchvision's Mask R-CNN for one class of objects, without rescaling of images."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
    from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    class SameSize(GeneralizedRCNNTransform):
        def resize(self, image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
            return image, target

    torch.manual_seed(seed)
    weights = MaskRCNN_ResNet50_FPN_Weights.DEFAULT if recipe.pretrained else None
    net = maskrcnn_resnet50_fpn(
        weights=weights,
        weights_backbone=None,
        num_classes=None if recipe.pretrained else 2,
        rpn_anchor_generator=AnchorGenerator(
            tuple((size,) for size in ANCHORS), ((0.5, 1.0, 2.0),) * len(ANCHORS)
        ),
        box_score_thresh=SCORE,  # those below would be dropped later
        box_detections_per_img=DETECTIONS,
        box_batch_size_per_image=recipe.regions or REGIONS,
    )
    heads = net.roi_heads
    if recipe.pretrained:
        heads.box_predictor = FastRCNNPredictor(heads.box_predictor.cls_score.in_features, 2)
        heads.mask_predictor = MaskRCNNPredictor(
            heads.mask_predictor.conv5_mask.in_channels, 256, 2
        )
    net.backbone, net.rpn.head = LowPrecision(net.backbone), LowPrecision(net.rpn.head)
    heads.box_head, heads.mask_head = LowPrecision(heads.box_head), LowPrecision(heads.mask_head)
    usual = net.transform
    net.transform = SameSize(usual.min_size, usual.max_size, usual.image_mean, usual.image_std)
    return net


def train_network(
    study: Study, name: str, seed: int, results: Results, build: Build, *, recipe: Recipe
) -> nn.Module:
    """Return a network with the weights that are in `study.runs`; train it if there are none."""
    data, device = study.data_set(name), choose_device(study.device)
    path = study.runs / f"{name}-mask_rcnn-{recipe.slug}-{seed}-{results.made_by}.pt"
    net = build()
    if path.exists():
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return net.to(device).eval()
    steps = recipe.steps or data.settings.steps
    settings = replace(data.settings, seed=seed, learning_rate=RATE, steps=steps)
    net = train(net, samples(data.training, settings), settings, device)
    with atomic_path(path) as temporary:
        torch.save(net.state_dict(), temporary)
    return net


def instances(
    study: Study, name: str, seed: int, build: Build, *, recipe: Recipe, version: str
) -> dict[str, Any]:
    """Return scores of the test images, measured if they are not there."""
    results = study.results_of("mask_rcnn", name)

    def measure() -> dict[str, list[float]]:
        data, device = study.data_set(name), choose_device(study.device)
        net = train_network(study, name, seed, results, build, recipe=recipe)
        labels = [cells(image, net, device, min_size=data.settings.min_size) for image in data.test]
        return measures.scores(data.test, labels)

    machine = f"{study.machine}, torchvision {version}"
    return results.get(f"{recipe}/{seed}", measure, machine=machine)


def with_thesis(results: Path, name: str) -> Units:
    """Read the measurements of Mask R-CNN on a data set, and those of the other systems."""
    own, others = (Units.read(results, kind, name).content for kind in ("mask_rcnn", "instances"))
    return Units({**others, **own}).with_balanced(results, name)


def recipes(results: Path, name: str) -> list[str]:
    """List the recipes that were measured on a data set."""
    units = Units.read(results, "mask_rcnn", name)
    return sorted({key.rpartition("/")[0] for key in units.content})


def claims(results: Path, name: str) -> list[list[Claim]]:
    """Judge for each recipe that the systems of chapter 4 are better than Mask R-CNN."""
    units = with_thesis(results, name)
    systems = {system: loss for system, loss in SHOWN.items() if units.of(loss)}

    def against(recipe: str) -> list[Claim]:
        return [
            units.above(f"{system} by WT > Mask R-CNN ({recipe})", (loss, "WT"), (recipe,))
            for system, loss in systems.items()
        ]

    return [against(recipe) for recipe in recipes(results, name)]


def draw(study: Study, name: str, net: nn.Module, path: Path) -> None:
    """Draw the first test images: true outlines above those of the instances."""
    data, device = study.data_set(name), choose_device(study.device)
    images = data.test[:DRAWN]
    figure = Figure(figsize=(3.4 * len(images), 7.4), layout="constrained")
    panels = figure.subplots(2, len(images), squeeze=False)
    for (above, below), image in zip(panels.T, images, strict=True):
        predicted = cells(image, net, device, min_size=data.settings.min_size)
        counts = match(image.labels, predicted)
        for panel, labels in ((above, image.labels), (below, predicted)):
            panel.imshow(overlay(image.image, labels), interpolation="nearest")
            panel.set_axis_off()
        above.set_title(f"truth, {counts.n_true} cells", fontsize=10)
        below.set_title(f"Mask R-CNN: {counts.tp} right, {counts.fp} false", fontsize=10)
    save(figure, path, study.results_of("mask_rcnn", name).provenance)


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    lines = []
    judged = []
    for name in SETS:
        units = Units.read(results, "mask_rcnn", name)
        for recipe in recipes(results, name):
            cells = [units.cell(recipe, metric=metric) for metric in METRICS]
            lines.append([f"{name}, first weights {recipe}", *cells])
        judged += claims(results, name)
    if not lines:
        return ""
    return f"{markdown_table(['', *METRICS], lines)}\n{verdict_table(*judged)}"


def main() -> None:
    """Measure what is missing."""
    photographs = "begin with weights learned from photographs, which torchvision downloads"
    options = {
        "--pretrained": {"action": "store_true", "help": photographs},
        "--steps": {"type": positive, "help": "of the training (default: the protocol's)"},
        "--regions": {
            "type": positive,
            "help": f"of each crop that the heads learn from (default: {REGIONS})",
        },
        "--pictures": {"type": Path, "help": "folder: draw the first test images there"},
    }
    study, arguments = Study.from_command(__doc__, sets=SETS, options=options)
    version = import_torchvision(choose_device(study.device))
    recipe = Recipe(arguments.pretrained, arguments.steps, arguments.regions)
    for seed in arguments.seeds:
        for name in arguments.sets:
            network = partial(build, seed, recipe)
            instances(study, name, seed, network, recipe=recipe, version=version)
            if arguments.pictures:
                results = study.results_of("mask_rcnn", name)
                net = train_network(study, name, seed, results, network, recipe=recipe)
                draw(study, name, net, arguments.pictures / f"mask_rcnn-{name}.png")


if __name__ == "__main__":
    command(main)
