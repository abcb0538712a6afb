"""What the blocks of an image on disk have in common; see `BlockJob`."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import DecodeRule, ReliefPair, WatershedPair
from seamwise.io.provenance import Provenance
from seamwise.segmentation.options import SegmentOptions
from seamwise.tiling import Blocks


@dataclass(frozen=True, kw_only=True)
class BlockJob:
    """How the blocks of one image are segmented; kept as ``job.json``, which every process reads.

    Attributes
    ----------
    options : SegmentOptions
        How to segment, with the path of the model file as `model`.
    model_sha256 : str
        What the model file holds.
    rule : DecodeRule
        How probabilities become labels: what `options` ask for, with the model's thresholds.
    image : str
        Path of the image.
    image_written : int
        When the image's file, or the metadata of its folder, was last written.
    shape, block : tuple of int
        Size of the image, and of its blocks.
    factors : tuple of float
        How far the network sees the image magnified, along each axis.
    halo : int
        Pixels around a block that the network sees with it.
    device : str
        Where the network is computed.
    maps : int
        Channels of the probabilities that are kept, with guides behind them; 0 keeps none.
    """

    options: SegmentOptions
    model_sha256: str
    rule: DecodeRule
    image: str
    image_written: int
    shape: tuple[int, ...]
    block: tuple[int, ...]
    factors: tuple[float, ...]
    halo: int
    device: str
    maps: int = 0

    @property
    def blocks(self) -> Blocks:
        """The blocks of the image."""
        return Blocks(self.shape, self.block)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays that `pixelwise` returns; seeds of a watershed are classes, a relief
        is elevation.
        """
        if isinstance(self.rule.pair, WatershedPair | ReliefPair):
            return ("classes", "elevation")
        return ("classes",)

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the arrays that the network leaves: `arrays`, and maps if they are kept."""
        return (*self.arrays, *(["maps"] if self.maps else []))

    @property
    def provenance(self) -> Provenance:
        """What the finished blocks depend on; the work may be resumed if it is the same."""
        of_options = self.options.provenance(self.model_sha256)
        names = ("image", "image_written", "shape", "factors", "halo")
        image = {name: getattr(self, name) for name in names}
        # records of the first version have `rule` instead of the first two, `block` instead of
        # `tile`, and no `mode`
        unknown = {name: of_options.inputs[name] for name in ("decode", "min_size", "tile", "mode")}
        return Provenance(
            inputs={**image, **of_options.inputs, "rule": self.rule},
            notes={
                "model": self.options.model,
                "block": self.block,
                "device": self.device,
                "maps": self.maps,
            },
            defaults={**of_options.defaults, **unknown, "factors": (1.0,) * len(self.shape)},
        )


def read_job(path: Path) -> BlockJob:
    """Read what `write_job` wrote.

    Raises
    ------
    ValueError
        The file is damaged or from another version of this package.
    """
    content = {name: _as_tuple(value) for name, value in read_json(path).items()}
    try:
        rule = DecodeRule.model_validate(content.pop("rule"))
        if isinstance(content.get("decode"), dict):
            content["decode"] = DecodeRule.model_validate(content["decode"])
        content.setdefault("runtime", "torch")
        names = {field.name for field in fields(SegmentOptions)} & content.keys()
        options = SegmentOptions(**{name: content.pop(name) for name in names})
        content.setdefault("factors", (1.0,) * len(content["shape"]))
        content.setdefault("maps", 0)
        return BlockJob(options=options, rule=rule, **content)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is from another version of seamwise: delete {path.parent}"
        ) from error


def write_job(path: Path, job: BlockJob) -> None:
    """Write a job as JSON, whole or not at all."""
    write_json(path, job.provenance.record())


def write_time(path: Path) -> int:
    """When an image's file, or the metadata of its folder, was last written, in nanoseconds."""
    files = [path]
    if path.is_dir():
        files = [path / name for name in ("zarr.json", ".zattrs", ".zgroup")]
    return max(file.stat().st_mtime_ns for file in files if file.is_file())


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
