"""How to fuse, as a value: `FuseOptions`; and what to write: `FuseOutputs`."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import get_args

from seamwise import __version__
from seamwise.engine.resources import Resources
from seamwise.fusion.classical.dct import WINDOW
from seamwise.io.provenance import Provenance
from seamwise.plain_values import check_path, switch, whole_number
from seamwise.words import (
    AnyRuntime,
    FusionMode,
    MotionChoice,
    Precision,
    check_runtime,
    check_word,
)

_BEST = 100  # quality of a JPEG


@dataclass(frozen=True)
class FuseOptions:
    """How to fuse: all that the picture made from a burst depends on.

    Folders of pictures keep these options and the hash of the model, and pictures are reused only
    with equal ones. What may be used for the work is not part of them: see `engine.Resources`.

    Attributes
    ----------
    model : str or Path
        "auto": focus-burst for three frames and more, focus-pair for two, focus-seg where there is
        a `mode`. Or a shipped model ("focus-burst", "focus-pair", "focus-seg", "focus-reg"), a
        model file, or a classical method: "laplacian", "gff", "dct", "dct-cv", "matting", "cnn"
        (see `fusion.classical`).
    mode : {"sequence", "together"}, optional
        How a network that takes pairs fuses three frames or more: see `fuse_frames`; "sequence" by
        default. Its result depends on the order of the frames: give them from near to far or from
        far to near.
    nearest : bool, optional
        Give each pixel the colour of the nearest source (thesis (6.6)); by default for networks
        that regress colours.
    align : bool
        Align the frames first, as hand-held bursts and breathing lenses need: see
        `estimate_alignment`.
    motion : {"auto", "none", "shift", "similarity", "affine", "homography"}
        How frames may move against each other: see `estimate_alignment`. "none" is as good as
        `align` = False.
    exposure : bool
        Match the brightness of the frames where it differs significantly, aligned or not.
    crop : bool
        After aligning, cut the picture to the area that all frames cover. Otherwise borders are
        mirrored.
    moving : bool
        Take a thing that moves between frames from one of them (`fusion.moving.find_moving`). Each
        frame is read once more for that. It is sought where every frame shows something. Where
        nothing moves, or more than two fifths of that, no pixel changes. A stack must have one
        channel.
    tile : int, optional
        Largest size in pixels, along each axis, that goes through a network at once, at least 192.
        By default 1024 for networks that take pairs, strips for those that score all frames
        (`fusion.scored.fuse_scored`). Neighbouring tiles overlap.
    skip_bad : bool
        Skip frames whose files cannot be read, or are of another size, type or number of channels
        than most, with a note for each. All are read once more for that. Records of folders do not
        keep it: it changes no picture that is made without it.
    runtime : {"auto", "torch", "openvino", "onnx"}
        What computes a network. "auto" takes OpenVINO on a CPU if it is installed, otherwise
        torch, and in a folder of pictures what made them. A folder keeps what has computed its
        pictures, such as "openvino float32", which is a runtime too; see
        `engine.runtime.choose_runtime`.

    Raises
    ------
    ValueError
        `mode`, `motion` or `runtime` is another word.

    Examples
    --------
    >>> FuseOptions(model="gff", align=True).motion
    'auto'
    """

    model: str | Path = "auto"
    mode: FusionMode | None = None
    nearest: bool | None = None
    align: bool = False
    motion: MotionChoice = "auto"
    exposure: bool = True
    crop: bool = True
    moving: bool = False
    tile: int | None = None
    skip_bad: bool = False
    runtime: AnyRuntime = "auto"

    def __post_init__(self) -> None:
        check_path("model", self.model)
        for name in ("align", "exposure", "crop", "moving", "skip_bad"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        if self.nearest is not None:
            object.__setattr__(self, "nearest", switch("nearest", self.nearest))
        if self.tile is not None:
            object.__setattr__(self, "tile", whole_number("tile", self.tile, 1))
        check_word("mode", self.mode, (*get_args(FusionMode), None))
        check_word("motion", self.motion, get_args(MotionChoice))
        check_runtime(self.runtime)

    def of_burst(self, count: int) -> "FuseOptions":
        """Return the options for a burst of so many frames: with the model that "auto" stands for.

        Examples
        --------
        >>> FuseOptions().of_burst(2).model, FuseOptions().of_burst(3).model
        ('focus-pair', 'focus-burst')
        >>> FuseOptions(mode="sequence").of_burst(3).model
        'focus-seg'
        """
        if self.model != "auto":
            return self
        if self.mode is not None:
            return replace(self, model="focus-seg")
        return replace(self, model="focus-pair" if count == 2 else "focus-burst")

    def provenance(
        self,
        model_sha256: str | None,
        resources: Resources = Resources(),
        *,
        burst_model_sha256: str | None = None,
        precision: Precision | None = None,
    ) -> Provenance:
        """Return what pictures that are made with these options depend on.

        Parameters
        ----------
        model_sha256 : str or None
            What the file of a network holds (for "auto", of that for two frames); its name is a
            note. None for a classical method, which is its name.
        resources : Resources
            A note.
        burst_model_sha256 : str, optional
            For "auto": what the file of the network for more frames holds.
        precision : str, optional
            A note: in what a device computes the network for pairs, or the only one.
        """
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        del options["model"], options["skip_bad"]
        if self.runtime == "auto":
            del options["runtime"]  # any will do
        options["mode"] = self.mode or "sequence"  # as in records of earlier versions
        method = "network" if model_sha256 else self.model
        notes = {
            "model": self.model,
            "precision": precision,
            "resources": resources,
            "seamwise": __version__,
        }
        hashes = {"model_sha256": model_sha256, "burst_model_sha256": burst_model_sha256}
        inputs = {"method": method, **hashes, **options}
        if method == "dct-cv":
            inputs["window"] = WINDOW  # 5 in version 0.1.0, which kept none
        return Provenance(inputs, defaults={"moving": False}, notes=notes)  # of earlier versions


@dataclass(frozen=True)
class FuseOutputs:
    """What to write next to the picture. The picture does not depend on it.

    Attributes
    ----------
    depth_map : bool
        Write ``<stem>_depth.png``: the number of the frame that each pixel comes from, in colours.
    focus_maps : bool
        Write ``<stem>_focus_<i>.png`` for each frame i: white where the pixels come from it.
    surface : bool
        Write where each pixel is sharpest (`find_surface`): ``<stem>_height.tif`` (16 bits),
        ``<stem>_height.png`` (colours with a scale), ``<stem>_confidence.png``,
        ``<stem>_relief.png`` (in three dimensions) and ``<stem>_relief.ply`` (a mesh).
    z_step : float, optional
        Distance from frame to frame in micrometres, for the surface; by default that of the file of
        a stack, if it tells.
    split_by_time : bool
        Frames of a folder are several bursts, which the time in EXIF tells: see `capture_time`.
    alignment : Path, optional
        File of the alignment of one burst: read if it exists, otherwise written.
    quality : int, optional
        For JPEG, 1 to 100; by default 95. At least one picture must be a JPEG. Folders keep it.
    overwrite : bool
        Replace existing pictures and their maps.
    """

    depth_map: bool = False
    focus_maps: bool = False
    surface: bool = False
    z_step: float | None = None
    split_by_time: bool = False
    alignment: Path | None = None
    quality: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in ("depth_map", "focus_maps", "surface", "split_by_time", "overwrite"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        if self.quality is not None:
            object.__setattr__(self, "quality", whole_number("quality", self.quality, 1, _BEST))
        if self.z_step is not None:
            if not (0 < float(self.z_step) < math.inf):
                raise ValueError(
                    f"z_step must be a positive number of micrometres, not {self.z_step}: "
                    "give the distance from frame to frame"
                )
            if not self.surface:
                raise ValueError("z_step is for surface: ask for it too (--surface)")
        if self.alignment is not None:
            check_path("alignment", self.alignment)
