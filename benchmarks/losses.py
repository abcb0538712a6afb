"""Cost of every loss next to torch's cross entropy: forward and backward at (2, 4, 512, 512)."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from seamwise.losses import (
    cross_entropy,
    cross_entropy_and_dice,
    cross_entropy_and_youden,
    dice,
    focal,
    lovasz_softmax,
    tversky,
    youden,
)

ROUNDS = 101
ROUNDS_OF_ALL = 21


def seconds(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> float:
    logits = logits.detach().requires_grad_()
    begin = time.perf_counter()
    loss(logits, target).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begin


def both(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(logits, target) + youden(logits, target)


def torch_alone(logits: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)


def time_in_turn(
    named: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    logits: Tensor,
    target: Tensor,
    rounds: int,
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds + 2):  # in turn, so that a busy moment of the machine hits all of them
        for name, loss in named.items():
            times[name].append(seconds(loss, logits, target))
    return {name: values[2:] for name, values in times.items()}


def median_ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    return statistics.median(
        mine / other for mine, other in zip(times[name], times[base], strict=True)
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 512, 512)
    target = torch.randint(-1, 4, (2, 512, 512))
    named = {
        "torch cross_entropy": torch_alone,
        "cross_entropy": cross_entropy,
        "cross_entropy + youden": both,
        "cross_entropy_and_youden": cross_entropy_and_youden,
    }
    times = time_in_turn(named, logits, target, ROUNDS)
    for name, values in times.items():
        print(f"{name:26s} {1e3 * statistics.median(values):7.1f} ms")
    for base in ("torch cross_entropy", "cross_entropy"):
        extra = 100 * (median_ratio(times, "cross_entropy_and_youden", base) - 1)
        print(f"J on top of {base}: {extra:+.0f} % (median of {ROUNDS} pairs)")

    print(f"\nevery loss (median of {ROUNDS_OF_ALL} rounds)")
    every = [
        cross_entropy, focal, dice, tversky, lovasz_softmax, youden, cross_entropy_and_dice,
        cross_entropy_and_youden,
    ]  # fmt: skip
    named = {"torch cross_entropy": torch_alone} | {loss.__name__: loss for loss in every}
    times = time_in_turn(named, logits, target, ROUNDS_OF_ALL)
    for name, values in times.items():
        ratio = median_ratio(times, name, "torch cross_entropy")
        print(
            f"{name:26s} {1e3 * statistics.median(values):7.1f} ms "
            f"{ratio:6.1f} x torch cross_entropy"
        )
