"""Pixel-level deep learning where things touch.

`segment` finds the cells of an image; `fuse` merges pictures of different focus into a sharp one.
The rest is in the packages: `segmentation` and `fusion` (files, training), `losses`, `weights`,
`nets`, `labels`, `decode`, `metrics`, `measure` (a table of cells), `io`, `synth`, `engine`
(resources of a run), `exchange` (with other programs), `report` (pages to look at), `analysis`
and `tiling`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "analysis",
    "decode",
    "engine",
    "exchange",
    "fuse",
    "fusion",
    "io",
    "labels",
    "losses",
    "measure",
    "metrics",
    "nets",
    "report",
    "segment",
    "segmentation",
    "synth",
    "tiling",
    "weights",
]

# torch takes seconds to import; `import seamwise` and `seamwise --help` must not wait for it
if TYPE_CHECKING:
    from seamwise import (
        analysis,
        decode,
        engine,
        exchange,
        fusion,
        io,
        labels,
        losses,
        measure,
        metrics,
        nets,
        report,
        segmentation,
        synth,
        tiling,
        weights,
    )
    from seamwise.fusion import fuse
    from seamwise.segmentation import segment
else:

    def segment(image, *, model="nuclei-2d", **options):
        """Find the cells of an image; see `segmentation.segment` for every option and error.

        Parameters
        ----------
        image : (*S) or (C, *S) array of any real type
            A grey image, or channels first as many as the model was trained on.
        model : str, path or Model
            Name of a shipped model, path of a model file, or what `segmentation.load` returned.
        **options
            `decode`, `min_size`, `tile`, `flips`, `device`, `keep_probabilities`. On a CPU
            OpenVINO computes if it is installed, and `nuclei-2d` in 8-bit integers:
            ``segmentation.load(model, runtime="torch")`` is a model for torch.

        Returns
        -------
        Prediction
            With `labels`, (*S): 0 background, 1..n cells; and `probabilities`, (C, *S), of each
            class.

        Examples
        --------
        >>> import seamwise
        >>> image = seamwise.synth.crowded_cells((128, 160), cells=12, rng=0).image
        >>> seamwise.segment(image).labels.shape
        (128, 160)
        """
        return import_module("seamwise.segmentation").segment(image, model=model, **options)

    def fuse(frames, *, model="auto", **options):
        """Fuse pictures of one scene into one that is sharp everywhere; see `fusion.fuse` for all.

        Parameters
        ----------
        frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
            Two or more, of one size, type and number of channels.
        model : str, path or Model
            "auto" (focus-burst for three frames and more, focus-pair for two), a shipped model
            ("focus-burst", "focus-pair", …), a model file, what `fusion.load` returned, or
            a classical method ("laplacian", "gff", "dct", "dct-cv", "matting", "cnn").
        **options
            `align` (for a camera that moved), `mode`, `nearest`, `crop`, `device`, `report`.

        Returns
        -------
        Fusion
            With `image`, the fused picture, and `depth`, the number of the frame of each pixel.
        """
        return import_module("seamwise.fusion").fuse(frames, model=model, **options)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"seamwise.{name}")
    raise AttributeError(f"module 'seamwise' has no attribute '{name}'")
