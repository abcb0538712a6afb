"""The pixel sizes that a file gives, in micrometres: `ome_sizes` and its like, `credible_sizes`."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

_LEAST, _MOST = 1e-6, 1e7  # micrometres of a pixel: a picometre to ten metres
_PRINTED = 10.0  # µm per pixel: 2,540 dpi, more than screens and printers have

_MICROMETRES = {
    **dict.fromkeys(("m", "meter", "metre"), 1e6),
    **dict.fromkeys(("cm", "centimeter"), 1e4),
    **dict.fromkeys(("mm", "millimeter"), 1e3),
    **dict.fromkeys(
        ("µm", "μm", "um", "\\u00b5m", "micron", "microns", "micrometer", "micrometre"), 1.0
    ),
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    **dict.fromkeys(("pm", "picometer"), 1e-6),
    **dict.fromkeys(("å", "angstrom"), 1e-4),
    # no inch: programs that know nothing of pixel sizes write the screen's or printer's 72 dpi
}


def credible_sizes(
    sizes: Mapping[str, float], lengths: Mapping[str, int], *, name: str
) -> tuple[dict[str, float], str]:
    """Return the sizes that a pixel can have, a picometre to ten metres, and a note on the others.

    A size below 0 is wrong, too: none of these formats turns an axis over by it.

    Parameters
    ----------
    sizes : mapping of str to float
        Micrometres per pixel by axis, as the file gives them.
    lengths : mapping of str to int
        How many pixels there are along each axis. Sizes of axes of one pixel, or none, are dropped
        in silence.
    name : str
        The file's name.

    Examples
    --------
    >>> credible_sizes({"X": 0.5, "Y": -1.0}, {"X": 9, "Y": 9}, name="x.tif")
    ({'X': 0.5}, 'x.tif gives a pixel size of -1 µm along Y: it counts as missing')
    """
    credible = {axis: size for axis, size in sizes.items() if _LEAST <= size <= _MOST}
    wrong = [axis for axis in sizes if axis not in credible and lengths.get(axis, 1) > 1]
    if not wrong:
        return credible, ""
    axes_of: dict[str, list[str]] = {}
    for axis in wrong:
        axes_of.setdefault(f"{sizes[axis]:g} µm", []).append(axis)
    words = " and ".join(f"{size} along {', '.join(axes)}" for size, axes in axes_of.items())
    return credible, f"{name} gives a pixel size of {words}: it counts as missing"


def ome_sizes(xml: str) -> dict[str, float]:
    """Return µm per pixel by axis from OME-XML (`PhysicalSizeX`, ...), as far as it gives them.

    Examples
    --------
    >>> ome_sizes('<OME xmlns="o"><Pixels PhysicalSizeX="500" PhysicalSizeXUnit="nm"/></OME>')
    {'X': 0.5}
    """
    pixels = next(
        (e.attrib for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")), {}
    )
    return _in_micrometres(
        {
            a: (pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm"))
            for a in "ZYX"
        }
    )


def imagej_sizes(
    metadata: Mapping[str, Any], x_resolution: Any, y_resolution: Any
) -> dict[str, float]:
    """Return µm per pixel by axis from ImageJ's `spacing` and `unit` and the TIFF resolutions.

    A resolution is a fraction (numerator, denominator) of pixels per unit, or None. Without a unit,
    and with units that are not a length, there are no sizes.

    Examples
    --------
    >>> imagej_sizes({"unit": "micron", "spacing": 2.0}, (4, 1), (5, 1))
    {'Z': 2.0, 'Y': 0.2, 'X': 0.25}
    """
    unit, spacing = metadata.get("unit"), metadata.get("spacing")
    if isinstance(spacing, float | int):  # below 0 in a stack that is turned over
        spacing = abs(spacing)
    sizes = {
        "Z": (spacing, metadata.get("zunit", unit)),
        "Y": (_inverse(y_resolution), metadata.get("yunit", unit)),
        "X": (_inverse(x_resolution), unit),
    }
    return _in_micrometres(sizes)


def centimetre_sizes(x_resolution: Any, y_resolution: Any) -> dict[str, float]:
    """Return µm per pixel by axis from the resolutions of a TIFF in pixels per centimetre.

    Fewer than 1,000 per centimetre are for a screen or a printer and give no sizes.

    Examples
    --------
    >>> centimetre_sizes((20_000, 1), (40_000, 1)), centimetre_sizes((118, 1), (118, 1))
    ({'Y': 0.25, 'X': 0.5}, {})
    """
    sizes = {"Y": (_inverse(y_resolution), "cm"), "X": (_inverse(x_resolution), "cm")}
    micrometres = _in_micrometres(sizes)
    is_printed = any(size > _PRINTED for size in micrometres.values())
    return {} if is_printed else micrometres


def shaped_sizes(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return µm per pixel by axis from the JSON that `write_labels` keeps in a TIFF.

    It does so where ImageJ's header cannot hold the labels.

    Examples
    --------
    >>> shaped_sizes({"axes": "YX", "spacing": [0.2, 0.25], "unit": "um"})
    {'Y': 0.2, 'X': 0.25}
    """
    spacing, axes = metadata.get("spacing"), metadata.get("axes", "")
    if not isinstance(spacing, list) or len(spacing) != len(axes):
        return {}
    return _in_micrometres(
        {a: (s, metadata.get("unit")) for a, s in zip(axes, spacing, strict=True)}
    )


def ome_zarr_sizes(
    letters: str, scale: Sequence[float], units: Sequence[str | None]
) -> dict[str, float]:
    """Return µm per pixel by spatial axis from the scale and the units of an OME-Zarr level.

    An axis without a unit, or with one that is not a length, has no size.

    Examples
    --------
    >>> ome_zarr_sizes("CYX", (1, 500, 0.25), (None, "nanometer", "micrometer"))
    {'Y': 0.5, 'X': 0.25}
    """
    axes = zip(letters, scale, units, strict=True)
    return _in_micrometres({a: (size, unit) for a, size, unit in axes if a in "ZYX"})


def _inverse(fraction: Any) -> float | None:
    """Return pixel size from pixels per unit, a pair (numerator, denominator)."""
    if not isinstance(fraction, tuple) or not fraction[0]:
        return None
    return float(fraction[1] / fraction[0])


def _in_micrometres(lengths: dict[str, tuple[Any, Any]]) -> dict[str, float]:
    sizes = {}
    for axis, (value, unit) in lengths.items():
        factor = _MICROMETRES.get(str(unit).strip().lower())
        try:
            size = float(value) * (factor or 0)
        except (TypeError, ValueError):
            continue
        if factor:
            sizes[axis] = size
    return sizes
