"""A model that is trained on corrected cells: `Training`, `Trainings`, `train_on`."""

import os
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamwise.io import write_labels, write_photo
from seamwise_web.answers import RefusalError
from seamwise_web.jobs import Job
from seamwise_web.offers import Offer
from seamwise_web.pictures import Limits, Picture, plain_channel

if TYPE_CHECKING:  # slow to import
    from seamwise.segmentation import TrainProgress

LEAST_STEPS, MOST_STEPS = 2, 5000
_SHOWN = 400  # points of the curve


Plan = tuple[Offer, int | None]
"""The model to begin with, and the steps; None for as many as suit the images."""


class Training:
    """Corrected images, and a run that trains a model on them.

    Their files lie in a temporary folder until the training is closed.

    Attributes
    ----------
    key : str
    names : list of str
        Of the images.
    number : int
        Of the run.
    steps : int
        That the run takes.
    history : list of TrainProgress
    offer : Offer or None
        The model, once it is trained.
    plan : tuple of Offer and int
        Of the run.
    """

    def __init__(self, limits: Limits) -> None:
        self.key = secrets.token_urlsafe(12)
        self._limits = limits
        self._scratch = tempfile.TemporaryDirectory(prefix="seamwise-", ignore_cleanup_errors=True)
        self.folder = Path(self._scratch.name)
        self.names: list[str] = []
        self._pixels: dict[str, int] = {}
        self.number = 0
        self.steps = 0
        self.history: list[TrainProgress] = []
        self.offer: Offer | None = None
        self.job: Job | None = None
        self.plan: Plan | None = None

    @property
    def data(self) -> Path:
        """Folder of the images and masks."""
        return self.folder / "data"

    @property
    def output(self) -> Path:
        """Folder of the run."""
        return self.folder / f"run{self.number}"

    @property
    def is_busy(self) -> bool:
        """Whether it waits or trains."""
        return self.job is not None and self.job.is_open

    @property
    def can_resume(self) -> bool:
        """Whether a run was cancelled that can be resumed."""
        return not self.is_busy and self.offer is None and (self.output / "checkpoint.pt").exists()

    def add(self, picture: Picture) -> None:
        """Add an image with its cells as they are now; one of the same name is replaced.

        A run that was cancelled cannot be resumed with other images.

        Raises
        ------
        RefusalError
            It is training, there are too many images, or the image has no cell.
        """
        if self.is_busy:
            raise RefusalError(409, "the model is being trained: wait, or cancel")
        with picture.lock:
            cells = picture.corrected()
            labels, channel = cells.labels.copy(), cells.maps.channel
        if not labels.any():
            raise RefusalError(409, "the image has no cell to learn from: draw some, or find them")
        pixels = {**self._pixels, picture.name: prod(labels.shape)}
        if len(pixels) > self._limits.training or sum(pixels.values()) > 5 * self._limits.pixels:
            raise RefusalError(413, "that is too much for the page: `seamwise train` takes more")
        for part in ("images", "masks"):
            (self.data / part).mkdir(parents=True, exist_ok=True)
        name = f"{list(pixels).index(picture.name):03d}.tif"
        write_photo(self.data / "images" / name, plain_channel(picture.channels[channel]))
        write_labels(self.data / "masks" / name, labels)
        self._pixels = pixels
        self.names = list(pixels)
        self.forget()

    def forget(self) -> None:
        """Forget the run, so that the next one begins at its first step."""
        self.number += 1
        self.history, self.offer, self.steps = [], None, 0

    def close(self) -> None:
        """Cancel the work and delete all files."""
        if self.job is not None:
            self.job.cancel()
        self._scratch.cleanup()

    def description(self) -> dict[str, Any]:
        """Return what the page shows."""
        thin = self.history[:: max(1, -(-len(self.history) // _SHOWN))]
        scored = [step for step in self.history if step.scores]
        return {
            "training": self.key,
            "names": self.names,
            "steps": self.steps,
            "loss": [[step.step, step.loss] for step in thin],
            "scores": [[step.step, next(iter(step.scores.values()))] for step in scored],
            "is_busy": self.is_busy,
            "job": None if self.job is None else self.job.key,
            "can_resume": self.can_resume,
            "model": None if self.offer is None else self.offer.description(),
        }


class Trainings:
    """The open trainings; the oldest that is not at work is closed when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._trainings: OrderedDict[str, Training] = OrderedDict()

    def open(self) -> Training:
        """Return a new training without images.

        Raises
        ------
        RefusalError
            Too many are at work.
        """
        if len(self._trainings) >= self._limits.trainings:
            idle = [key for key, training in self._trainings.items() if not training.is_busy]
            if not idle:
                raise RefusalError(409, "too many models are being trained: wait for one of them")
            self.close(idle[0])
        training = Training(self._limits)
        self._trainings[training.key] = training
        return training

    def find(self, key: str) -> Training:
        """Return a training by its key.

        Raises
        ------
        RefusalError
            It is not open.
        """
        if key not in self._trainings:
            raise RefusalError(404, "this training was closed: add the images again")
        self._trainings.move_to_end(key)
        return self._trainings[key]

    def close(self, key: str) -> None:
        """Forget a training."""
        if key in self._trainings:
            self._trainings.pop(key).close()

    def close_all(self) -> None:
        """Forget all trainings."""
        for key in list(self._trainings):
            self.close(key)


def train_on(
    training: Training, plan: Plan, keep: Callable[[Offer], None]
) -> Callable[[Job], None]:
    """Return the work that trains a model on; it resumes a run that was cancelled.

    Parameters
    ----------
    training : Training
    plan : tuple of Offer and int
        As that of the run that was cancelled, if there is one.
    keep : function
        Called with the model that comes out.
    """
    is_resumed = training.can_resume
    start, steps = plan

    def run(job: Job) -> Path:
        from seamwise.segmentation import (
            TrainSettings,
            find_pairs,
            read_split,
            start_defaults,
            train,
        )

        job.begin("reading the images")
        split = find_pairs(training.data)
        options = start_defaults(split.training, start=str(start.path))
        if steps is not None:
            options |= {"steps": steps, "validate_every": max(1, steps // 12)}
        settings = TrainSettings(**{**options, "start": str(start.path)})
        images, validation, _ = read_split(split, settings)
        training.steps = settings.steps
        training.output.mkdir(exist_ok=True)

        def report(progress: "TrainProgress") -> bool:
            training.history.append(progress)
            if job.is_open:
                job.begin("training", progress.step / settings.steps)
            return job.is_open  # else the run stops, with a checkpoint

        return train(
            images, validation, settings, output=training.output, resume=is_resumed, report=report
        )

    def work(job: Job) -> None:
        try:
            path = run(job)
        except (ValueError, TypeError, OSError) as error:
            words = str(error).replace(f"{training.folder}{os.sep}", "")
            raise ValueError(words) from error
        purpose = f"is {start.name}, trained on {len(training.names)} of your images"
        name = f"corrected {training.key[:5]}-{training.number}"
        offer = replace(start, name=name, path=path, purpose=purpose)

        def finish() -> None:
            training.offer = offer
            keep(offer)

        job.finish(finish)

    return work
