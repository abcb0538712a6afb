"""Do Youden's losses make arg max enough? The thesis' Table 6, with plain cross entropy beside it.

python reproduction/segmentation/table6.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]
"""

import measures
from study import Study

SETS = ("usiigaci", "dsb2018", "cells")
SYSTEMS = {"CE3": "ce3", "CE4": "ce4", "BWM": "bwm", "DSC": "dsc", "W³": "w3", "J3": "j3", "J4": "j4"}


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            for loss in SYSTEMS.values():
                measures.instances(study, name, loss, seed)


if __name__ == "__main__":
    main()
