"""Thresholds for probabilities that were computed before; see `tune_stored`."""

from collections.abc import Callable, Iterator
from pathlib import Path

from seamwise.io.images import read_labels
from seamwise.segmentation.choose.tune import StoredMaps, Trial, Tuning, tune_maps
from seamwise.segmentation.data import check_complete
from seamwise.segmentation.maps import maps_by_stem, read_probabilities
from seamwise.segmentation.measure import labels_by_stem
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
    wrote. No size limits apply: cells of any size count.

    Parameters
    ----------
    probabilities, masks : path
        Two files, or two folders whose files are paired by their stems. See `decode_files` for the
        kinds; there must be three or four classes. ``x_masks.tif`` counts as x. Probabilities
        without a mask are not used.
    decode, background_as, report
        See `tune`.
    axes : str, optional
        Meaning of the axes of the probabilities, as in `read_image`.

    Raises
    ------
    ValueError
        A file holds no probabilities, too few classes or another size than its mask; no mask has a
        cell; an unknown option.
    OSError
        A file does not exist, or a mask has no probabilities.
    """
    probabilities, masks = Path(probabilities), Path(masks)
    maps, truths = maps_by_stem([probabilities]), labels_by_stem(masks)
    if len(maps) == len(truths) == 1 and not masks.is_dir():
        pairs = list(zip(maps.values(), truths.items(), strict=True))
    else:
        check_complete(truths, maps, f"masks in {masks} have no probabilities in {probabilities}")
        pairs = [(maps[name], (name, path)) for name, path in truths.items()]

    def read() -> Iterator[StoredMaps]:
        for path, (name, truth) in pairs:
            try:
                yield StoredMaps(name, read_probabilities(path, axes=axes), read_labels(truth))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error

    return tune_maps(read(), decode=decode, background_as=background_as, report=report)
