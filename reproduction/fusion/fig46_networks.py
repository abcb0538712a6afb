"""Train two small networks that learn that the order of the sources does not matter: Figure 46.

python reproduction/fusion/fig46_networks.py ../shared/data/fusion/bsds500 -o runs [--steps 400]
python reproduction/fusion/fig46_networks.py ../shared/data/fusion/bsds500 -o runs --quick

HF-Seg and HF-Reg of width 8, whose weights are not tied: as in the thesis, each pair is in the
batch in both orders. Writes networks/hf-seg.safetensors and hf-reg.safetensors; --quick keeps
nothing there. It resumes where it was stopped.
"""

import argparse
import shutil
from pathlib import Path

from seamwise.fusion import FusionSettings, train
from stored import HERE, command, split_pictures

NETWORKS = {"hf-seg": "selection", "hf-reg": "picture"}


def settings(network: str, *, steps: int, quick: bool) -> FusionSettings:
    """Return the settings of one network."""
    size = {"steps": 2, "crop": 32, "width": 2} if quick else {"steps": steps, "crop": 160}
    return FusionSettings(
        network=network, batch_size=4, norm="none", learning_rate=1e-3, warmup=20,
        schedule="cosine", average=0.9, symmetric=False, validate_every=size["steps"],
        **{"width": 8, **size},
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="two steps: does it run?")
    arguments = parser.parse_args()
    parts = split_pictures(arguments.data)
    for name, network in NETWORKS.items():
        size = "quick" if arguments.quick else f"steps{arguments.steps}"
        folder = arguments.output / f"fig46-{name}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        path = train(
            parts.training[:4] if arguments.quick else parts.training,
            parts.validation[:1] if arguments.quick else parts.validation,
            settings(network, steps=arguments.steps, quick=arguments.quick),
            output=folder,
            resume=(folder / "checkpoint.pt").exists(),
        )
        print(f"{name}: {path}", flush=True)
        if not arguments.quick:
            (HERE / "networks").mkdir(exist_ok=True)
            shutil.copy(path, HERE / "networks" / f"{name}.safetensors")


if __name__ == "__main__":
    command(main)
