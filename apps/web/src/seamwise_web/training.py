"""A model that is trained on corrected cells: `Training`, `Trainings`, `train_on`."""

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamwise.io import write_labels, write_photo
from seamwise_web.answers import RefusalError
from seamwise_web.display import plain_channel
from seamwise_web.jobs import Job
from seamwise_web.offers import Offer, Shelf
from seamwise_web.pictures import Limits, Picture, Place
from seamwise_web.scratch import scratch_folder

if TYPE_CHECKING:  # slow to import
    from seamwise.segmentation import TrainProgress

LEAST_STEPS, MOST_STEPS = 2, 5000
"""That a user may ask for; without a wish, `start_defaults` takes 200 to 2,000."""
_SHOWN = 400  # points of the curve


Plan = tuple[Offer, int | None]
"""The model to begin with, and the steps; None for as many as suit the images."""


class Training:
    """Corrected images, and a run that trains a model on them.

    Their files lie in a temporary folder until the training is closed.

    Attributes
    ----------
    key : str
    number : int
        Of the run.
    steps : int
        That the run takes.
    history : list of TrainProgress
    offer : Offer or None
        The model, once it is trained.
    is_saved : bool
        Whether the model was saved.
    """

    def __init__(self, limits: Limits, shelf: Shelf) -> None:
        self.key = secrets.token_urlsafe(12)
        self._limits, self._shelf = limits, shelf
        self._scratch = scratch_folder()
        self.folder = Path(self._scratch.name)
        self._images: dict[tuple[str, Place], tuple[str, int]] = {}  # name and pixels
        self.number = 0
        self.steps = 0
        self.history: list[TrainProgress] = []
        self.offer: Offer | None = None
        self.is_saved = False
        self._trained: list[Offer] = []
        self._plan: Plan | None = None
        self.job: Job | None = None

    @property
    def names(self) -> list[str]:
        """What the images are called; an equal name gets a number."""
        names: list[str] = []
        for name, _ in self._images.values():
            others = sum(other == name for other, _ in list(self._images.values())[: len(names)])
            names.append(f"{name} ({others + 1})" if others else name)
        return names

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
        """Whether it waits or trains; a run that was cancelled does until its step ends."""
        return self.job is not None and (self.job.is_open or self.job.is_at_work)

    @property
    def is_stopping(self) -> bool:
        """Whether it was cancelled and ends its step."""
        return self.is_busy and self.job is not None and not self.job.is_open

    @property
    def may_be_closed(self) -> bool:
        """Whether no work would be lost with it, nor a model that was not saved."""
        return not self.is_busy and (self.offer is None or self.is_saved)

    @property
    def can_resume(self) -> bool:
        """Whether a run was cancelled that can be resumed."""
        return not self.is_busy and self.offer is None and (self.output / "checkpoint.pt").exists()

    def add(self, picture: Picture, place: Place) -> None:
        """Add a plane with its cells as they are now; one that was added before is replaced.

        A run that was cancelled cannot be resumed with other images.

        Raises
        ------
        RefusalError
            It is training, there are too many images, or the image has no cell, or is a stack.
        """
        if self.is_busy:
            raise RefusalError(409, "the model is being trained: wait, or cancel")
        with picture.lock:
            cells = picture.corrected(place)
            labels, channel = cells.labels.copy(), cells.maps.channel
        if labels.ndim != 2:
            raise RefusalError(409, "the page trains on planes: `seamwise train` takes stacks")
        if not labels.any():
            raise RefusalError(409, "the image has no cell to learn from: draw some, or find them")
        name = picture.name_of(place)
        images = {**self._images, (picture.key, place): (name, prod(labels.shape))}
        total = sum(pixels for _, pixels in images.values())
        if len(images) > self._limits.training or total > 5 * self._limits.pixels:
            raise RefusalError(413, "that is too much for the page: `seamwise train` takes more")
        for part in ("images", "masks"):
            (self.data / part).mkdir(parents=True, exist_ok=True)
        name = f"{list(images).index((picture.key, place)):03d}.tif"
        image = plain_channel(picture.part(place)[channel])
        write_photo(self.data / "images" / name, image)
        write_labels(self.data / "masks" / name, labels)
        self._images = images
        self.forget()

    def forget(self) -> None:
        """Forget the run, so that the next one begins at its first step."""
        self.number += 1
        self.history, self.offer, self.steps = [], None, 0

    def begin(self, start: Offer, steps: int | None) -> None:
        """Plan a run from its first step; the one before is forgotten."""
        self.forget()
        self._plan = start, steps

    @property
    def plan(self) -> Plan:
        """Model and steps of the run.

        Raises
        ------
        RefusalError
            No run was begun.
        """
        if self._plan is None:
            raise RefusalError(409, "nothing was trained yet: choose a model to begin with")
        return self._plan

    def keep(self, start: Offer, path: Path) -> None:
        """Take the model that a run ended with, and offer it on the page."""
        purpose = f"is {start.name}, trained on {len(self.names)} of your images"
        name = self._shelf.new_name("corrected")
        offer = replace(start, name=name, path=path, purpose=purpose)
        self._trained.append(offer)
        self._shelf.add(offer)
        self.offer, self.is_saved = offer, False

    def close(self) -> None:
        """Cancel the work; delete all files, and take the models off the page."""
        if self.job is not None:
            self.job.cancel()
        for offer in self._trained:
            self._shelf.remove(offer)
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
            "is_stopping": self.is_stopping,
            "job": None if self.job is None else self.job.key,
            "stage": "" if self.job is None else self.job.stage,
            "error": "" if self.job is None else self.job.error,
            "can_resume": self.can_resume,
            "model": None if self.offer is None else self.offer.description(),
        }


class Trainings:
    """The open trainings; the oldest that would lose nothing is closed when there are too many."""

    def __init__(self, limits: Limits, shelf: Shelf) -> None:
        self._limits, self._shelf = limits, shelf
        self._trainings: OrderedDict[str, Training] = OrderedDict()

    def open(self) -> Training:
        """Return a new training without images.

        Raises
        ------
        RefusalError
            Too many are at work, or have a model that was not saved.
        """
        if len(self._trainings) >= self._limits.trainings:
            idle = [key for key, training in self._trainings.items() if training.may_be_closed]
            if not idle:
                raise RefusalError(
                    409,
                    "too many models are being trained or were not saved: save their models in "
                    "their tabs, or start seamwise again",
                )
            self.close(idle[0])
        training = Training(self._limits, self._shelf)
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


def train_on(training: Training, *, is_resumed: bool) -> Callable[[Job], None]:
    """Return the job that does the run of a training, or resumes it if it was cancelled."""
    start, steps = training.plan

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
        job.finish(lambda: training.keep(start, path))

    return work
