"""How far a fusion is, stage by stage: `stage_report`, `two_rounds`."""

from collections.abc import Callable

from seamwise.engine.listener import StageProgress

Report = Callable[[StageProgress], None]


def stage_report(report: Report, stage: str) -> Callable[[int, int], None]:
    """Return what reports how many frames of a stage are done, of how many."""
    return lambda done, total: report(StageProgress(stage, done, total))


def two_rounds(report: Report, stage: str, count: int) -> Callable[[int, int], None]:
    """A report of a work that may read its frames a second time, which counts from 1 again."""

    def read(done: int, _: int) -> None:
        is_again = done > count
        words = f"{stage} again" if is_again else stage
        report(StageProgress(words, done - count * is_again, count))

    return read
