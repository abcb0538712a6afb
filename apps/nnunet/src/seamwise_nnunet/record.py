"""What a trainer reads in ``dataset.json``: the classes, and how many pixels each has."""

from collections.abc import Collection, Mapping
from typing import Any

from seamwise.labels import CLASS_NAMES

_ENTRY = "seamwise"  # what `seamwise nnunet-dataset` adds
_IGNORE = "ignore"


def check_classes(record: Mapping[str, Any], sizes: Collection[int], trainer: str) -> None:
    """Raise ValueError unless the data set has background, cell, touching and gap, in this order.

    Parameters
    ----------
    record : mapping
        Content of ``dataset.json``.
    sizes : collection of int
        Numbers of classes that the trainer takes; without one, any classes will do.
    trainer : str
        Its name, for the message.
    """
    labels = record.get("labels", {})
    if any(not isinstance(number, int) for number in labels.values()):
        raise ValueError(
            f"{trainer} needs one class for each pixel, not regions: give each label of "
            "dataset.json one number"
        )
    names = [name for name in sorted(labels, key=labels.__getitem__) if name != _IGNORE]
    if not sizes or (len(names) in sizes and tuple(names) == CLASS_NAMES[: len(names)]):
        return
    expected = " or ".join(map(str, sorted(sizes)))
    raise ValueError(
        f"{trainer} needs the first {expected} classes of {', '.join(CLASS_NAMES)}, not "
        f"{', '.join(names)}: write them with seamwise nnunet-dataset --classes {max(sizes)}, or "
        "take nnUNetTrainerJ, for any classes"
    )


def class_counts(record: Mapping[str, Any], trainer: str) -> tuple[int, ...]:
    """Return the pixels of each class in the whole data set.

    Raises
    ------
    ValueError
        ``dataset.json`` does not have them: another program wrote it.
    """
    entry = record.get(_ENTRY)
    counts = entry.get("counts") if isinstance(entry, Mapping) else None
    classes = len([name for name in record.get("labels", {}) if name != _IGNORE])
    is_whole = isinstance(counts, list) and all(isinstance(count, int) for count in counts)
    if counts is None or not is_whole or len(counts) != classes:
        raise ValueError(
            f"{trainer} balances its weights by the pixels of each class, which dataset.json lacks "
            f"({_ENTRY}, counts): write the data set with seamwise nnunet-dataset"
        )
    return tuple(counts)
