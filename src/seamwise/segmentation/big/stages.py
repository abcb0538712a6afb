"""The stages from an image on disk to its labels, each block by block; see `Stages`."""

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.decode.blockwise import (
    Cells,
    Cores,
    Finish,
    Survey,
    join_cores,
    join_surveys,
)
from seamwise.decode.meetings import Meeting, join_meetings
from seamwise.engine.cluster import Item, Runner, Task
from seamwise.engine.listener import StageProgress
from seamwise.io.arrays import load_arrays, save_arrays
from seamwise.io.atomic import make_folder
from seamwise.io.errors import DamagedError
from seamwise.io.jsonfile import read_json
from seamwise.io.models import NormalizationRule, ReliefPair, SegmentationInfo
from seamwise.io.ome_zarr import Draft
from seamwise.io.outcome import amount
from seamwise.io.scratch import create_scratch
from seamwise.io.volume import Volume
from seamwise.metrics.seams import Seams, join_seams, series_of
from seamwise.segmentation.big import blocks as tasks
from seamwise.segmentation.big.blocks import BlockSeams, Place, Same
from seamwise.segmentation.big.job import BlockJob
from seamwise.segmentation.fit import Look, misfit, sees_nothing
from seamwise.segmentation.normalization import Normalization, Sample, normalization_of
from seamwise.segmentation.predict import Model, view_of
from seamwise.segmentation.second_look import second_look
from seamwise.segmentation.zoom import Zoom
from seamwise.types import Box

_HELD = (
    64  # blocks whose records are held: they are read several times, and may be too many to hold
)
_MORE_THAN_ALL = sys.maxsize  # pixels of a cell


