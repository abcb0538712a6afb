"""Contours and detection of chapter 3's systems: the thesis' Tables 2 and 3.

python reproduction/segmentation/table2_3.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Thresholded maps, the pair of thresholds tuned on validation images; contour F1 by radius, and precision, recall and F1
of cells at IoU 0.5, on some training images and on the test images. The same run measures the fields of view of
Figure 15 (fig15.py).
"""

import measures
from study import Study

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {"UNET2": "unet2", "UNET3": "unet", "FL": "fl", "DWM": "dwm", "SAW": "saw"}


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            for loss in SYSTEMS.values():
                measures.contours(study, name, loss, seed)


if __name__ == "__main__":
    main()
