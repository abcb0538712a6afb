"""What the experiments share: data, networks trained under equal conditions, results in files.

`protocol.toml` says how; every script takes the arguments of `Study.from_command`.
"""

import argparse
import hashlib
import json
import platform
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from seamwise import __version__
from seamwise.engine import choose_device, choose_precision
from seamwise.io import NormalizationRule, Provenance, atomic_path, lock_file, read_json
from seamwise.labels import relabel
from seamwise.segmentation import (
    AnnotatedImage,
    Pair,
    TrainSettings,
    find_pairs,
    normalization,
    read_pair,
    train,
)
from seamwise.segmentation.choose import Conditions, Run, conditions_of, first_weights, settings_of
from seamwise.synth import Camera, crowded_cells
from seamwise.words import SystemName

HERE = Path(__file__).parent
PROTOCOL = HERE / "protocol.toml"
SNAPSHOTS = 6  # of each training


@dataclass(frozen=True)
class DataSet:
    """Images for training, tuning and scoring, and the settings of every network on them."""

    name: str
    training: tuple[AnnotatedImage, ...]
    validation: tuple[AnnotatedImage, ...]
    test: tuple[AnnotatedImage, ...]
    settings: TrainSettings


@dataclass(frozen=True)
class Variant:
    """What a network has that the protocol's have not: other settings, or other training images.

    Attributes
    ----------
    kind : str
        Of the measurements that need it; the protocol may say more about them.
    name : str
    changes : mapping
        To the settings.
    training : tuple of AnnotatedImage, optional
    """

    kind: str
    name: str
    changes: Mapping[str, Any]
    training: tuple[AnnotatedImage, ...] | None = None


PLAIN = Variant("instances", "", {})


class Results:
    """Measurements in a JSON file, a line for each; none is measured twice.

    Processes that measure different things may share a file: each adds its own to what is there by
    then.

    Parameters
    ----------
    path : Path
    provenance : Provenance
        What all of them depend on. A file that was made otherwise gets another name, and a new one
        is begun.
    """

    def __init__(self, path: Path, provenance: Provenance) -> None:
        self.path = path
        self.provenance = provenance
        content = self._read()
        difference = difference_of(content, provenance) if content else ""
        if difference:
            backup = path.with_stem(f"{path.stem}-{content['made_by']}")
            path.rename(backup)
            print(f"{path} was {difference}: it is now {backup.name}", flush=True)
        self.units: dict[str, Any] = self._read().get("units", {})

    @property
    def made_by(self) -> str:
        """A short name of what they depend on."""
        return fingerprint(self.provenance)

    def get(
        self, key: str, measure: Callable[[], Mapping[str, Any]], *, machine: str
    ) -> dict[str, Any]:
        """What was measured under this key; if nothing was, measure and keep it."""
        if key not in self.units:
            began = time.monotonic()
            unit = dict(measure())
            seconds = round(time.monotonic() - began, 1)
            self._add(
                key,
                {**unit, "seconds": seconds, "date": datetime.now(UTC).date().isoformat()},
                machine,
            )
            print(f"{self.path.name}: {key} in {seconds:.0f} s", flush=True)
        return dict(self.units[key])

    def _read(self) -> dict[str, Any]:
        return read_json(self.path) if self.path.exists() else {}

    def _add(self, key: str, unit: Mapping[str, Any], machine: str) -> None:
        lock = self.path.with_suffix(".lock")
        while True:
            try:
                with lock_file(lock, name=str(self.path)):
                    content = self._read()
                    machines = content.get("machines", [])
                    if machine not in machines:
                        machines.append(machine)
                    self.units = {
                        **content.get("units", {}),
                        key: {**unit, "machine": machines.index(machine)},
                    }
                    self._write(machines)
                return
            except BlockingIOError:  # another process writes: that takes no time
                time.sleep(0.1)

    def _write(self, machines: Sequence[str]) -> None:
        lines = ",\n".join(
            f"{json.dumps(key)}: {json.dumps(self.units[key])}" for key in sorted(self.units)
        )
        values = {
            "made_by": self.made_by,
            "protocol": self.provenance.record(),
            "machines": machines,
        }
        head = "".join(
            f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in values.items()
        )
        with atomic_path(self.path) as temporary:
            temporary.write_text(f'{{\n{head}"units": {{\n{lines}\n}}\n}}\n', encoding="utf-8")


