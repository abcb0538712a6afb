r"""Train the models that ship as `nuclei-3d` and `walls-3d`.

python recipes/stacks_3d.py nuclei -o runs/nuclei-3d --start nuclei-2d
python recipes/stacks_3d.py nuclei -o runs/nuclei-3d-real --start runs/nuclei-3d/model.safetensors \
    --real STACK.tif MASK.tif 0.284,0.127,0.127 --steps 60 --learning-rate 3e-4

The first run sees simulated stacks only, the second one real stacks too. A network for planes may
be the start of one for stacks. Resume an interrupted run with --resume.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from torch.utils.data import Dataset

from drawn_stacks import DRAWINGS
from guided import loss, show
from seamwise.engine import RunSettings, fit, run_identity
from seamwise.io import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    ReliefPair,
    SegmentationInfo,
    atomic_path,
    load_model,
    model_path,
    read_image,
    read_labels,
)
from seamwise.labels import Labels, relabel, semantic_target
from seamwise.metrics import match_dataset
from seamwise.segmentation import (
    Model,
    cell_diameters,
    compress_intensities,
    magnified_shape,
    normalization,
    resample,
    segment_normalized,
)
from seamwise.weights import pieces
from stack_crops import CROP, STRONG, VARY, WEAK, Stack, empty, random_crop

Kind = Literal["nuclei", "walls"]
ALONG = (0.2, 0.6, 0.2)  # what a kernel of a plane becomes along z
DEPTH = {"nuclei": 4, "walls": 3}
RULES = {"nuclei": NormalizationRule(kind="contrast"), "walls": NormalizationRule()}
SIZES: dict[str, Any] = {"min_core": 10, "gap": "second"}
NUCLEI = ReliefPair(foreground=0.6, core=0.35, peak=0.5, saddle=0.8)
WALLS = ReliefPair(foreground=0.5, peak=0.15, saddle=0.8)
DECODES = {
    "nuclei": DecodeRule(rule="relief", relief=NUCLEI, min_size=15, **SIZES),
    "walls": DecodeRule(relief=WALLS, min_size=30, **SIZES),
}
ZOOM = 0.5  # cells of 14 to 48 pixels are 7 to 24 voxels in the network
EMPTY = {"nuclei": 0.03, "walls": 0.0}  # share of the crops
TRAINING, SELECTION = (*range(64), *range(300, 436), *range(500, 900)), range(100, 102)


def resampled(image: NDArray[np.float32], factors: Sequence[float]) -> NDArray[np.float32]:
    """Magnify `(*S)` along each axis."""
    stack = image[np.newaxis, np.newaxis]
    return resample(stack, magnified_shape(image.shape, factors))[0, 0]


def nearest(labels: Labels, factors: Sequence[float]) -> NDArray[np.int32]:
    """Magnify labels `(*S)` along each axis."""
    places = [
        ((np.arange(length) + 0.5) * n / length).astype(int)
        for n, length in zip(labels.shape, magnified_shape(labels.shape, factors), strict=True)
    ]
    return labels[np.ix_(*places)].astype(np.int32)


def source(image: NDArray[Any], labels: Labels, factors: Sequence[float], kind: Kind) -> Stack:
    """What is drawn from a stack: normalised, and magnified to the network's voxels."""
    values = normalization(image[np.newaxis], RULES[kind])(image[np.newaxis])[0]
    if kind == "nuclei":
        values = np.sinh(2 * values) / 2
    labels = nearest(labels, factors)
    return Stack(resampled(values.astype(np.float32), factors), labels)


