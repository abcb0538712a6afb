"""Write images and instance masks as a raw data set for nnU-Net v2, with seamwise's classes.

    python examples/nnunet_dataset.py                       # synthetic cells
    python examples/nnunet_dataset.py --source my-data --output nnUNet_raw \\
      --dataset Dataset501_Cells --classes 4

nnU-Net learns classes, not instances: the masks become background, cell, touching and gap, and what
it predicts becomes cells again with `seamwise.decode.argmax`. Its conventions, as this script
follows them: one file per channel, `case_0000.tif`; class numbers 0, 1, … without a hole; pixels to
ignore carry the highest number, named "ignore". A 2D TIFF is read by NaturalImage2DIO, and its name
must end in .tif, not .tiff; a stack by Tiff3DIO, with its pixel size in `case.json`, next to the
image and next to the labels.

`--weights w3` also writes `weightsTr/case.tif`, float32. nnU-Net itself does not read it: a trainer
of your own has to load it and to crop and warp it with the labels. DWM and the class balance need
no file: they can be computed from the warped classes.
"""

import argparse
import json
from pathlib import Path

import tifffile

from seamwise.io import read_image, read_spaced_labels, write_labels, write_map
from seamwise.labels import CLASS_NAMES
from seamwise.segmentation import MAPS, TargetAndWeight, as_channels, find_pairs
from seamwise.synth import crowded_cells


def draw_cells(folder, images=4):
    """Fill a folder with images/ and masks/ of synthetic cells; ignore a corner of each."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed in range(images):
        scene = crowded_cells((128, 160), cells=20, rng=seed)
        labels = scene.labels.astype("int16")
        labels[:24, :24] = -1
        tifffile.imwrite(folder / "images" / f"cells{seed}.tif", scene.image)
        write_labels(folder / "masks" / f"cells{seed}.tif", labels)


def write_case(pair, output, transform):
    """Write images, target and weights (if the transform has a map) of one pair.

    Return what ``dataset.json`` must say.
    """
    read = [as_channels(read_image(path)) for path in pair.images]
    channels = [channel for part in read for channel in part]
    labels, spacing = read_spaced_labels(pair.labels)
    target, weight = transform(
        labels, spacing=spacing and [step / min(spacing) for step in spacing]
    )
    target[target < 0] = transform.classes  # nnU-Net's ignored pixels: the highest number
    for number, channel in enumerate(channels):
        tifffile.imwrite(
            output / "imagesTr" / f"{pair.name}_{number:04d}.tif", channel, photometric="minisblack"
        )
    write_labels(output / "labelsTr" / f"{pair.name}.tif", target)
    if weight is not None:
        write_map(output / "weightsTr" / f"{pair.name}.tif", weight)
    if labels.ndim == 3:
        for folder in ("imagesTr", "labelsTr"):
            (output / folder / f"{pair.name}.json").write_text(
                json.dumps({"spacing": spacing or (1, 1, 1)})
            )
    return {
        "channel_names": {str(number): f"channel {number}" for number in range(len(channels))},
        "overwrite_image_reader_writer": "Tiff3DIO" if labels.ndim == 3 else "NaturalImage2DIO",
    }


def main(source, output, dataset="Dataset501_Cells", classes=4, weights=None):
    """Write the data set; return its folder."""
    folder = output / dataset
    transform = TargetAndWeight(map=weights, classes=classes)
    if any((folder / "imagesTr").glob("*")):
        raise SystemExit(
            f"{folder} already holds cases: choose another data set name, "
            "e.g. --dataset Dataset502_Cells"
        )
    for name in ("imagesTr", "labelsTr", *(["weightsTr"] if weights else [])):
        (folder / name).mkdir(parents=True, exist_ok=True)
    split = find_pairs(source)
    pairs = {pair.name: pair for pair in (*split.training, *split.validation)}.values()
    kind = [write_case(pair, folder, transform) for pair in pairs][-1]
    names = {name: number for number, name in enumerate((*CLASS_NAMES[:classes], "ignore"))}
    description = {**kind, "labels": names, "numTraining": len(pairs), "file_ending": ".tif"}
    (folder / "dataset.json").write_text(json.dumps(description, indent=2))
    print(f"{len(pairs)} cases of {', '.join(names)} in {folder}")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source",
        type=Path,
        help="folder of images and masks; by default synthetic cells are drawn",
    )
    parser.add_argument("--output", type=Path, default=Path("nnUNet_raw"))
    parser.add_argument("--dataset", default="Dataset501_Cells")
    parser.add_argument("--classes", type=int, choices=(2, 3, 4), default=4)
    parser.add_argument("--weights", choices=MAPS)
    given = vars(parser.parse_args())
    if given["source"] is None:
        given["source"] = given["output"] / "synthetic"
        draw_cells(given["source"])
    main(**given)
