"""A model in ONNX Runtime, without seamwise's network: the files of `seamwise export`, computed."""

import json
import zipfile
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import panels

from seamwise.io import SegmentationInfo, read_image
from seamwise.segmentation import (
    decode_maps,
    export_bioimageio,
    export_onnx,
    normalization,
    overlay,
    segment,
)

SAMPLE = Path(str(resources.files("seamwise"))) / "samples" / "nuclei.png"
MULTIPLE = 16  # of the sides of what the network takes
MODEL = "nuclei-2d"


def computed(network, image):
    """Maps `(channels, Y, X)` that a network in ONNX makes of an image `(1, Y, X)`."""
    rows, columns = image.shape[1:]
    padding = [(0, 0), (0, -rows % MULTIPLE), (0, -columns % MULTIPLE)]
    padded = np.pad(image.astype(np.float32), padding, mode="reflect")
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())
    (maps,) = session.run(None, {name: padded[np.newaxis]})
    return maps[0, :, :rows, :columns]


def exported(folder):
    """The network of each kind of export, and the description that the ONNX file holds."""
    export_onnx(MODEL, folder / "nuclei-2d.onnx")
    export_bioimageio(MODEL, folder / "nuclei-2d.zip")
    plain = (folder / "nuclei-2d.onnx").read_bytes()
    with zipfile.ZipFile(folder / "nuclei-2d.zip") as package:
        packed = package.read("weights.onnx")
    session = onnxruntime.InferenceSession(plain, providers=["CPUExecutionProvider"])
    text = session.get_modelmeta().custom_metadata_map["seamwise"]
    return plain, packed, SegmentationInfo.model_validate(json.loads(text))


def main(output=panels.DOCS):
    """Draw the figure."""
    image = read_image(SAMPLE).data[np.newaxis]
    with TemporaryDirectory() as name:
        plain, packed, info = exported(Path(name))
    normalised = normalization(image, info.normalization)(image)
    ways = {
        "nuclei-2d.onnx, of the normalised image": computed(plain, normalised),
        "weights.onnx of nuclei-2d.zip, of the image as it is": computed(packed, image),
    }
    own = segment(image[0], model=MODEL, device="cpu", keep_probabilities=False).labels

    figure = panels.new_figure(14, 4.8)
    first, *others = figure.subplots(1, 1 + len(ways))
    classes = np.moveaxis(ways["nuclei-2d.onnx, of the normalised image"][:4], 0, -1)
    colours = (classes @ panels.CLASS_COLOURS).clip(0, 1)
    panels.show(first, colours, "what ONNX Runtime gives: classes")
    for axes, (name, maps) in zip(others, ways.items(), strict=True):
        labels = decode_maps(maps, info.decode)
        differ = int(((labels > 0) != (own > 0)).sum())
        text = f"{name}\n{labels.max()} cells; {differ} of {own.size:,} pixels not as in segment"
        panels.show(axes, overlay(image[0], labels), text)
    panels.class_legend(figure, classes=4)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