def simulated(kind: Kind, seeds: Sequence[int], folder: Path) -> list[Stack]:
    """Simulated stacks; they are drawn once, and kept in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for seed in seeds:
        path = folder / f"{kind}-{seed}.npz"
        if not path.exists():
            drawn, step = DRAWINGS[kind](seed)
            with atomic_path(path) as temporary:
                np.savez_compressed(temporary, image=drawn.image, labels=drawn.labels, step=step)
        with np.load(path) as stored:
            step = float(stored["step"])
            sources.append(source(stored["image"], stored["labels"], (step, 1, 1), kind))
    return sources


def real(
    image: Path, labels: Path, spacing: str, *, kind: Kind, zoom: float, share: float
) -> tuple[Stack, Stack]:
    """The parts of a real stack for training (a share of its rows) and for the report."""
    z, y, x = (float(part) for part in spacing.split(","))
    factors = (zoom * z / x, zoom * y / x, zoom)
    whole = source(read_image(image).data, read_labels(labels), factors, kind)
    rows = round(share * whole.labels.shape[1])
    return part_of(whole, slice(rows)), part_of(whole, slice(rows, None))


def part_of(whole: Stack, rows: slice) -> Stack:
    """Some rows of a source."""
    labels = relabel(whole.labels[:, rows]).astype(np.int32)
    return Stack(np.ascontiguousarray(whole.image[:, rows]), labels)


class Samples(Dataset[tuple[Tensor, ...]]):
    """Image, target, weight and guides, each a pure function of (seed, step, index)."""

    def __init__(
        self,
        sources: Sequence[Stack],
        reals: Sequence[Stack] = (),
        *,
        kind: Kind,
        settings: RunSettings,
        share: float = 0.5,
    ) -> None:
        self.sources, self.reals, self.kind, self.settings = sources, reals, kind, settings
        self.share = share

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        step, index = divmod(number, self.settings.batch_size)
        rng = np.random.default_rng((self.settings.seed, step, index))
        changes = STRONG if step < 0.7 * self.settings.steps else WEAK
        pool = self.reals if self.reals and rng.random() < self.share else self.sources
        chosen = pool[int(rng.integers(len(pool)))]
        if EMPTY[self.kind] and rng.random() < EMPTY[self.kind]:
            image, labels = empty(rng, self.kind)
            guides = np.zeros((4, *CROP), np.float32)
        else:
            image, labels, guides = random_crop(chosen, changes, rng)
        image = VARY[self.kind](image, changes, rng)
        target = semantic_target(labels, classes=4, touching_radius=1, gap_radius=2)
        weight = pieces(labels, target)
        arrays = (image[np.newaxis], target, weight, guides)
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def hills(relief: Tensor, truth: Tensor) -> Tensor:
    """Distance of the relief from the true one in the cells, which are little of a stack."""
    cell = truth > 0
    distance = smooth_l1_loss(relief.float(), truth, beta=0.1, reduction="none")
    return (distance * cell).sum() / cell.sum().clamp(min=1)


@dataclass(frozen=True)
class Stacks:
    """A `Task`: classes and guides of cells in stacks."""

    info: SegmentationInfo
    settings: RunSettings
    kind: Kind
    sources: Sequence[Stack]
    reals: Sequence[Stack]
    selection: Sequence[Stack]
    share: float = 0.5  # of the crops, where there are real stacks

    def samples(self) -> Samples:
        """Samples of all steps."""
        return Samples(
            self.sources, self.reals, kind=self.kind, settings=self.settings, share=self.share
        )

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        """Loss of a batch."""
        image, target, weight, guides = batch
        output = net(image.contiguous(memory_format=torch.channels_last_3d))
        return loss(output, target, weight, guides) + hills(output[:, 4], guides[:, 0])

    def validate(self, model: Model) -> Mapping[str, float]:
        """Mean AP and pooled PQ of the selection stacks, in the network's voxels."""
        bend = compress_intensities if self.kind == "nuclei" else np.asarray
        # the stacks are magnified already
        info = model.info.model_copy(update={"zoom": 1.0, "isotropic": False})
        model = replace(model, info=info)
        pairs = (
            (stack.labels, segment_normalized(bend(stack.image)[np.newaxis], model))
            for stack in self.selection
        )
        scores = match_dataset(pairs, ious=(0.5, 0.7))
        names = {f"ap{100 * mean.iou:.0f}": mean.accuracy for mean in scores.mean}
        return {**names, "pq": scores.pooled[0].panoptic_quality}


