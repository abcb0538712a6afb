"""Runs from disk to disk: with options by name, stopped in the middle, and what they left."""

from dataclasses import fields
from pathlib import Path

from seamwise.engine import Listener, Resources
from seamwise.segmentation import OutputOptions, SegmentOptions, segment_volume


def run(path, output, **options):
    """`segment_volume`, with the options of its values given one by one."""

    def value(kind):
        names = [field.name for field in fields(kind) if field.name in options]
        return kind(**{name: options.pop(name) for name in names})

    values = [value(kind) for kind in (SegmentOptions, Resources, OutputOptions, Listener)]
    assert not options
    return segment_volume(path, output, *values[:2], files=values[2], listener=values[3])


class Stop(Exception):
    """What ends a run in the middle."""


def stop_at(stage, done=1):
    def report(progress):
        if (progress.stage, progress.done) == (stage, done):
            raise Stop

    return report


def work_of(output):
    return output.with_name(f".{output.name}.cells.work")


def hidden(folder):
    """Traces of unfinished work."""
    return [
        path.name for path in folder.iterdir() if path.name.endswith((".work", ".part", ".old"))
    ]


def spoil_chunk(path, *index):
    (path / "0" / "c" / Path(*map(str, index))).write_bytes(b"no zstd")
