"""The network alone in each runtime: seconds for a megapixel, next to torch in the same run.

The runtimes take turns, so that whatever else the machine does hits all of them. Times are those of
the processor, all threads together. The ratio to torch is the median over the turns.

python benchmarks/runtimes.py           # 1024², ten turns
python benchmarks/runtimes.py --quick   # 512², three turns
"""

import argparse
import statistics
import time

import numpy as np
import torch

from seamwise.io import NormalizationRule
from seamwise.segmentation import load, normalization
from seamwise.synth import crowded_cells

RUNTIMES = ("torch", "openvino float32", "openvino", "onnx")  # the third may be int8


def loaded(model: str) -> dict[str, tuple[object, float]]:
    """The runtimes that are installed, and the seconds that each takes until the first result."""
    networks = {}
    for runtime in RUNTIMES:
        begin = time.process_time()
        try:
            network = load(model, device="cpu", runtime=runtime)
        except ValueError as error:
            print(error)
            continue
        networks[network.runtime.name] = (network, time.process_time() - begin)
    return networks


def image_of(side: int, rule: NormalizationRule) -> torch.Tensor:
    """Drawn cells as the network sees them: integers of 8 bits hold no larger numbers."""
    patch = crowded_cells((512, 512), cells=130, rng=0).image[np.newaxis]
    image = torch.from_numpy(normalization(patch, rule)(patch))
    return image.repeat(1, side // 512, side // 512)[None]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nuclei-2d", help="a model for planes of one channel")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    side, turns = (512, 3) if arguments.quick else (1024, 10)
    networks = loaded(arguments.model)
    info = next(iter(networks.values()))[0].info
    image, classes = image_of(side, info.normalization), info.architecture.out_channels
    seconds = {name: [] for name in networks}
    chosen = {}
    for turn in range(turns + 1):
        for name, (network, _) in networks.items():
            begin = time.process_time()
            logits = network.runtime.run(image)
            if turn:  # the first one warms up
                seconds[name].append(time.process_time() - begin)
            chosen[name] = logits[:, :classes].argmax(1)
    print(f"{arguments.model}, {side}², {torch.get_num_threads()} threads, medians of {turns}")
    print("| runtime | s/MP | ratio to torch | equal pixels | seconds to load |")
    print("|---|---|---|---|---|")
    for name, (_, load_seconds) in networks.items():
        pace = statistics.median(seconds[name]) / (side**2 / 1e6)
        ratios = [a / b for a, b in zip(seconds[name], seconds["torch"], strict=True)]
        equal = (chosen[name] == chosen["torch"]).float().mean().item()
        print(
            f"| {name} | {pace:.2f} | {statistics.median(ratios):.2f} | {100 * equal:.3f} % "
            f"| {load_seconds:.2f} |"
        )
