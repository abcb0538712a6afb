"""Cost of the J loss on top of cross entropy: forward and backward at (2, 4, 512, 512)."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from seamwise.losses import cross_entropy, cross_entropy_and_youden, youden

ROUNDS = 101


def seconds(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> float:
    logits = logits.detach().requires_grad_()
    begin = time.perf_counter()
    loss(logits, target).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begin


def both(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(logits, target) + youden(logits, target)


def torch_alone(logits: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)


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
    times: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(ROUNDS + 2):  # in turn, so that a busy moment of the machine hits all of them
        for name, loss in named.items():
            times[name].append(seconds(loss, logits, target))
    median = {name: statistics.median(values[2:]) for name, values in times.items()}
    for name, value in median.items():
        print(f"{name:26s} {1e3 * value:7.1f} ms")
    for base in ("torch cross_entropy", "cross_entropy"):
        pairs = zip(times[base][2:], times["cross_entropy_and_youden"][2:], strict=True)
        extra = 100 * (statistics.median(with_j / alone for alone, with_j in pairs) - 1)
        print(f"J on top of {base}: {extra:+.0f} % (median of {ROUNDS} pairs)")
