"""How long a step of each settings file takes here, in processor time: seconds.json.

python recipes/thesis/seconds.py [--steps 2]

Made-up cells of 1024 × 1024 pixels and a made-up picture of 640 × 480, with one thread unless
OMP_NUM_THREADS says otherwise. Files that are measured already are skipped; delete seconds.json to
measure again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from seamwise import __version__
from seamwise.engine import TrainProgress, choose_device, choose_precision, read_settings
from seamwise.fusion import FusionSettings, find_pictures
from seamwise.fusion import train as train_fusion
from seamwise.io import read_json, write_json, write_png
from seamwise.segmentation import AnnotatedImage, TrainSettings, train
from seamwise.synth import crowded_cells

HERE = Path(__file__).parent
OUTPUT = HERE / "seconds.json"

Report = Callable[[TrainProgress], None]


def of_cells(path: Path, steps: int, folder: Path, report: Report) -> int:
    """Train on one image; return the steps that the file asks for."""
    settings = read_settings(TrainSettings, path)
    scene = crowded_cells((1024, 1024), cells=400, rng=0)
    image = (scene.image / scene.image.max())[np.newaxis].astype(np.float32)
    training = [AnnotatedImage("made-up", image, scene.labels.astype(np.int32))]
    small = [AnnotatedImage("corner", image[:, :64, :64], training[0].labels[:64, :64])]
    short = replace(settings, steps=steps, validate_every=steps)
    train(training, small, short, output=folder, device="cpu", report=report)
    return settings.steps


def of_pictures(path: Path, steps: int, folder: Path, report: Report) -> int:
    """Train on one picture; return the steps that the file asks for."""
    settings = read_settings(FusionSettings, path)
    rng = np.random.default_rng(0)
    for name, shape in (("a", (480, 640, 3)), ("b", (64, 64, 3))):
        write_png(folder / f"{name}.png", rng.integers(0, 256, shape, np.uint8))
    large, small = ([picture] for picture in find_pictures(folder))
    short = replace(settings, steps=steps, validate_every=steps)
    output = folder / "run"
    output.mkdir()
    train_fusion(large, small, short, output=output, device="cpu", report=report)
    return settings.steps


def measure(path: Path, steps: int) -> dict[str, float]:
    """Return the steps of a file, and the seconds of one: the mean after the first."""
    ends: list[float] = []
    train_it = of_pictures if path.name.startswith("chapter6") else of_cells
    with tempfile.TemporaryDirectory() as folder:
        # the last step counts the validation too, so there is one more
        planned = train_it(
            path, steps + 2, Path(folder), lambda progress: ends.append(time.process_time())
        )
    return {"steps": planned, "seconds": round((ends[steps] - ends[0]) / steps, 3)}


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2, help="that are timed")
    steps = parser.parse_args().steps
    numbers = str(choose_precision(choose_device("cpu"))).removeprefix("torch.")
    threads = torch.get_num_threads()
    plural = "s" if threads > 1 else ""
    machine = f"cpu, {threads} thread{plural}, {numbers}, torch {torch.__version__}"
    content = read_json(OUTPUT) if OUTPUT.exists() else {}
    if content.get("machine", machine) != machine:
        parser.error(f"{OUTPUT} was measured on {content['machine']}, not {machine}: delete it")
    files = content.get("files", {})
    for path in sorted(HERE.glob("*.toml")):
        if path.stem not in files:
            files[path.stem] = measure(path, steps)
            record = {"machine": machine, "seamwise": __version__, "files": files}
            write_json(OUTPUT, record)
            print(f"{path.stem}: {files[path.stem]['seconds']} s a step", file=sys.stderr)


if __name__ == "__main__":
    main()
