"""The table of `fine_tuning.py --kind hazy`: scores by the number of annotated images."""

from collections.abc import Iterator, Mapping
from typing import Any

from fine_tuning_plot import HALF_MASKS, NOTHING, WHOLE_MASKS

Run = Mapping[str, Any]


def hazy_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table: a row for each count of images."""
    yield (
        "| annotated images | steps | from the other nuclei: PQ, AP at IoU 0.5 | from nothing "
        "| half of the cells erased, `near` | processor, s |"
    )
    yield "|---|---|---|---|---|---|"
    runs = content["runs"]
    for count in sorted({run["images"] for run in runs}):
        of_count = [run for run in runs if run["images"] == count]
        columns = [
            one(of_count, from_nothing=False, masks=WHOLE_MASKS),
            one(of_count, from_nothing=True, masks=WHOLE_MASKS),
            one(of_count, from_nothing=False, masks=HALF_MASKS),
        ]
        scores = " | ".join(pq_and_ap(run) for run in columns)
        seconds = ", ".join(str(run["seconds"]) for run in columns if run.get("seconds"))
        yield f"| {count} | {of_count[0]['steps']} | {scores} | {seconds} |"


def one(runs: list[Run], *, from_nothing: bool, masks: Mapping[str, Any]) -> Run:
    """Return the run with this start and these masks; an empty one if it was not made."""
    same = [run for run in runs if run.items() >= masks.items()]
    return next((run for run in same if (run["start"] == NOTHING) == from_nothing), {})


def pq_and_ap(run: Run) -> str:
    """Write both scores without their zero; nothing for an empty run."""
    return ", ".join(f"{run[key]:.3f}".removeprefix("0") for key in ("pq", "ap")) if run else ""
