"""Scores of a fused picture: seven against its sources, two against the truth.

The seven need no truth. They measure how much of each source is left in the fused picture, blur
included, so that returning one source unchanged scores high on most of them: report both sources
next to every result.
"""

from seamwise.metrics.fusion.grey import to_grey
from seamwise.metrics.fusion.q_cb import q_cb
from seamwise.metrics.fusion.q_g import q_g
from seamwise.metrics.fusion.q_mi import q_mi
from seamwise.metrics.fusion.q_ncie import q_ncie
from seamwise.metrics.fusion.q_p import q_p
from seamwise.metrics.fusion.q_s import q_s
from seamwise.metrics.fusion.q_te import q_te
from seamwise.metrics.fusion.reference import psnr, ssim

__all__ = ["psnr", "q_cb", "q_g", "q_mi", "q_ncie", "q_p", "q_s", "q_te", "ssim", "to_grey"]
