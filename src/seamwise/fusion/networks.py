"""The networks that bursts need, and what a folder of pictures keeps of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from seamwise.engine.listener import Listener
from seamwise.engine.resources import Resources
from seamwise.engine.runtime_record import kept_runtime
from seamwise.fusion.jobs import FuseJob
from seamwise.fusion.methods import CLASSICAL, named_network, ready_method
from seamwise.fusion.options import FuseOptions
from seamwise.fusion.predict import Model
from seamwise.io.jsonfile import read_json
from seamwise.io.models import FusionInfo, model_path
from seamwise.io.provenance import Provenance, file_sha256
from seamwise.words import Precision, RuntimeRecord


def ready_models(
    jobs: Sequence[FuseJob], options: FuseOptions, resources: Resources
) -> dict[str | Path, Model | None]:
    """Return the networks that the bursts need, by name; None for a classical method."""
    models: dict[str | Path, Model | None] = {}
    # a burst of many frames may have two that can be read
    counts = {len(job.frames) for job in jobs} | ({2} if options.skip_bad else set())
    for count in sorted(counts):
        of_burst = options.of_burst(count)
        if of_burst.model not in models:
            model = None
            if of_burst.model not in CLASSICAL:
                model = named_network(
                    of_burst.model, device=resources.device, runtime=of_burst.runtime
                )
            ready_method(of_burst, resources, model=model)
            models[of_burst.model] = model
    return models


def as_recorded(options: FuseOptions, path: Path, listener: Listener) -> FuseOptions:
    """Return the options with the runtime of earlier pictures of a folder; "auto" is their
    one model.

    In version 0.1.0 the default model was `focus-seg`, for any number of frames.
    """
    if not path.exists():
        return options
    record, first_default = read_json(path), "focus-seg"
    sha256 = file_sha256(model_path(first_default, FusionInfo))
    has_one_model = not record.get("burst_model_sha256") and record.get("model_sha256") == sha256
    if options.model == "auto" and has_one_model:
        listener.announce(f"{path.parent} was begun with {first_default}, which is used again")
        options = replace(options, model=first_default)
    model = options.of_burst(2).model
    return replace(options, runtime=kept_runtime(options.runtime, record, model=model))


def runtime_name(models: Iterable[Model | None]) -> RuntimeRecord:
    """Return what computes the network for pairs, or the only one; torch if there is none.

    A network that scores frames is computed in float32, so its precision tells less.
    """
    names = [model.runtime.name for model in _pairs_first(models)]
    return names[0] if names else "torch"


def precision_of(models: Iterable[Model | None]) -> Precision | None:
    """Return the precision of the network for pairs, or of the only one; None if there is none."""
    precisions = [model.precision for model in _pairs_first(models)]
    return precisions[0] if precisions else None


def _pairs_first(models: Iterable[Model | None]) -> list[Model]:
    """The networks, that for pairs before the one that scores frames."""
    return sorted(filter(None, models), key=lambda model: model.info.output == "scores")


def provenance_of(
    options: FuseOptions, resources: Resources, precision: Precision | None
) -> Provenance:
    """Return what a picture depends on in addition to its frames."""
    if options.model in CLASSICAL:
        return options.provenance(None, resources)
    # a folder may get bursts of any number of frames
    of_pair, of_more = (
        file_sha256(model_path(options.of_burst(count).model, FusionInfo)) for count in (2, 3)
    )
    is_same = of_pair == of_more
    return options.provenance(
        of_pair,
        resources,
        burst_model_sha256=None if is_same else of_more,
        precision=precision,
    )
