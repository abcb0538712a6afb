"""The older ways of fusing: burst → one picture in focus everywhere, and each pixel's frame."""

from seamwise.fusion.classical.cnn import cnn
from seamwise.fusion.classical.dct import dct, dct_cv
from seamwise.fusion.classical.guided_filter import gff
from seamwise.fusion.classical.laplacian_pyramid import laplacian_pyramid
from seamwise.fusion.classical.matting import matting

__all__ = ["cnn", "dct", "dct_cv", "gff", "laplacian_pyramid", "matting"]
