"""How training goes: loss and accuracy of chapter 3's systems, PQ of chapter 4's; the thesis' Figures 16 and 26.

python reproduction/segmentation/fig16_26.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Six snapshots of each training, on validation images; TH and WT with the pair of thresholds that is best at the end.
"""

import measures
import table2_3
import table4_5
from study import Study

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {**table2_3.SYSTEMS, **{name: loss for name, loss in table4_5.SYSTEMS.items() if name != "COMB"}, "J4": "j4"}


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            for loss in dict.fromkeys(SYSTEMS.values()):
                measures.course(study, name, loss, seed)


if __name__ == "__main__":
    main()
