"""Train the network that fuses bursts; see `train_burst`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from seamwise.engine.loop import Report, check_output, fit, has_checkpoint, run_identity
from seamwise.fusion.bands import full_scores, split, weighted
from seamwise.fusion.burst_data import BurstSamples
from seamwise.fusion.data import SegmentedPicture, pictures_sha256
from seamwise.fusion.first_weights import start_record
from seamwise.fusion.predict import Model
from seamwise.fusion.settings import BurstSettings
from seamwise.io.models import Architecture, FusionInfo, load_model, model_path
from seamwise.nets.burst_graph import BANDS

_GREY = (0.299, 0.587, 0.114)
_LEAST_ERROR = 2e-6  # 57 dB: better than that is not worth more
_VALIDATED = 24


def train_burst(
    training: Sequence[SegmentedPicture],
    validation: Sequence[SegmentedPicture],
    settings: BurstSettings,
    *,
    output: Path,
    resume: bool = False,
    device: str = "auto",
    report: Report = lambda progress: None,
) -> Path:
    """Train `nets.BurstNet` on bursts of scenes that are made from sharp pictures.

    The loss is 10·log₁₀(MSE + 2e-6), mean over the bursts: minus the PSNR. The model, its log and
    its checkpoint are written to a folder; the model kept is the one with the highest PSNR on 24
    fixed bursts.

    Parameters
    ----------
    training, validation : sequence of SegmentedPicture
        As listed by `data.find_pictures`; their segments are not used.
    settings : BurstSettings
    output, resume, device, report
        See `engine.loop.fit`.

    Returns
    -------
    Path
        The model file; it does not exist yet if `report` stopped the run before the first
        validation.

    Raises
    ------
    ValueError
        There are no pictures; the checkpoint belongs to other settings, pictures or another start;
        the weights of `settings.start` do not fit; the loss stops being finite.
    FileExistsError, FileNotFoundError
        The folder holds a run already, or nothing to resume from.
    """
    if not training or not validation:
        raise ValueError(
            f"{len(training)} training and {len(validation)} validation pictures: "
            "give at least one of each"
        )
    check_output(output, resume=resume)
    info = FusionInfo(
        architecture=Architecture(
            name="burst", in_channels=1, out_channels=BANDS, width=settings.width
        ),
        output="scores",
        training={
            "settings": run_identity(settings),
            "images": [picture.name for picture in training],
            "validation_images": [picture.name for picture in validation],
            "data_sha256": pictures_sha256([*training, *validation]),
            **start_record(settings.start),
        },
    )
    start = None
    if settings.start is not None and not (resume and has_checkpoint(output)):
        start = _first_weights(settings.start, info)
    return fit(
        _BurstTask(info, settings, BurstSamples(training, settings), _fixed(validation)),
        settings,
        output=output,
        resume=resume,
        device=device,
        report=report,
        start=start,
    )


def _first_weights(start: str, info: FusionInfo) -> dict[str, Tensor]:
    """Read the weights of a model that fits the network to be trained."""
    weights, other = load_model(model_path(start, FusionInfo), FusionInfo)
    if other.architecture != info.architecture:
        raise ValueError(
            f"start must be a network with {info.architecture}, not {start}, which has "
            f"{other.architecture}: give width its value, or remove start"
        )
    return weights


def burst_picture(net: Callable[[Tensor], Any], frames: Tensor, gains: Tensor) -> Tensor:
    """Fuse whole bursts `(N, n, 3, Y, X)` as the training does: `(N, 3, Y, X)`.

    Parameters
    ----------
    net : BurstNet
    frames : Tensor
    gains : (N, n) Tensor
        Factors of the brightness that the network sees.
    """
    count = frames.shape[1]
    grey = torch.einsum("bnchw,c->bnhw", frames, frames.new_tensor(_GREY)).unsqueeze(2)
    grey = grey * gains[:, :, None, None, None]
    half = _by_burst(avg_pool2d(grey.flatten(0, 1), 2), count)
    spread = half.std((1, 2, 3, 4), keepdim=True, unbiased=False).repeat_interleave(count, 0)
    scores = [score.flatten(0, 1).float() for score in net(grey)]
    scores = full_scores(scores, grey.flatten(0, 1), spread[:, 0])
    bands = split(frames.flatten(0, 1), BANDS)
    return weighted(
        [_by_burst(band, count) for band in bands], [_by_burst(score, count) for score in scores]
    )


def _by_burst(x: Tensor, count: int) -> Tensor:
    return x.reshape(-1, count, *x.shape[1:])


@dataclass(frozen=True)
class _BurstTask:
    """The `Task` of `engine.loop`: one picture of many."""

    info: FusionInfo
    settings: BurstSettings
    training: BurstSamples
    validation: Sequence[tuple[Tensor, ...]]

    def samples(self) -> BurstSamples:
        return self.training

    def loss(self, net: Callable[[Tensor], Any], batch: Sequence[Tensor]) -> Tensor:
        frames, truth, gains = batch
        error = (burst_picture(net, frames, gains) - truth).square().mean((1, 2, 3))
        return 10 * torch.log10(error + _LEAST_ERROR).mean()

    @torch.inference_mode()
    def validate(self, model: Model) -> Mapping[str, float]:
        """Mean PSNR against the sharp scenes."""
        scores = []
        for frames, truth, gains in self.validation:
            frames, truth, gains = (x.to(model.device) for x in (frames, truth, gains))
            picture = burst_picture(model.net, frames[None], gains[None])[0].clamp(0, 1)
            scores.append(-10 * float(torch.log10((picture - truth).square().mean())))
        return {"psnr": float(np.mean(scores))}


def _fixed(pictures: Sequence[SegmentedPicture]) -> list[tuple[Tensor, ...]]:
    """Always the same bursts, of 2 to 30 frames."""
    samples = BurstSamples(pictures, BurstSettings(seed=2**32, steps=_VALIDATED, batch_size=1))
    return [samples[number] for number in range(_VALIDATED)]