@dataclass(frozen=True)
class Study:
    """The experiments of one protocol.

    Attributes
    ----------
    protocol : dict
        Content of protocol.toml, or a part of it.
    data : Path
        Folder of the data sets.
    runs : Path
        Gets a folder for each network; networks that are there are not trained again.
    results : Path
        Folder of the JSON files.
    device : str
    """

    protocol: Mapping[str, Any]
    data: Path
    runs: Path
    results: Path
    device: str = "auto"

    @classmethod
    def from_command(
        cls,
        description: str | None,
        *,
        sets: Sequence[str],
        options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> tuple["Study", argparse.Namespace]:
        """Read the command line: the study, `sets`, `seeds`, and a script's own options.

        Parameters
        ----------
        description : str, optional
            What --help shows first.
        sets : sequence of str
            The data sets by default.
        options : mapping
            Of the script alone, such as "--steps": what `add_argument` takes of each.
        """
        protocol = read_protocol()
        trained_on = [
            name for name, entry in protocol["sets"].items() if "steps" in entry["training"]
        ]
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("data", type=Path, help="folder that holds usiigaci/, dsb2018/, …")
        parser.add_argument("--sets", nargs="+", default=list(sets), choices=trained_on)
        parser.add_argument(
            "--seeds", nargs="+", type=whole_number, help="default: those of protocol.toml"
        )
        parser.add_argument(
            "--runs", type=Path, default=Path("runs/reproduction"), help="the trained networks"
        )
        parser.add_argument(
            "-o", "--results", type=Path, default=HERE / "results", help="the numbers, as JSON"
        )
        parser.add_argument(
            "--quick",
            action="store_true",
            help="two steps, a few images, into quick/: does it run?",
        )
        parser.add_argument(
            "--thesis-size", action="store_true", help="the thesis' network and optimizer, on a GPU"
        )
        parser.add_argument("--device", default="auto")
        parser.add_argument("--threads", type=positive, help="of the CPU")
        for option, described in options.items():
            parser.add_argument(option, **described)
        arguments = parser.parse_args()
        results, runs = arguments.results, arguments.runs
        for name in ("quick", "thesis_size"):
            if getattr(arguments, name):
                protocol = merge(protocol, protocol[name])
                results, runs = results / name, runs / name
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        arguments.seeds = arguments.seeds or protocol["seeds"]
        for folder in (results, runs):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(protocol, arguments.data, runs, results, arguments.device), arguments

    @cached_property
    def machine(self) -> str:
        """Processor, threads, numbers and versions."""
        device = choose_device(self.device)
        where = (
            torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"{processor()}, {device.type}"
        )
        numbers = str(choose_precision(device)).removeprefix("torch.")
        versions = (
            f"torch {torch.__version__}, seamwise {__version__}, Python {platform.python_version()}"
        )
        return f"{where}, {torch.get_num_threads()} threads, {numbers}, {versions}"

    @cached_property
    def _sets(self) -> dict[str, DataSet]:
        return {}

    def data_set(self, name: str) -> DataSet:
        """Read or draw a data set of the protocol."""
        if name not in self._sets:
            self._sets[name] = read_set(name, self.protocol, self.data)
        return self._sets[name]

    def results_of(self, kind: str, name: str) -> Results:
        """Return results of one kind on one data set."""
        return Results(self.results / f"{kind}-{name}.json", provenance(self.protocol, kind, name))

    def measure_once(
        self, kind: str, name: str, key: str, measure: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What was measured under a key; if nothing was, measure and keep it."""
        return self.results_of(kind, name).get(key, measure, machine=self.machine)

    def network(self, name: str, loss: SystemName, seed: int, variant: Variant = PLAIN) -> Path:
        """Train a network if it is missing; all networks of a seed share first weights and crops.

        The weights are those after the last step: nothing is chosen on validation images.
        """
        data = self.data_set(name)
        run = Run(loss, seed)
        settings = replace(protocol_settings(run, data.settings), **variant.changes)
        training = variant.training or data.training
        self._check_conditions(
            data, run, variant, conditions_of(settings, training, data.validation[:1])
        )
        version = fingerprint(provenance(self.protocol, variant.kind, name))[:8]
        folder = self.runs / "-".join(
            part for part in (name, variant.name, str(run), version) if part
        )
        folder.mkdir(parents=True, exist_ok=True)
        return train(
            training,
            data.validation[:1],
            settings,
            output=folder,
            resume=(folder / "checkpoint.pt").exists(),
            device=self.device,
            start=first_weights(settings, training, data.validation[:1]),
        )

    def _check_conditions(
        self, data: DataSet, run: Run, variant: Variant, conditions: Conditions
    ) -> None:
        """Compare with the other losses of the seed; processors may round crops differently."""
        images = hashlib.sha256(
            "".join(i.name for i in variant.training or data.training).encode()
        ).hexdigest()[:8]
        sizes = [
            variant.changes.get(key, getattr(data.settings, key))
            for key in ("steps", "batch_size", "crop")
        ]
        results = self.results_of("conditions", data.name)
        width = f", width {variant.changes['width']}" if "width" in variant.changes else ""
        key = f"seed {run.seed}, images {images}, {sizes}{width}, {processor()}"
        common = results.get(key, lambda: asdict(conditions), machine=self.machine)
        if conditions != Conditions(common["start"], common["crops"]):
            raise RuntimeError(
                f"{run} {variant.name} on {data.name} does not begin like the others of its seed"
            )


def protocol_settings(run: Run, settings: TrainSettings) -> TrainSettings:
    """Return settings of one network; the study compares W³ with the balance n_min / n."""
    settings = settings_of(run, settings)
    return replace(settings, weights={"balance": "rarest"}) if run.loss == "w3" else settings


def whole_number(text: str, least: int = 0) -> int:
    """Read a whole number from a command line."""
    number = int(text) if text.isdecimal() else -1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
    return number


positive = partial(whole_number, least=1)


def read_protocol() -> dict[str, Any]:
    """Read what protocol.toml says."""
    return tomllib.loads(PROTOCOL.read_text(encoding="utf-8"))


def provenance(protocol: Mapping[str, Any], kind: str, name: str) -> Provenance:
    """Return the part of the protocol that measurements of one kind on one data set depend on."""
    part = {"training": protocol["training"], "set": protocol["sets"][name]}
    if kind == "zero_shot":
        part["others"] = protocol["sets"]
    if kind in protocol:
        part[kind] = protocol[kind]
    return Provenance(part)


def fingerprint(provenance: Provenance) -> str:
    """Return a fingerprint that is short enough for the name of a file."""
    return provenance.fingerprint()[:16]


def difference_of(content: Mapping[str, Any], provenance: Provenance) -> str:
    """Return how a file of results was made otherwise; empty if its results may be reused.

    Files of earlier versions hold the fingerprint alone, and cannot say what differs.
    """
    if "protocol" in content:
        return provenance.difference(content["protocol"])
    return "" if content["made_by"] == fingerprint(provenance) else "made by another protocol"


def command(main: Callable[[], None]) -> None:
    """Run a script; report a fault of data or options in one line, with exit code 2."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first mapping with what the second changes, tables within tables as well."""
    both = dict(first)
    for key, value in second.items():
        inner = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merge(both[key], value) if inner else value
    return both


def processor() -> str:
    """Name the CPU by the name of its maker."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    cpu_names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return cpu_names[0] if cpu_names else platform.processor() or platform.machine()


def read_set(name: str, protocol: Mapping[str, Any], data: Path) -> DataSet:
    """Read a data set from its folder, or draw it."""
    entry = protocol["sets"][name]
    if "folder" in entry and not (data / entry["folder"]).is_dir():
        raise FileNotFoundError(
            f"{data} holds no {entry['folder']}: give the folder that does, or other --sets"
        )
    settings = TrainSettings(**{**protocol["training"], **entry["training"]})
    steps = settings.steps
    settings = replace(settings, validate_every=steps, snapshot_every=max(steps // SNAPSHOTS, 1))
    if "folder" in entry:
        parts = _from_folder(data / entry["folder"], entry, settings.normalization)
    else:

        def draw(first: int, count: int) -> tuple[AnnotatedImage, ...]:
            seeds = range(first, first + count)
            return tuple(_draw(entry, settings.normalization, seed) for seed in seeds)

        firsts_and_counts = zip((0, 1000, 2000), entry["images"], strict=True)
        parts = tuple(draw(first, count) for first, count in firsts_and_counts)
    return DataSet(
        name,
        parts[0],
        _tiles(parts[1], entry),
        parts[2],
        settings.fill_in(parts[2][0].ndim),
    )


def _from_folder(
    folder: Path, entry: Mapping[str, Any], rule: NormalizationRule
) -> tuple[tuple[AnnotatedImage, ...], ...]:
    split = find_pairs(folder)
    pairs = sorted({*split.training, *split.validation}, key=lambda pair: pair.name)
    names = [pair.name for pair in pairs]
    if "test_series" in entry:  # of the Cell Tracking Challenge
        test = [name for name in names if name.startswith(f"{entry['test_series']}-")]
    else:
        test = entry.get("test") or names[:: entry["test_every"]]
    missing = [name for name in (*test, *entry.get("validation", ())) if name not in names]
    if missing:
        raise ValueError(
            f"{folder} lacks {len(missing)} images of the protocol, such as {missing[0]}"
        )
    rest = [name for name in names if name not in test]
    validation = entry.get("validation") or rest[:: entry.get("validation_every", 1)]
    most = entry.get("most", {})

    def read(is_member: Callable[[Pair], bool], limit: int | None) -> tuple[AnnotatedImage, ...]:
        members = [pair for pair in pairs if is_member(pair)][:limit]
        return tuple(read_pair(pair, rule=rule) for pair in members)

    return (
        read(lambda pair: pair.name not in (*test, *validation), most.get("training")),
        read(lambda pair: pair.name in validation, most.get("validation")),
        read(lambda pair: pair.name in test, most.get("test")),
    )


def _draw(entry: Mapping[str, Any], rule: NormalizationRule, seed: int) -> AnnotatedImage:
    arguments = dict(entry["arguments"])
    own = {field.name for field in fields(Camera)} & arguments.keys()
    camera = Camera(**{name: arguments.pop(name) for name in own})
    scene = crowded_cells(**arguments, camera=camera, rng=seed)
    image = scene.image[np.newaxis]
    spacing = camera.spacing
    return AnnotatedImage(
        name=f"{entry['drawn']}-{seed}",
        image=normalization(image, rule)(image),
        labels=relabel(scene.labels).astype(np.int32),
        spacing=spacing and tuple(spacing),
    )


def _tiles(
    images: Sequence[AnnotatedImage], entry: Mapping[str, Any]
) -> tuple[AnnotatedImage, ...]:
    """Return the first and the last corner of each image, if the protocol asks for tiles."""
    if "tile" not in entry:
        return tuple(images)
    side = entry["tile"]
    return tuple(
        replace(
            image,
            name=f"{image.name}-{number}",
            image=np.ascontiguousarray(image.image[(..., *corner)]),
            labels=relabel(image.labels[corner]).astype(np.int32),
        )
        for image in images
        for number, corner in enumerate(
            ((slice(side),) * image.ndim, (slice(-side, None),) * image.ndim)
        )
    )