def first_weights(start: str) -> dict[str, Tensor]:
    """Weights of an earlier model: one for planes is thickened, one without guides gets them."""
    weights, info = load_model(model_path(start), SegmentationInfo)
    weights = {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}
    if info.architecture.ndim == 2:
        weights = {name: thickened(w) if w.ndim == 4 else w for name, w in weights.items()}
    for name in ("head.weight", "head.bias"):
        head = weights[name]
        missing = torch.zeros(8 - len(head), *head.shape[1:])
        # the offset along z comes before the others
        weights[name] = torch.cat([head[:5], missing, head[5:]])
    return weights


def thickened(kernel: Tensor) -> Tensor:
    """A kernel `(O, I, Y, X)` with a third axis, smooth along z: (O, I, Z, Y, X)."""
    along = ALONG if kernel.shape[-1] == 3 else (1.0,)
    return torch.stack([share * kernel for share in along], 2)


def settings_of(options: argparse.Namespace) -> RunSettings:
    """Settings of a run."""
    return RunSettings(
        steps=options.steps,
        batch_size=2,
        optimizer="adamw",
        learning_rate=options.learning_rate,
        weight_decay=0.01,
        schedule="cosine",
        warmup=15,
        average=options.average,
        validate_every=options.validate_every,
        snapshot_every=options.validate_every,
        stored_as="float16",
    )


def information(
    kind: Kind, sources: Sequence[Stack], training: Mapping[str, Any], *, zoom: float = ZOOM
) -> SegmentationInfo:
    """Description of a model."""
    sizes = np.concatenate([np.bincount(stack.labels[stack.labels > 0])[1:] for stack in sources])
    return SegmentationInfo(
        architecture=Architecture(
            in_channels=1,
            out_channels=4,
            ndim=3,
            width=16,
            depth=DEPTH[kind],
            norm="batch",
            guides=True,
        ),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        zoom=zoom,
        isotropic=True,
        diameters=cell_diameters(sizes, 3),
        normalization=RULES[kind],
        decode=DECODES[kind],
        training=dict(training),
    )


def main() -> None:
    """Read the arguments, train, and write the model to the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("nuclei", "walls"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", help="name or file of the model to begin with")
    parser.add_argument(
        "--real", nargs=3, action="append", default=[], metavar=("STACK", "MASK", "Z,Y,X")
    )
    parser.add_argument("--share", type=float, default=0.5, help="of the crops, from real ones")
    parser.add_argument("--rows", type=float, default=0.6, help="share of the rows of a real one")
    parser.add_argument("--zoom", type=float, default=ZOOM, help="of real stacks")
    parser.add_argument("--simulated", type=Path, default=Path("runs/simulated"))
    parser.add_argument("--stacks", type=int, default=len(TRAINING), help="simulated ones")
    parser.add_argument("--steps", type=int, default=260)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.99, help="of the weights")
    parser.add_argument("--validate-every", type=int, default=65)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    kind: Kind = options.kind
    settings = settings_of(options)
    training = {
        "settings": run_identity(settings),
        "simulated": options.stacks,
        "real": [Path(image).name for image, _, _ in options.real],
        "start": Path(options.start).name if options.start else None,
    }
    parts = [
        real(Path(image), Path(mask), spacing, kind=kind, zoom=options.zoom, share=options.rows)
        for image, mask, spacing in options.real
    ]
    sources = simulated(kind, TRAINING[: options.stacks], options.simulated)
    task = Stacks(
        information(kind, sources, training, zoom=options.zoom),
        settings,
        kind,
        sources,
        [part for part, _ in parts],
        [part for _, part in parts if part.labels.size]
        or simulated(kind, SELECTION, options.simulated),
        options.share,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    start = first_weights(options.start) if options.start and not options.resume else None
    fit(task, settings, output=options.output, resume=options.resume, report=show, start=start)


if __name__ == "__main__":
    main()
