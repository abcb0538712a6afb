"""Combine trained models into one that averages them; see `combine`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from seamwise.io.models import (
    DecodeRule,
    SegmentationInfo,
    check_model_output,
    load_model,
    model_path,
    save_model,
)

Member = tuple[Path, dict[str, Tensor], SegmentationInfo]


def combine(models: Sequence[str | Path], output: Path) -> SegmentationInfo:
    """Write one model file whose probabilities are the mean of those of several models.

    The members may be runs with different losses (the thesis' COMB), different seeds, or snapshots of one run. The
    file is used like any other: `load`, `segment` and `tune` know no difference. It takes as long as all
    members together.

    Parameters
    ----------
    models : sequence of str or Path
        Two or more model files, or names of shipped models, with the same architecture, classes, channels and
        normalisation.
    output : Path
        Replaced only by a complete file.

    Returns
    -------
    SegmentationInfo
        Its description. It decodes by arg max, with `gap`, `min_size` and `min_core` of the first model: thresholds
        tuned for a member fit its own probabilities and not the mean, so they are left out. The pixel size is
        that of the members if they agree.

    Raises
    ------
    ValueError
        Fewer than two models, one that is a combination already, or models that differ: the first difference
        is named. A damaged file; an `output` that is a member, ships with seamwise or is no .safetensors file.
    FileNotFoundError
        No such model.

    Notes
    -----
    Source: thesis section 4.3, COMB; see `nets.Average` for the softmax we leave out.
    """
    if len(models) < 2:
        raise ValueError(f"combine needs two models or more, got {len(models)}")
    paths = [model_path(model) for model in models]
    check_model_output(output, members=paths)
    members = [(path, *load_model(path, SegmentationInfo)) for path in paths]
    _check_same(members)
    weights = {
        f"members.{number}.{name}": tensor
        for number, (_, tensors, _) in enumerate(members)
        for name, tensor in tensors.items()
    }
    first = members[0][2]
    info = first.model_copy(
        update={
            "architecture": first.architecture.model_copy(update={"members": len(members)}),
            "spacing": first.spacing
            if all(other.spacing == first.spacing for _, _, other in members)
            else None,
            "decode": DecodeRule(
                gap=first.decode.gap, min_size=first.decode.min_size, min_core=first.decode.min_core
            ),
            "training": {
                "members": [
                    {"file": f"{path.absolute().parent.name}/{path.name}", **other.training}
                    for path, _, other in members
                ]
            },
        }
    )
    save_model(output, weights, info)
    return info


def _check_same(members: Sequence[Member]) -> None:
    path, _, info = members[0]
    wanted = _must_agree(info)
    for other_path, _, other in members:
        if other.architecture.members > 1:
            raise ValueError(
                f"{other_path} is itself a combination of {other.architecture.members} models: give those instead"
            )
        for name, value in _must_agree(other).items():
            if value != wanted[name]:
                raise ValueError(
                    f"{other_path} does not fit {path}: its {name} is {value}, not {wanted[name]}; "
                    "combine models trained with the same"
                )


def _must_agree(info: SegmentationInfo) -> dict[str, Any]:
    return {
        "classes": ", ".join(info.classes),
        **info.architecture.model_dump(),
        "channels": info.channels,
        "normalization": info.normalization.model_dump(),
    }
