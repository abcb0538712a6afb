"""Where nnU-Net finds the trainers, and which nnU-Net is installed."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OLDEST = (2, 8)
"""The first nnU-Net whose folder of other trainers works with ours."""


def trainers_path() -> Path:
    """Return the folder for nnU-Net's variable ``nnUNet_extTrainer``.

    It holds one file that imports the trainers. nnU-Net forgets the modules of that folder after it
    found a class in it; those of an installed package stay, so that its workers can load them.
    """
    return Path(__file__).parent / "found_by_nnunet"


def check_nnunet() -> None:
    """Raise ValueError unless an nnU-Net is installed that is new enough."""
    oldest = ".".join(map(str, OLDEST))
    remedy = f"pip install 'nnunetv2>={oldest}'"
    try:
        release = version("nnunetv2")
    except PackageNotFoundError:
        raise ValueError(f"the trainers need nnU-Net {oldest} or newer: {remedy}") from None
    numbers = tuple(int(number) for number in re.findall(r"\d+", release)[: len(OLDEST)])
    if numbers < OLDEST:
        raise ValueError(f"the trainers need nnU-Net {oldest} or newer, not {release}: {remedy}")
