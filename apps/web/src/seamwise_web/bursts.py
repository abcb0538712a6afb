"""The bursts that are open in pages: `OpenBurst` and `Bursts`."""

import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

from seamwise.io import photo_info
from seamwise_web.answers import RefusalError
from seamwise_web.frame_stack import as_frames
from seamwise_web.fused import FusedPicture
from seamwise_web.jobs import Job
from seamwise_web.pictures import Limits
from seamwise_web.scratch import scratch_folder


class OpenBurst:
    """Frames of one scene, and the picture that they were fused into.

    Frames that are dropped lie in a temporary folder until the burst is closed, as each is read
    several times. Those of the page's folder stay where they are.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    key : str
    folder : Path
        Of the frames that are dropped.
    frames : list of Path
    fused : FusedPicture or None
        The picture; None if the frames changed since.
    """

    def __init__(self, limits: Limits) -> None:
        self.key = secrets.token_urlsafe(12)
        self._limits = limits
        self._scratch = scratch_folder()
        self.folder = Path(self._scratch.name)
        self.frames: list[Path] = []
        self._sizes: list[tuple[int, int]] = []
        self.fused: FusedPicture | None = None
        self.job: Job | None = None
        self.lock = Lock()
        self._coming: dict[str, int] = {}  # bytes that came of each frame

    @property
    def is_busy(self) -> bool:
        """Whether it is being fused."""
        return self.job is not None and self.job.is_open

    @property
    def may_be_closed(self) -> bool:
        """Whether nothing would be lost with it but what can be made again."""
        return not self.is_busy and (self.fused is None or self.fused.is_saved)

    @property
    def room(self) -> int:
        """Bytes that may still be dropped."""
        own = (path for path in self.frames if path.parent == self.folder)
        taken = sum(path.stat().st_size for path in own) + sum(self._coming.values())
        return self._limits.burst_bytes - taken

    @contextmanager
    def arriving(self, name: str) -> Iterator[None]:
        """Keep a name for a frame while it comes.

        Raises
        ------
        RefusalError
            The frames are being fused, there are too many, or one has this name.
        """
        with self.lock:
            self._check_idle()
            most = self._limits.frames
            if len(self.frames) + len(self._coming) >= most:
                raise RefusalError(413, f"the page takes {most} frames: `seamwise fuse` takes more")
            if name in self._coming or name in (path.name for path in self.frames):
                raise RefusalError(409, f"{name} is already a frame of this burst")
            self._coming[name] = 0
        try:
            yield
        finally:
            del self._coming[name]

    def grow(self, name: str, size: int) -> None:
        """Count the bytes of a frame that comes.

        Raises
        ------
        RefusalError
            Together with the others that is too much.
        """
        self._coming[name] = size
        if self.room < 0:
            raise RefusalError(413, "the burst is too large for the page: use `seamwise fuse`")

    def _check_idle(self) -> None:
        if self.is_busy:
            raise RefusalError(409, "the frames are being fused: wait, or cancel")

    def add(self, path: Path) -> None:
        """Add a frame, or the planes of a stack, of which the headers are read.

        Raises
        ------
        ValueError, OSError
            The file is not a photograph.
        RefusalError
            It is too large, or the frames are being fused by now.
        """
        most = self._limits.frames - len(self.frames)
        frames = as_frames(path, self.folder, most=most, room=self.room)
        try:
            for frame in frames:
                self._add(frame)
        except BaseException:
            for frame in set(frames) - {path, *self.frames}:
                frame.unlink(missing_ok=True)
            raise

    def _add(self, path: Path) -> None:
        height, width = photo_info(path).shape[:2]
        if prod((height, width)) > self._limits.frame_pixels:
            most = self._limits.frame_pixels // 1_000_000
            raise RefusalError(
                413, f"{path.name} has more than {most} million pixels: `seamwise fuse` takes it"
            )
        with self.lock:
            self._check_idle()
            self.frames.append(path)
            self._sizes.append((width, height))
            self.fused = None

    def remove(self, number: int) -> None:
        """Remove a frame; one that was dropped is deleted."""
        with self.lock:
            self.check_number(number)
            self._check_idle()
            path = self.frames.pop(number)
            del self._sizes[number]
            self.fused = None
        if path.parent == self.folder:
            path.unlink(missing_ok=True)

    def keep(self, numbers: Sequence[int]) -> None:
        """Keep some frames; the others are removed, those that were dropped are deleted."""
        with self.lock:
            for number in sorted(set(range(len(self.frames))) - set(numbers), reverse=True):
                path = self.frames.pop(number)
                del self._sizes[number]
                if path.parent == self.folder:
                    path.unlink(missing_ok=True)

    def check_number(self, number: int) -> None:
        """Raise RefusalError if no frame has this number."""
        if number >= len(self.frames):
            raise RefusalError(404, f"the burst has no frame {number}: choose another")

    def picture(self) -> FusedPicture:
        """Return the fused picture.

        Raises
        ------
        RefusalError
            The frames were not fused yet.
        """
        if self.fused is None:
            raise RefusalError(409, "these frames were not fused yet: fuse them")
        return self.fused

    def close(self) -> None:
        """Cancel the work and delete the frames that were dropped."""
        if self.job is not None:
            self.job.cancel()
        self._scratch.cleanup()

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the burst."""
        names = [path.name for path in self.frames]
        sizes = zip(names, self._sizes, strict=True)
        return {
            "burst": self.key,
            "frames": [{"name": name, "width": w, "height": h} for name, (w, h) in sizes],
            "job": self.job.key if self.job is not None and self.is_busy else None,
            "fused": None if self.fused is None else self.fused.description(),
        }


class Bursts:
    """The open bursts; the oldest that nobody works on is closed when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bursts: OrderedDict[str, OpenBurst] = OrderedDict()

    def open(self) -> OpenBurst:
        """Return a new burst without frames.

        Raises
        ------
        RefusalError
            Too many bursts are being fused, or have strokes that were not saved.
        """
        if len(self._bursts) >= self._limits.bursts:
            idle = [key for key, burst in self._bursts.items() if burst.may_be_closed]
            if not idle:
                raise RefusalError(
                    409,
                    "too many bursts are open that are being fused or were painted: save their "
                    "pictures in their tabs, or start seamwise again",
                )
            self.close(idle[0])
        burst = OpenBurst(self._limits)
        self._bursts[burst.key] = burst
        return burst

    def find(self, key: str) -> OpenBurst:
        """Return a burst by its key.

        Raises
        ------
        RefusalError
            It is not open.
        """
        if key not in self._bursts:
            raise RefusalError(404, "this burst was closed: drop its frames again")
        self._bursts.move_to_end(key)
        return self._bursts[key]

    def close(self, key: str) -> None:
        """Forget a burst."""
        if key in self._bursts:
            self._bursts.pop(key).close()

    def close_all(self) -> None:
        """Forget all bursts."""
        for key in list(self._bursts):
            self.close(key)
