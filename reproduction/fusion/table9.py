"""Seven metrics on real pairs: the thesis' section 6.3.5 and its Table 9.

python reproduction/fusion/table9.py ../shared/data/fusion/lytro/pairs -o results
python reproduction/fusion/table9.py ../shared/data/fusion/lytro/pairs -o results --quick

Pairs x-A.jpg, x-B.jpg, fused as they are. The thesis has all 20 pairs of Lytro. Needs the extra
`matting`. Writes the scores of each pair to table9.json, table9.md, box plots and
critical-difference diagrams. It resumes where it was stopped.
"""

import itertools
from pathlib import Path

import comparison
from fig46 import find_pairs
from seamwise.fusion import FusionScores
from stored import command, script_parser

PRINTED = comparison.rows(
    ("CNN", "DCT+CV", "DCT", "GFF", "IM", "HF-Reg", "HF-Seg"),
    "Q_MI 1.1467±.1107 .8476±.1419 .8347±.1403 1.0932±.1209 1.1376±.1045 1.1538±.0865 1.1758±.0968",
    "Q_TE .3994±.0299 .3702±.0380 .3656±.0381 .3969±.0320 .3961±.0287 .3984±.0268 .4020±.0286",
    "Q_NCIE .8425±.0080 .8259±.0081 .8251±.0077 .8390±.0081 .8420±.0078 .8423±.0066 .8443±.0076",
    "Q_G .7234±.0280 .6939±.0328 .6853±.0353 .7182±.0307 .7159±.0301 .6636±.0420 .7096±.0315",
    "Q_P .8488±.0395 .8140±.0490 .7633±.0658 .8465±.0395 .8205±.0472 .8004±.0432 .8387±.0408",
    "Q_S .9466±.0124 .9377±.0143 .9367±.0147 .9467±.0123 .9419±.0131 .9418±.0131 .9447±.0130",
    "Q_CB .8058±.0381 .7230±.0395 .7030±.0466 .7929±.0400 .7922±.0408 .7550±.0477 .7898±.0439",
)
THESIS = comparison.Thesis(
    PRINTED, ties=tuple(itertools.product(("HF-Reg", "HF-Seg"), ("CNN", "GFF")))
)


def pairs(folder: Path, count: int | None) -> list[comparison.Pair]:
    return [comparison.Pair(name, sources) for name, sources in find_pairs(folder, count).items()]


def section(scores: FusionScores) -> str:
    """Write the table, and what it says to the claims."""
    heading = f"{len(scores.pairs)} real pairs, mean ± standard deviation."
    return comparison.section(scores, THESIS, heading=heading)


def main() -> None:
    arguments = script_parser(__doc__, "two pairs; files are called table9-quick…").parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem, count = ("table9-quick", 2) if arguments.quick else ("table9", None)
    chosen_pairs = pairs(arguments.data, count)
    path = arguments.output / f"{stem}.json"
    scores = comparison.score(chosen_pairs, len(chosen_pairs), scores_path=path)
    comparison.write(scores, section(scores), arguments.output, stem)


if __name__ == "__main__":
    command(main)
