"""What the gap class brings, and how far a network reaches: the thesis' Table 7 and Figure 28.

python reproduction/segmentation/table7.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

J3 and J4, and W³ for Figure 28, on the data set they were trained on and on the others, which they have never seen: as
these are, and with their cells made as large as those of the training.
"""

import measures
from study import Study

SETS = ("usiigaci", "dsb2018", "cells", "cells3d")
SYSTEMS = {"J3": "j3", "J4": "j4"}
STACKS = ("cells3d", "gonuclear3d", "qcanet3d")


def others(name: str) -> tuple[str, ...]:
    """The data sets that a network of this one is tried on."""
    of_its_kind = STACKS if name in STACKS else [other for other in SETS if other not in STACKS]
    return tuple(other for other in of_its_kind if other != name)


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            for loss in SYSTEMS.values():
                measures.instances(study, name, loss, seed)
            for loss in (*SYSTEMS.values(), *(("w3",) if name == "usiigaci" else ())):
                for other in others(name):
                    measures.elsewhere(study, name, loss, seed, other)


if __name__ == "__main__":
    main()
