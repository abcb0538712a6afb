"""Images larger than memory: their cells are found block by block, from disk to disk."""

from seamwise.segmentation.big.stream import LabelsOnDisk, segment_volume

__all__ = ["LabelsOnDisk", "segment_volume"]
