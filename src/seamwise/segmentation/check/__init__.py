"""What is wrong with training data, and which settings suit it."""

from seamwise.segmentation.check.advice import Advice, advise, write_settings
from seamwise.segmentation.check.findings import KINDS, Finding, Kind
from seamwise.segmentation.check.masks import MaskFault, mask_faults
from seamwise.segmentation.check.survey import Look, Survey, survey

__all__ = [
    "KINDS",
    "Advice",
    "Finding",
    "Kind",
    "Look",
    "MaskFault",
    "Survey",
    "advise",
    "mask_faults",
    "survey",
    "write_settings",
]
