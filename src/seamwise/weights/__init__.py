"""Weight maps: instance labels → one weight per pixel, for any loss that takes a `weight`.

Every map is `f(labels, target=None, *, spacing=None, balance="rarest", counts=None, …)` → float32
map of the labels' shape; ignored pixels weigh 0. `pieces` has no class balance: it is for a loss of
rates, `losses.youden`.
"""

from seamwise.labels.distance import distance
from seamwise.weights.balance import balance, class_weights, counts_of
from seamwise.weights.dwm import dwm
from seamwise.weights.pieces import pieces
from seamwise.weights.saw import saw, saw_regions
from seamwise.weights.skeleton import skeletons
from seamwise.weights.unet import unet
from seamwise.weights.w3 import w3

__all__ = [
    "balance",
    "class_weights",
    "counts_of",
    "distance",
    "dwm",
    "pieces",
    "saw",
    "saw_regions",
    "skeletons",
    "unet",
    "w3",
]
