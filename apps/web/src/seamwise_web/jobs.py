"""Queues of long work, with progress and cancel: `Jobs`."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from seamwise_web.answers import RefusalError, explain, shortened

_MOST_DONE = 100  # jobs that are remembered after their end


class JobCancelledError(Exception):
    """The user cancelled the job."""


class Job:
    """Work in the queue.

    Attributes
    ----------
    key : str
    state : {"waiting", "running", "done", "failed", "cancelled"}
    stage : str
        What is being done, in words.
    share : float or None
        How much of the stage is done, 0 to 1; None if that is not known.
    error : str
        Why it failed; else empty.
    is_at_work : bool
        Whether its thread has not returned. One that was cancelled ends its step first.
    is_training : bool
        Whether it has the queue of the trainings.
    """

    def __init__(self, *, is_training: bool = False) -> None:
        self.is_training = is_training
        self.key = secrets.token_urlsafe(9)
        self.state, self.stage, self.error = "waiting", "waiting", ""
        self.share: float | None = None
        self.is_at_work = False
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def begin(self, stage: str, share: float | None = None) -> None:
        """Report what is done next, or how much of it is done.

        Raises
        ------
        JobCancelledError
            The user cancelled.
        """
        if self.state == "cancelled":
            raise JobCancelledError
        self.stage, self.share = stage, share

    def finish(self, keep: Callable[[], None]) -> None:
        """Keep the result, unless the user cancelled before.

        Raises
        ------
        JobCancelledError
            The user cancelled.
        """
        with self._lock:
            self.begin("done")
            keep()
            self.state, self.is_at_work = "done", False

    def cancel(self) -> None:
        """Stop the work at its next step. Nothing of it is kept."""
        with self._lock:
            if self.is_open:
                self.state = "cancelled"

    def run(self, work: Callable[["Job"], None]) -> None:
        """Do the work, which ends with `finish`."""
        with self._lock:
            if self.state == "cancelled":
                return
            self.state, self.is_at_work = "running", True
        words = ""
        try:
            work(self)
        except JobCancelledError:
            pass
        except Exception as error:
            words = shortened(explain(error)[1])
        with self._lock:
            if words and self.state == "running":  # a job that was cancelled stays so
                self.state, self.error = "failed", words
            self.is_at_work = False

    def description(self, ahead: int) -> dict[str, Any]:
        """Return what the page shows; `ahead` is the number of jobs before this one."""
        return {
            "job": self.key,
            "state": self.state,
            "stage": self.stage,
            "share": self.share,
            "error": self.error,
            "ahead": ahead,
        }


class Jobs:
    """A queue that does one work after the other, in a thread; another one for trainings.

    So a training, which may take an hour, holds up other trainings only.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seamwise-job")
        self._trainings = ThreadPoolExecutor(1, thread_name_prefix="seamwise-training")
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def add(self, work: Callable[[Job], None], *, is_training: bool = False) -> Job:
        """Put a work at the end of its queue."""
        job = Job(is_training=is_training)
        self._jobs[job.key] = job
        over = [old for old in self._jobs.values() if not old.is_open]
        for old in over[: max(0, len(over) - _MOST_DONE)]:
            del self._jobs[old.key]
        thread = self._trainings if is_training else self._thread
        thread.submit(job.run, work)
        return job

    def find(self, key: str) -> Job:
        """Return a job by its key.

        Raises
        ------
        RefusalError
            The job does not exist, or is forgotten.
        """
        if key not in self._jobs:
            raise RefusalError(404, "this job was forgotten: begin it again")
        return self._jobs[key]

    def description(self, job: Job) -> dict[str, Any]:
        """Return what the page shows of a job."""
        jobs = [other for other in self._jobs.values() if other.is_training == job.is_training]
        return job.description(sum(other.is_open for other in jobs[: jobs.index(job)]))

    def close(self) -> None:
        """Cancel all, and wait for the step that runs."""
        for job in list(self._jobs.values()):
            job.cancel()
        for thread in (self._thread, self._trainings):
            thread.shutdown(wait=True, cancel_futures=True)
