"""Thresholds for probabilities that were computed before; see `tune_stored`."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamwise.io.errors import error_line
from seamwise.io.images import read_labels
from seamwise.io.models import DecodeRule
from seamwise.io.ome_zarr import is_ome_zarr
from seamwise.io.volume import open_volume
from seamwise.segmentation.choose.tune import StoredMaps, Trial, Tuning, tune_maps
from seamwise.segmentation.data import check_complete
from seamwise.segmentation.maps import maps_by_stem, read_probabilities
from seamwise.segmentation.measure import labels_by_stem
from seamwise.segmentation.rule_files import read_rule
from seamwise.types import AnyPath
from seamwise.words import BackgroundAs, TunedRule


def tune_stored(
    probabilities: AnyPath,
    masks: AnyPath,
    *,
    decode: TunedRule = "threshold",
    background_as: BackgroundAs = "marker",
    axes: str | None = None,
    report: Callable[[Trial], object] = lambda trial: None,
) -> Tuning:
    """Find the best pair of thresholds for stored probabilities, without a network.

    What `tune` does for a model, for the files that `segment_files`, nnU-Net or another program
    wrote. If `segment_files` stored one rule with all of them, that is what the pairs are compared
    with, and its sizes apply. Else they are compared with arg max, and cells of any size count.
    Rules that differ by their sizes alone, as for images of several pixel sizes, are several.

    Parameters
    ----------
    probabilities, masks : path
        Two files, or two folders whose files are paired by their stems. See `decode_files` for the
        kinds but series; without the class touching, its threshold does nothing. ``x_masks.tif``
        counts as x. Probabilities without a mask are not used.
    decode, background_as, report
        See `tune`.
    axes : str, optional
        Meaning of the axes of the probabilities, as in `read_image`.

    Raises
    ------
    ValueError
        A file holds no probabilities or another size than its mask; no mask has a
        cell; an unknown option.
    OSError
        A file does not exist, or a mask has no probabilities.
    """
    probabilities, masks = Path(probabilities), Path(masks)
    maps, truths = maps_by_stem([probabilities]), labels_by_stem(masks)
    if list(maps.values()) == [probabilities] and list(truths.values()) == [masks]:
        truths = dict.fromkeys(maps, masks)
    rule = common_rule(maps[name] for name in truths if name in maps) or DecodeRule()
    check_complete(truths, maps, f"masks in {masks} have no probabilities in {probabilities}")

    def read() -> Iterator[StoredMaps]:
        for name, truth in truths.items():
            probabilities = _probabilities(maps[name], axes, guides=rule.is_guided)
            yield StoredMaps(name, probabilities, read_labels(truth))

    return tune_maps(read(), rule, decode=decode, background_as=background_as, report=report)


def common_rule(maps: Iterable[Path]) -> DecodeRule | None:
    """Return the rule that is stored with probabilities, None if it is not the same for all."""
    rules = [read_rule(path) for path in maps]
    return rules[0] if rules and all(rule == rules[0] for rule in rules) else None


def _probabilities(path: Path, axes: str | None, *, guides: bool) -> NDArray[np.float32]:
    if is_ome_zarr(path) and (times := open_volume(path, axes=axes).times) > 1:
        raise ValueError(
            f"{path} is a series of {times} time points, expected an image: thresholds are tuned "
            "on images"
        )
    try:
        return read_probabilities(path, axes=axes, guides=guides)
    except ValueError as error:
        raise ValueError(error_line(path, error)) from error
