"""Images larger than memory: their cells are found block by block, from disk to disk."""

from seamwise.segmentation.big.memory import NetworkLoad, plan_blocks
from seamwise.segmentation.big.stream import LabelsOnDisk, segment_volume
from seamwise.segmentation.big.target import work_folder

__all__ = ["LabelsOnDisk", "NetworkLoad", "plan_blocks", "segment_volume", "work_folder"]
