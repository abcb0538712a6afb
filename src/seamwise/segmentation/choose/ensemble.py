"""Several trained models as one that averages them; see `combine`."""

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
    """Write one model file whose probabilities are the mean over several models.

    The members may be runs with different losses (the thesis' COMB), runs with different seeds, or
    snapshots of one run. `load`, `segment` and `tune` treat the file like any other. It takes as
    long as all members together.

    Parameters
    ----------
    models : sequence of str or Path
        Two or more model files, or names of shipped models. Their architecture, classes, channels
        and normalisation must agree.
    output : Path
        The model file; an existing file is replaced by a complete one only.

    Returns
    -------
    SegmentationInfo
        The description of the new model. It decodes by arg max, with `gap`, `min_size` and
        `min_core` of the first member. Tuned thresholds are dropped: they fit the probabilities of
        one member, not the mean. The pixel size is kept if all members agree on it.

    Raises
    ------
    ValueError
        Fewer than two models, a member that is itself a combination, or models that differ; the
        message names the first difference. A damaged file. An `output` that is a member, ships with
        seamwise or is not a .safetensors file.
    FileNotFoundError
        A model does not exist.

    Notes
    -----
    Source: thesis section 4.3, COMB; `nets.Average` explains why there is no second softmax.
    """
    if len(models) < 2:
        raise ValueError(f"models must be two or more, not {len(models)}: add some")
    paths = [model_path(model) for model in models]
    check_model_output(output, members=paths)
    members = [(path, *load_model(path, SegmentationInfo)) for path in paths]
    _check_agreement(members)
    weights = {
        f"members.{number}.{name}": tensor
        for number, (_, tensors, _) in enumerate(members)
        for name, tensor in tensors.items()
    }
    first = members[0][2]
    agree = all(other.spacing == first.spacing for _, _, other in members)
    info = first.model_copy(
        update={
            "architecture": first.architecture.model_copy(update={"members": len(members)}),
            "spacing": first.spacing if agree else None,
            # the mean is less sure than its members
            "fit": None,
            "activations": None,
            # thresholds that were tuned on one model are not those of several
            "decode": _without_thresholds(first.decode),
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


def _without_thresholds(rule: DecodeRule) -> DecodeRule:
    """Return the rule without tuned thresholds; those of a relief belong to the training."""
    default = rule.rule if rule.is_guided else "argmax"
    return rule.model_copy(update={"rule": default, "threshold": None, "watershed": None})


def _check_agreement(members: Sequence[Member]) -> None:
    path, _, info = members[0]
    reference = _must_agree(info)
    for other_path, _, other in members:
        if other.architecture.name != "unet":
            raise ValueError(
                f"{other_path} is a network of another program: give models of seamwise"
            )
        if other.architecture.members > 1:
            raise ValueError(
                f"{other_path} is itself a combination of {other.architecture.members} models: "
                "give its members instead"
            )
        for name, value in _must_agree(other).items():
            if value != reference[name]:
                raise ValueError(
                    f"{other_path} does not fit {path}: its {name} is {value}, "
                    f"not {reference[name]}; choose models that agree"
                )


def _must_agree(info: SegmentationInfo) -> dict[str, Any]:
    return {
        "classes": ", ".join(info.classes),
        **info.architecture.model_dump(),
        "channels": info.channels,
        "normalization": info.normalization.model_dump(),
        "zoom": info.zoom,
        "isotropic": info.isotropic,
    }
