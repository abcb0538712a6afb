"""Seven metrics and SSIM on synthetic pairs: the thesis' section 6.3.4, Table 8 and Figure 50.

python reproduction/fusion/table8.py ../shared/data/fusion/bsds500 -o results [--pairs 100]
python reproduction/fusion/table8.py ../shared/data/fusion/bsds500 -o results --quick

Pairs of thesis (6.1), σ uniform in 1..5, from the quarter of the pictures that `--leave-out-every
4` keeps from the training of the shipped models; the thesis takes MS COCO. Needs the extra
`matting`. Writes the scores of each pair to table8.json, table8.md, box plots (SSIM's are Figure
50) and critical-difference diagrams. It resumes where it was stopped.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import comparison
from seamwise.fusion import FusionScores, Simulation, make_pair
from stored import command, holds, script_parser, split_pictures

PRINTED = comparison.rows(
    ("CNN", "DCT+CV", "DCT", "GFF", "IM", "HF-Reg", "HF-Seg"),
    "Q_MI 1.1467±.1474 .9014±.1777 .8827±.1726 1.0920±.1695 1.1350±.1501 1.1828±.1107 1.1924±.1156",
    "Q_TE .4101±.0412 .3869±.0458 .3810±.0452 .4049±.0417 .4055±.0418 .4129±.0328 .4152±.0352",
    "Q_NCIE .8425±.0111 .8275±.0100 .8263±.0092 .8390±.0121 .8418±.0113 .8432±.0087 .8445±.0095",
    "Q_G .7499±.0405 .6788±.0620 .6759±.0615 .7526±.0390 .7365±.0447 .6714±.0895 .7182±.0548",
    "Q_P .7985±.0816 .7376±.0870 .6959±.0963 .7964±.0811 .7426±.0831 .7414±.1110 .7722±.0938",
    "Q_S .9566±.0159 .9411±.0211 .9408±.0210 .9586±.0144 .9440±.0210 .9493±.0174 .9548±.0153",
    "Q_CB .8198±.0383 .7112±.0621 .6838±.0666 .8125±.0376 .7950±.0515 .7449±.0844 .7719±.0572",
)
THESIS = comparison.Thesis(
    PRINTED, ties=tuple(itertools.combinations(("CNN", "GFF", "HF-Reg", "HF-Seg"), 2))
)
NEARLY_ONE = 0.99


def pairs(data: Path, count: int) -> Iterator[comparison.Pair]:
    test_pictures = split_pictures(data).test
    for number, picture in enumerate(itertools.islice(itertools.cycle(test_pictures), count)):
        pair = make_pair(
            picture, crop=None, simulation=Simulation(), rng=np.random.default_rng((1, number))
        )
        a, b, truth = (np.round(255 * x).astype(np.uint8) for x in (pair.a, pair.b, pair.truth))
        yield comparison.Pair(f"{number}-{picture.name}", (a, b), truth)


def ssim_claims(scores: FusionScores) -> str:
    """What section 6.3.4 says about SSIM, Figure 50, with the numbers here."""
    column = scores.values[:, :, scores.metrics.index("ssim")]
    by_system = dict(zip(scores.methods, column.T, strict=True))
    seg, reg, gff, cnn = (by_system[name] for name in ("HF-Seg", "HF-Reg", "GFF", "CNN"))
    share = share_nearly_one(seg)
    lines = [
        f"- SSIM of HF-Seg is nearly 1 for most pairs: {holds(share > 0.5)}; median "
        f"{np.median(seg):.4f}, "
        f"above {NEARLY_ONE} for {share:.0%} of the pairs.",
        f"- SSIM of HF-Reg is comparable to that of GFF: medians {np.median(reg):.4f} and "
        f"{np.median(gff):.4f}, "
        f"HF-Reg higher for {np.mean(reg > gff):.0%} of the pairs, by {np.median(reg - gff):+.4f} "
        "in the median.",
        "- SSIM of HF-Reg varies less than that of CNN: "
        f"{holds(reg.std(ddof=1) < cnn.std(ddof=1))}; "
        f"standard deviations {reg.std(ddof=1):.4f} and {cnn.std(ddof=1):.4f}.",
    ]
    return "\n".join(lines) + "\n"


def share_nearly_one(similarity: NDArray[np.float64]) -> float:
    """Return the share of the pairs whose SSIM is above `NEARLY_ONE`."""
    return float(np.mean(similarity > NEARLY_ONE))


def section(scores: FusionScores) -> str:
    """Write the table, and what it says to the claims."""
    heading = f"{len(scores.pairs)} synthetic pairs, mean ± standard deviation."
    return comparison.section(scores, THESIS, heading=heading, also=ssim_claims(scores))


def main() -> None:
    parser = script_parser(__doc__, "two pairs; files are called table8-quick…")
    parser.add_argument("--pairs", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.pairs < 2:
        parser.error(f"--pairs must be 2 or more, not {arguments.pairs}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem, count = ("table8-quick", 2) if arguments.quick else ("table8", arguments.pairs)
    chosen_pairs = pairs(arguments.data, count)
    path = arguments.output / f"{stem}.json"
    scores = comparison.score(chosen_pairs, count, scores_path=path)
    comparison.write(scores, section(scores), arguments.output, stem)


if __name__ == "__main__":
    command(main)
