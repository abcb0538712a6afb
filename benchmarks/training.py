r"""Where the time of a training step goes: samples, network, loss; and the same in plain PyTorch.

python benchmarks/training.py [--float32] [--quick]

Times are those of the processor, not of the clock, so that other work on the machine counts little.
The data are drawn cells; the network is the one that `train` builds by default, with one thread. As
in `train`, it computes in bfloat16 where the processor does; --float32 for the others.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from seamwise.engine import build_network, choose_precision
from seamwise.io import Architecture
from seamwise.segmentation import (
    AnnotatedImage,
    Samples,
    TrainSettings,
    count_classes,
    system,
)
from seamwise.synth import crowded_cells

CROP, BATCH = 256, 4
SYSTEMS = ("ce4", "j4", "bwm", "dwm", "w3", "unet3", "saw")


@dataclass(frozen=True)
class Step:
    """Seconds of the processor for one step."""

    samples: float
    network: float
    loss: float

    @property
    def outside(self) -> float:
        """Share of time that is not the network's."""
        return 1 - self.network / (self.samples + self.network + self.loss)


def images() -> list[AnnotatedImage]:
    scenes = [crowded_cells((300, 340), cells=60, rng=number) for number in range(4)]
    return [
        AnnotatedImage(
            name=str(number),
            image=(scene.image / scene.image.max())[np.newaxis].astype(np.float32),
            labels=scene.labels.astype(np.int32),
        )
        for number, scene in enumerate(scenes)
    ]


class Network:
    """The network and its optimizer, as `train` runs them."""

    def __init__(self, channels: int, *, float32: bool) -> None:
        net = build_network(Architecture(in_channels=1, out_channels=channels, width=16))
        self.net = net.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
        precision = choose_precision(torch.device("cpu"))
        self.is_rounded = precision == torch.bfloat16 and not float32

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Logits in float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_rounded):
            return self.net(image.contiguous(memory_format=torch.channels_last)).float()

    def step(self) -> None:
        """Change the weights by what `backward` left."""
        self.optimizer.step()
        self.optimizer.zero_grad()


def samples_of(name: str, training: Sequence[AnnotatedImage]) -> Samples:
    settings = TrainSettings(loss=name)
    transform = settings.transform()
    if transform.map is not None:
        transform = settings.transform(count_classes((i.labels for i in training), transform))
    return Samples(
        training,
        seed=0,
        steps=100,
        batch_size=BATCH,
        crop=(CROP, CROP),
        augmentation=settings.augmentation,
        transform=transform,
    )


def time_step(name: str, training: Sequence[AnnotatedImage], rounds: int, *, float32: bool) -> Step:
    """Median times of a step of a system."""
    samples, built = samples_of(name, training), system(name)
    net = Network(built.classes, float32=float32)
    times = []
    for number in range(rounds + 1):
        marks = [time.process_time()]
        parts = [samples[number * BATCH + index] for index in range(BATCH)]
        image, target, *weight = (torch.stack(tensors) for tensors in zip(*parts, strict=True))
        marks.append(time.process_time())
        output = net(image)
        marks.append(time.process_time())
        logits = output.detach().requires_grad_()
        built.loss(logits, target, **({"weight": weight[0]} if weight else {})).backward()
        marks.append(time.process_time())
        output.backward(logits.grad)
        net.step()
        marks.append(time.process_time())
        drawing, forward, loss, backward = np.diff(marks)
        times.append((drawing, forward + backward, loss))
    return Step(*np.median(times[1:], 0))


def time_plain(training: Sequence[AnnotatedImage], rounds: int, *, float32: bool) -> float:
    """Seconds of a step in plain PyTorch: the same network, random crops, torch's cross entropy."""
    net = Network(4, float32=float32)
    criterion = nn.CrossEntropyLoss()
    rng = np.random.default_rng(0)
    stack = torch.from_numpy(np.stack([image.image for image in training]))
    target = torch.from_numpy(np.stack([np.clip(image.labels, 0, 1) for image in training])).long()

    times = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        places = [(rng.integers(3), *rng.integers(40, size=2)) for _ in range(BATCH)]
        crops = [(n, slice(y, y + CROP), slice(x, x + CROP)) for n, y, x in places]
        image = torch.stack([stack[n, :, y, x] for n, y, x in crops])
        truth = torch.stack([target[n, y, x] for n, y, x in crops])
        criterion(net(image), truth).backward()
        net.step()
        times.append(time.process_time() - begin)
    return float(np.median(times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two systems, one round")
    parser.add_argument("--float32", action="store_true", help="no bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rounds, names = (1, SYSTEMS[:2]) if options.quick else (7, SYSTEMS)
    training = images()
    for name in names:
        # next to each system, since the machine's pace varies
        plain = time_plain(training, rounds, float32=options.float32)
        step = time_step(name, training, rounds, float32=options.float32)
        total = step.samples + step.network + step.loss
        parts = (
            f"{part} {1e3 * getattr(step, part):.0f} ms" for part in ("samples", "network", "loss")
        )
        print(
            f"{name:6s} {', '.join(parts)}: {100 * step.outside:.1f} % outside the network; "
            f"{BATCH / total:.2f} crops per second, {plain / total:.2f} of plain PyTorch"
        )


if __name__ == "__main__":
    main()
