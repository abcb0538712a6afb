"""The tables of `fusion.py` whose figures are kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

NETWORKS = ("focus-pair", "focus-seg")
"""Networks that are ranked in turn among the classical methods, not against each other."""
NOT_RANKED = (*NETWORKS, "focus-reg", "focus-burst", "source A", "source B")


def real_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the mean of each metric over real pairs."""
    yield f"| mean of {content['pairs']} pairs | {head(content)} |"
    yield "|---" * (len(content["metrics"]) + 1) + "|"
    for name, means in content["means"].items():
        yield f"| {name} | {' | '.join(f'{mean:.4f}' for mean in means)} |"


def rank_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the ranks of the means among the classical methods and one network."""
    means = content["means"]
    rivals = [name for name in means if name not in NOT_RANKED]
    ranks: dict[str, Sequence[float]] = {}
    for network in NETWORKS:
        if network in means:
            compared = [network, *rivals]
            columns = rankdata(-np.array([means[name] for name in compared]), axis=0)
            ranks = {**dict(zip(compared, columns.tolist(), strict=True)), **ranks}
    yield f"| | mean rank | {head(content)} |"
    yield "|---|---" + "|---" * len(content["metrics"]) + "|"
    for name in sorted(ranks, key=lambda name: np.mean(ranks[name])):
        columns = " | ".join(f"{rank:g}" for rank in ranks[name])
        yield f"| {name} | {np.mean(ranks[name]):.2f} | {columns} |"


def head(content: Mapping[str, Any]) -> str:
    """Write the names of the metrics."""
    return " | ".join(name.upper() for name in content["metrics"])


def synthetic_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write PSNR and SSIM of made-up pairs, and how much the order of the sources matters."""
    hard, matte = content["kinds"]["hard"], content["kinds"]["matte"]
    yield (
        "| | PSNR, hard edges | SSIM | MSE of f(A,B) − f(B,A), 1e-6 | PSNR, matte edges | SSIM |"
    )
    yield "|---|---|---|---|---|---|"
    for name in hard:
        psnr, ssim, order = hard[name]
        cells = [spread(psnr, 1), spread(ssim, 4), f"{1e6 * np.mean(order):.2f}"]
        cells += [spread(matte[name][0], 1), spread(matte[name][1], 4)]
        yield f"| {name} | {' | '.join(cells)} |"


def spread(values: Sequence[float], digits: int) -> str:
    """Write mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"