@dataclass(frozen=True)
class Stages:
    """The stages of a job. Each ends for all time points before the next begins: no worker waits.

    Attributes
    ----------
    work : Path
        The work folder, with a folder for each time point.
    job : BlockJob
    times : int
        Number of time points.
    runner : Runner
        Where the blocks are computed.
    report : function
        Called after each block.
    need : int
        Bytes that a block takes; 0 if a worker's limit does not matter.
    """

    work: Path
    job: BlockJob
    times: int
    runner: Runner
    report: Callable[[StageProgress], None]
    need: int = 0

    @property
    def places(self) -> tuple[Place, ...]:
        """The work folders of the time points."""
        return tuple(Place(self.work / f"t{time}") for time in range(self.times))

    def measure(self, channels: int, rule: NormalizationRule) -> None:
        """Measure the intensities of each time point.

        A time point that is constant, or cannot be read, gets scale 0.

        Raises
        ------
        ValueError
            None of them can be read.
        """
        places = [place for place in self.places if not _normalization(place).exists()]
        self._run_missing("sample", tasks.sample, places)
        for place in places:
            samples = [load_arrays(file, Sample) for file in self._samples(place)]
            fallback = Normalization(np.zeros(channels), np.zeros(channels))
            save_arrays(
                _normalization(place), normalization_of(samples, rule) if samples else fallback
            )
        if not any(self._samples(place) for place in self.places):
            raise ValueError(
                f"{self.job.image} cannot be read, every part of it is damaged: there is nothing "
                "to segment"
            )

    def classify(self) -> None:
        """Show all blocks to the network; it leaves what the rule needs, and maps if kept."""
        for name in self.job.arrays:
            self._arrays(name, np.float32 if name == "elevation" else np.uint8)
        if self.job.maps:
            self._map_arrays()
        self._run_missing("classify", tasks.classify)

    def decode(self, info: SegmentationInfo) -> tuple[int, ...]:
        """Run all stages up to the last; return the number of cells of each time point."""
        self.classify()
        rule = self.job.rule
        least = _MORE_THAN_ALL if sees_nothing(info, self.look(), rule) else rule.min_size
        self._arrays("cores", np.uint32)
        self._run_missing("find", tasks.find)
        for place in self.places:
            self._array(place, "labels", self._cells(place).number.dtype)
        self._run_missing("label", tasks.label)
        if isinstance(rule.pair, ReliefPair):
            for place in self.places:
                self._unite(place, rule.pair)
            self._run_missing("unite", tasks.unite)
        return tuple(self._finish(place, least).count for place in self.places)

    def write(self, draft: Draft) -> None:
        """Write the final labels."""
        items = [(place.folder, number) for place in self.places for number in self._numbers]
        self._run("write", partial(tasks.write, draft=draft), items)

    def write_maps(self, draft: Draft) -> None:
        """Write the probabilities."""
        items = [(place.folder, number) for place in self.places for number in self._numbers]
        self._run("write probabilities", partial(tasks.write_maps, draft=draft), items)

    def seams(self, labels: Draft | Volume, classes: int) -> tuple[Seams, tuple[int, ...]]:
        """Measure the doubt along the seams of labels, from the maps that `classify` left.

        Returns
        -------
        seams : Seams
            Of all time points, those of a series with their time.
        cells : tuple of int
            Number of cells of each time point.
        """
        for place in self.places:
            make_folder(place.folder / "seams")
        items = [(place.folder, number) for place in self.places for number in self._numbers]
        task = partial(tasks.sum_block_seams, labels=labels, classes=classes)
        self._run("seams", task, items)  # all of them: labels may have been edited meanwhile
        parts, cells = [], []
        for place in self.places:
            files = [place.done("seams", number) for number in self._numbers]
            records = [load_arrays(file, BlockSeams) for file in files]
            parts.append(join_seams([record.sums for record in records]).means())
            cells.append(len(np.unique(np.concatenate([record.labels for record in records]))))
        return series_of(parts) if self.times > 1 else parts[0], tuple(cells)

    def damaged(self) -> tuple[str, ...]:
        """Return the errors of the parts that could not be read, each once."""
        files = (
            place.done("classify", number) for place in self.places for number in self._numbers
        )
        return tuple(dict.fromkeys(line for file in files for line in read_json(file)["damaged"]))

    def look(self) -> Look:
        """Return how sure the network is of all blocks together."""
        files = (
            place.done("classify", number) for place in self.places for number in self._numbers
        )
        # blocks of an earlier version have none
        return sum((Look(*read_json(file).get("look", ())) for file in files), Look())

    def caution(self, model: Model, zoom: Zoom, cells: Sequence[int]) -> str:
        """Return why the image may not fit the model, in one line; empty if nothing says so.

        The second look is at the first time point.
        """
        look, count, place = self.look(), sum(cells), self.places[0]
        maps = [load_arrays(_normalization(one), Normalization) for one in self.places]
        normalise = maps[0]

        def read(box: Box) -> NDArray[Any]:
            return place.volume.read(box, time=place.time)

        view, line = view_of(model, zoom, normalise), ""
        with suppress(DamagedError):  # reported with its block
            line = second_look(read, self.job.shape, view, look, cells=count)
        diameter = self.job.options.diameter
        blank = [time for time, one in enumerate(maps, start=1) if one.is_blank]
        is_blank = len(blank) == len(maps)
        line = line or misfit(
            model.info, look, cells=count, zoom=zoom, diameter=diameter, is_blank=is_blank
        )
        if line or not blank:
            return line
        return (
            f"nothing can be seen at {amount(len(blank), 'time point')} of {len(maps)}, such as "
            f"{blank[0]}: constant, or noise alone"
        )

    @property
    def _numbers(self) -> range:
        return range(len(self.job.blocks))

    def _samples(self, place: Place) -> list[Path]:
        """The files of the blocks that could be measured."""
        files = (place.done("sample", number) for number in self._numbers)
        return [file for file in files if file.exists()]

    def _run_missing(self, stage: str, task: Task, places: Sequence[Place] | None = None) -> None:
        """Run a stage for the blocks that it has not finished."""
        items: list[Item] = []
        for place in self.places if places is None else places:
            make_folder(place.folder / stage)
            items += [(place.folder, n) for n in self._numbers if not place.done(stage, n).exists()]
        self._run(stage, task, items)

    def _run(self, stage: str, task: Task, items: list[Item]) -> None:
        total = len(self._numbers) * self.times
        done = self.runner.run(task, items, self.need)
        for count, _ in enumerate(done, start=total - len(items) + 1):
            self.report(StageProgress(stage, count, total))

    def _arrays(self, name: str, dtype: DTypeLike) -> None:
        for place in self.places:
            self._array(place, name, dtype)

    def _map_arrays(self) -> None:
        """Make the arrays of the probabilities; blocks that were computed without are not done."""
        shape, block = ((self.job.maps, *sizes) for sizes in (self.job.shape, self.job.block))
        for place in self.places:
            path = place.folder / "maps.zarr"
            if not path.exists():
                shutil.rmtree(place.folder / "classify", ignore_errors=True)
                create_scratch(path, shape, block=block, dtype=np.float16)

    def _array(self, place: Place, name: str, dtype: DTypeLike) -> None:
        path = place.folder / f"{name}.zarr"
        if not path.exists():
            create_scratch(path, self.job.shape, block=self.job.block, dtype=dtype)

    def _cells(self, place: Place) -> Cells:
        path = place.folder / "cells.npz"
        if not path.exists():
            cores = _records(place, "find", Cores)
            rule = self.job.rule
            peak = rule.pair.peak if isinstance(rule.pair, ReliefPair) else 0.0
            save_arrays(path, join_cores(self.job.blocks, cores, min_core=rule.min_core, peak=peak))
        return load_arrays(path, Cells)

    def _unite(self, place: Place, pair: ReliefPair) -> None:
        path = place.folder / "same.npz"
        if not path.exists():
            meetings, count = (
                _records(place, "label", Meeting),
                len(self._cells(place).region_of) - 1,
            )
            number = join_meetings(self.job.blocks, meetings, cells=count, saddle=pair.saddle)
            save_arrays(path, Same(number))

    def _finish(self, place: Place, min_size: int) -> Finish:
        last = "unite" if isinstance(self.job.rule.pair, ReliefPair) else "label"
        surveys, count = _records(place, last, Survey), len(self._cells(place).region_of) - 1
        result = join_surveys(self.job.blocks, surveys, cells=count, min_size=min_size)
        save_arrays(place.folder / "finish.npz", result)
        return result


def _normalization(place: Place) -> Path:
    return place.folder / "normalization.npz"


def _records(place: Place, stage: str, kind: type[Any]) -> Callable[[int], Any]:
    """A function that loads what a stage left for a block."""
    return lru_cache(_HELD)(lambda number: load_arrays(place.done(stage, number), kind))
