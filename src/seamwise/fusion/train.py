"""Train a fusion network for pairs; see `train`."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from seamwise.engine.loop import Report, check_output, fit, has_checkpoint, run_identity
from seamwise.fusion.bands import PAIR_BANDS
from seamwise.fusion.bands_loss import BandsLoss
from seamwise.fusion.data import FocusSamples, SegmentedPicture, make_pair, pictures_sha256
from seamwise.fusion.first_weights import start_record
from seamwise.fusion.predict import Model, fuse_pair, load
from seamwise.fusion.settings import FusionSettings
from seamwise.io.models import Architecture, FusionInfo, load_model, model_path
from seamwise.io.photo import photo_info
from seamwise.losses import (
    cross_entropy,
    gradient,
    huber,
    intensity_bounds,
    l1,
    l2,
    nps,
    perceptual,
)
from seamwise.losses import ssim as ssim_loss
from seamwise.losses.perceptual import Features
from seamwise.metrics.fusion import psnr, ssim
from seamwise.nets import UNet, tie_halves
from seamwise.nets.average import Network
from seamwise.synth.focus import FocusPair
from seamwise.words import FusionLoss

_COLOURS = 3
_OF_SOURCE = 1 + PAIR_BANDS  # logits of a network for bands: one that decides, one for each band
_OUTPUTS = {"selection": 2, "bands": 2 * _OF_SOURCE, "picture": _COLOURS}
MOST_VALIDATED = 64


def train(
    training: Sequence[SegmentedPicture],
    validation: Sequence[SegmentedPicture],
    settings: FusionSettings,
    *,
    output: Path,
    resume: bool = False,
    device: str = "auto",
    report: Report = lambda progress: None,
    features: Features | None = None,
) -> Path:
    """Train a fusion network on pairs made from sharp pictures.

    The model, its log and its checkpoint are written to a folder.

    Both orders of each pair, (x_A, x_B) and (x_B, x_A), are in the same batch, so that the network
    learns not to depend on the order (thesis section 6.2.3); with `settings.symmetric` it cannot
    depend on it. A symmetric network for "bands" starts with tied weights and sees one order.

    Parameters
    ----------
    training, validation : sequence of SegmentedPicture
        As listed by `data.find_pictures`.
    settings : FusionSettings
    output, resume, device, report
        See `engine.loop.fit`. The model kept is the one with the highest mean PSNR on one fixed
        pair from each validation picture, of up to 64 pictures spread over them.
    features : callable, optional
        The frozen network of the loss "perceptual": see `losses.perceptual`. A module is moved to
        the device. Resume with the same one: the weights of a module are compared, of another
        function its name.

    Returns
    -------
    Path
        The model file; it does not exist yet if `report` stopped the run before the first
        validation.

    Raises
    ------
    ValueError
        There are no pictures, or one is not a photograph in grey or RGB; the checkpoint belongs to
        other settings, pictures or another start; the weights of `settings.start` do not fit; the
        loss stops being finite; the loss "perceptual" lacks its network, or another loss has one.
    FileExistsError, FileNotFoundError
        The folder holds a run already, or nothing to resume from; `settings.start` is missing,
        which a resumed run needs for network "bands" alone.
    """
    if not training or not validation:
        raise ValueError(
            f"{len(training)} training and {len(validation)} validation pictures: "
            "give at least one of each"
        )
    has_perceptual = "perceptual" in settings.losses
    if has_perceptual != (features is not None):
        raise ValueError(
            "the loss perceptual needs a feature network: call seamwise.fusion.train from Python "
            "with features="
            if has_perceptual
            else "features are for the loss perceptual, which is not among the losses"
        )
    check_output(output, resume=resume)
    for picture in (*training, *validation):
        photo_info(picture.image)  # fails now, not in the middle of the run
    info = _describe(settings, training, validation, features)
    goes_on, is_of_bands = resume and has_checkpoint(output), settings.network == "bands"
    start = None
    if settings.start is not None and (is_of_bands or not goes_on):
        start = _first_weights(settings.start, info)
    bands_loss = None
    if is_of_bands:
        decisions = load(cast(str, settings.start), device=device, runtime="torch")
        bands_loss = BandsLoss(decisions)
        softness = {name: getattr(decisions.info, name) for name in ("temperature", "smoothing")}
        info = info.model_copy(update=softness)
    return fit(
        _FusionTask(info, settings, training, validation, features, bands_loss),
        settings,
        output=output,
        resume=resume,
        device=device,
        report=report,
        constrain=_constraint(settings),
        start=None if goes_on else start,
    )


def _first_weights(start: str, info: FusionInfo) -> dict[str, Tensor]:
    """Read the weights of a model that fits the network to be trained."""
    weights, other = load_model(model_path(start, FusionInfo), FusionInfo)
    output, net = info.output, info.architecture
    if output == "bands":
        output, net = "selection", net.model_copy(update={"out_channels": _OUTPUTS["selection"]})
    if (other.architecture, other.output) != (net, output):
        raise ValueError(
            f"start must be a network for a {output} with {net}, not {start}, "
            f"which is one for a {other.output} with {other.architecture}: "
            "give network, width, depth and norm their values, or another start"
        )
    is_tied = other.training.get("settings", {}).get("symmetric")
    if info.training["settings"]["symmetric"] and not is_tied:
        raise ValueError(
            f"start must have tied weights, and {start} has not: "
            "set symmetric = false, or give another start"
        )
    if info.output == "bands":
        for name in ("head.weight", "head.bias"):  # all logits of a source are alike at first
            weights[name] = weights[name].repeat_interleave(_OF_SOURCE, 0)
    return weights


def _constraint(settings: FusionSettings) -> Callable[[Network], None] | None:
    """What keeps the network from preferring a source; an `Average` is not trained."""
    if not settings.symmetric:
        return None
    return lambda net: tie_halves(cast(UNet, net), mean=settings.has_one_order)


def fixed_pairs(
    pictures: Sequence[SegmentedPicture], settings: FusionSettings
) -> Iterator[FocusPair]:
    """Yield one pair of each whole picture, always the same, without noise: to compare models."""
    simulation = replace(
        settings.simulation, noise=0.0, brightness=0.0, scale=0.0, gamma=0.0, grey=0.0
    )
    for number, picture in enumerate(pictures):
        yield make_pair(
            picture, crop=None, simulation=simulation, rng=np.random.default_rng(number)
        )


@dataclass(frozen=True)
class _FusionTask:
    """The `Task` of `engine.loop`: one picture of two."""

    info: FusionInfo
    settings: FusionSettings
    training: Sequence[SegmentedPicture]
    validation: Sequence[SegmentedPicture]
    features: Features | None = None
    bands_loss: BandsLoss | None = None

    def samples(self) -> FocusSamples:
        settings = self.settings
        return FocusSamples(
            self.training,
            seed=settings.seed,
            steps=settings.steps,
            batch_size=settings.batch_size,
            crop=settings.crop,
            simulation=settings.simulation,
            sampling=settings.sampling,
        )

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        first, second, truth, mask = batch
        if not self.settings.has_one_order:
            first, second = torch.cat([first, second]), torch.cat([second, first])
            truth, mask = torch.cat([truth, truth]), torch.cat([mask, 1 - mask])
        prediction = net(torch.cat([first, second], 1))
        if self.settings.network == "picture":
            if isinstance(self.features, nn.Module):
                self.features.to(prediction.device)
            return regression_loss(prediction, truth, self.settings, features=self.features)
        if self.bands_loss is not None:
            return self.bands_loss(prediction.float(), first, second, truth)
        # channel i is the probability of source i: source 1 where the mask says that source 0 is
        # blurred
        loss = cross_entropy(prediction, mask)
        if self.settings.picture_weight == 0:
            return loss
        picture = torch.lerp(second, first, prediction.float().softmax(1)[:, :1])
        return loss + self.settings.picture_weight * nps(
            picture, truth, alpha=self.settings.alpha, bounds=False
        )

    def validate(self, model: Model) -> Mapping[str, float]:
        """Mean PSNR and SSIM against the sharp pictures."""
        scores = []
        for pair in fixed_pairs(_thin_out(self.validation), self.settings):
            image = 255 * np.clip(fuse_pair(pair.a, pair.b, model=model).image, 0, 1)
            truth = 255 * pair.truth
            scores.append((psnr(image, truth), ssim(image, truth)))
        means = np.mean(scores, axis=0)
        return {"psnr": float(means[0]), "ssim": float(means[1])}


def _thin_out(pictures: Sequence[SegmentedPicture]) -> Sequence[SegmentedPicture]:
    """Every n-th picture, so that a validation takes seconds also for a large data set."""
    return pictures[:: -(-len(pictures) // MOST_VALIDATED)]


def regression_loss(
    prediction: Tensor,
    truth: Tensor,
    settings: FusionSettings,
    *,
    features: Features | None = None,
) -> Tensor:
    """Return the loss of thesis (6.4): φ, added losses times their weights, and the bounds.

    NPS, L1, L2, Huber's and the gradient loss are summed over the channels and averaged over the
    pixels. `features` is the network of the perceptual loss.
    """
    terms = [
        weight * _distance(name, prediction, truth, settings, features)
        for name, weight in settings.losses.items()
    ]
    total = torch.stack(terms).sum()
    return total + intensity_bounds(prediction, truth) if settings.bounds else total


def _distance(
    name: FusionLoss,
    prediction: Tensor,
    truth: Tensor,
    settings: FusionSettings,
    features: Features | None,
) -> Tensor:
    channels = prediction.shape[1]
    match name:
        case "nps":
            return nps(prediction, truth, alpha=settings.alpha, bounds=False)
        case "l1":
            return channels * l1(prediction, truth)
        case "l2":
            return channels * l2(prediction, truth)
        case "huber":
            return channels * huber(prediction, truth, delta=settings.delta)
        case "gradient":
            return channels * gradient(prediction, truth)
        case "ssim":
            return ssim_loss(prediction, truth)
        case "perceptual":
            return perceptual(prediction, truth, features=cast(Features, features))


def _describe(
    settings: FusionSettings,
    training: Sequence[SegmentedPicture],
    validation: Sequence[SegmentedPicture],
    features: Features | None,
) -> FusionInfo:
    features_record = {} if features is None else {"features_sha256": _features_sha256(features)}
    return FusionInfo(
        architecture=Architecture(
            in_channels=2 * _COLOURS,
            out_channels=_OUTPUTS[settings.network],
            width=settings.width,
            depth=settings.depth,
            norm=settings.norm,
        ),
        output=settings.network,
        training={
            "settings": run_identity(settings),
            "images": [picture.name for picture in training],
            "validation_images": [picture.name for picture in validation],
            "data_sha256": pictures_sha256([*training, *validation]),
            **features_record,
            **start_record(settings.start),
        },
    )


def _features_sha256(features: Features) -> str:
    """SHA-256 of a network's weights; of the name of a function."""
    digest = hashlib.sha256()
    if isinstance(features, nn.Module):
        for name, weights in features.state_dict().items():
            digest.update(name.encode())
            digest.update(_bytes(weights))
    else:
        digest.update(getattr(features, "__qualname__", type(features).__qualname__).encode())
    return digest.hexdigest()


def _bytes(weights: torch.Tensor) -> bytes:
    """The bytes of an array in any type, also one that NumPy lacks."""
    return weights.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
