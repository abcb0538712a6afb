"""Do the metrics reward a source that is returned unchanged? Section 6.3.2 and Figure 47.

python reproduction/fusion/fig47.py ../shared/data/fusion/lytro/pairs -o results [--quick]

Scores on each pair x-A.jpg, x-B.jpg what HF-Reg paints, without and with *Near* (6.6), which gives
each pixel the colour of the nearest source, and both sources as they are: the thesis' Dummy A and
Dummy B. Writes the scores of each pair to fig47.json, and fig47.md.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparison import DIGITS
from fig46 import find_pairs
from seamwise.analysis import bold_columns, markdown_table
from seamwise.fusion import DUMMIES, METRICS, Model, fuse_pair, load
from seamwise.metrics.fusion import to_grey
from seamwise.pictures import as_unit
from stored import (
    check_stored,
    command,
    holds,
    pixels_sha256,
    provenance_of,
    script_parser,
    store,
)

MODEL = "focus-reg"
PAINTED, NEAR = "without Near", "with Near"
RESULTS = (PAINTED, NEAR, *DUMMIES)

Scores = dict[str, dict[str, float]]


def score_pair(sources: Sequence[NDArray[np.uint8]], model: Model) -> Scores:
    """Return each metric of each result."""
    a, b = (as_unit(source) for source in sources)
    painted, near = (
        np.round(255 * fuse_pair(a, b, model=model, nearest=nearest).image).astype(np.uint8)
        for nearest in (False, True)
    )
    grey_a, grey_b = (to_grey(source) for source in sources)

    def of_image(image: NDArray[np.uint8]) -> dict[str, float]:
        grey = to_grey(image)
        return {m: round(metric(grey_a, grey_b, grey), DIGITS) for m, metric in METRICS.items()}

    return {
        name: of_image(image)
        for name, image in zip(RESULTS, (painted, near, *sources), strict=True)
    }


def means(pairs: Mapping[str, Scores], result: str) -> list[float]:
    """Return the mean over the pairs for each metric."""
    values = [list(scores[result].values()) for scores in pairs.values()]
    return [float(mean) for mean in np.mean(values, axis=0)]


def table(pairs: Mapping[str, Scores]) -> str:
    """Write the mean of each metric, the highest of each column in bold."""
    rows = [map("{:.4f}".format, means(pairs, result)) for result in RESULTS]
    columns = list(zip(*rows, strict=True))
    lines = [[name, *cells] for name, cells in bold_columns(RESULTS, columns).items()]
    head = [f"mean of {len(pairs)} pairs", *(metric.upper() for metric in METRICS)]
    return markdown_table(head, lines)


def higher_for_a_source(pairs: Mapping[str, Scores], result: str) -> list[str]:
    """List the metrics on which a returned source has a higher mean than a result."""
    best = np.max([means(pairs, dummy) for dummy in DUMMIES], axis=0)
    above = best > means(pairs, result)
    return [metric.upper() for metric, is_above in zip(METRICS, above, strict=True) if is_above]


def judge(pairs: Mapping[str, Scores], result: str) -> str:
    """Judge the claim that most metrics are higher for a returned source than for a result."""
    names = higher_for_a_source(pairs, result)
    return f"{holds(len(names) > len(METRICS) / 2)}, {len(names)} of {len(METRICS)} metrics"


def verdict(pairs: Mapping[str, Scores]) -> str:
    """Write the verdict without and with Near, and on which metrics a source is ahead."""

    def line(result: str) -> str:
        names = higher_for_a_source(pairs, result)
        listed = f": {', '.join(names)}" if names else ""
        return f"- {result}: {judge(pairs, result)}{listed}."

    lines = ["A source returned unchanged has the higher mean on most metrics, against HF-Reg:", ""]
    return "\n".join([*lines, line(PAINTED), line(NEAR)]) + "\n"


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claim."""
    return f"{table(content['pairs'])}\n{verdict(content['pairs'])}"


def main() -> None:
    arguments = script_parser(__doc__, "one pair; files are called fig47-quick…").parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / ("fig47-quick.json" if arguments.quick else "fig47.json")
    sources = find_pairs(arguments.data, 1 if arguments.quick else None)
    provenance = provenance_of(
        {MODEL: MODEL},
        names=list(sources),
        data_sha256=pixels_sha256(chain.from_iterable(sources.values())),
        metrics=list(METRICS),
    )
    check_stored(path, provenance)
    model = load(MODEL)
    pairs = {name: score_pair(pair, model) for name, pair in sources.items()}
    store(path, provenance, {"pairs": pairs})
    text = table(pairs) if arguments.quick else section({"pairs": pairs})
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    command(main)
