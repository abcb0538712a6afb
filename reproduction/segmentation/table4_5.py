"""Three decoders on chapter 4's systems: the thesis' Tables 4 and 5.

python reproduction/segmentation/table4_5.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Arg max (MAP), thresholded maps (TH) and watershed (WT), the last two with the best pair of thresholds on validation
images, scored on test images. COMB averages the probabilities of BWM, UNET and W³.
"""

import measures
from study import Study

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {"LSMAX": "lsmax", "BWM": "bwm", "UNET": "unet", "W³": "w3", "COMB": "comb"}


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            for loss in SYSTEMS.values():
                measures.instances(study, name, loss, seed)


if __name__ == "__main__":
    main()
