"""Commands that are killed before each of their file operations, and then run again.

python tests/support/kills.py                     # all commands, every operation: a nightly job
python tests/support/kills.py measure --every 5   # a sample

A command runs in a fork of this process, which kills itself as SIGKILL or a power cut would. With
--torn, files that were being written keep only their first half. The same command must then succeed
and leave the files of a run that nobody killed: the same names, the same bytes, nothing else.
Exports replace no file unasked, so they run with --overwrite. A training that is refused resumes.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MOVES = ("os.rename", "os.link")
CHANGES = ("os.remove", "os.mkdir", "os.rmdir", "os.truncate")


@dataclass
class Watch:
    """Counts the file operations in a folder, and kills this process before one of them."""

    folder: str
    wanted: int | None
    torn: bool
    count: int = 0
    unfinished: set[str] = field(default_factory=set)

    def __call__(self, event: str, arguments: tuple) -> None:
        """See `sys.addaudithook`: the operation itself comes next."""
        if event == "open":
            path, mode, flags = arguments
            is_change = any(letter in mode for letter in "wax+") if mode else flags & WRITES
        elif event in MOVES or event in CHANGES:
            path, is_change = arguments[0], True
        else:
            return
        if not is_change or isinstance(path, int):
            return
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(self.folder):
            return
        self.count += 1
        if self.count == self.wanted:
            self.kill()
        if event == "open":
            self.unfinished.add(path)
        else:
            self.unfinished.discard(path)

    def kill(self) -> None:
        for path in self.unfinished if self.torn else ():
            if os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def run(
    arguments: list[str], folder: Path, *, wanted: int | None = None, torn: bool = False
) -> tuple[int, int, str]:
    """Exit code (negative if killed), number of operations and last words of a forked command."""
    log = folder.with_name("log")
    counted = folder.with_name("count")
    counted.write_text("0")
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        lines = log.read_text(errors="replace").strip().splitlines()
        return status, int(counted.read_text()), lines[-1] if lines else ""
    code = 70
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.chdir(folder)
        watch = Watch(str(folder) + os.sep, wanted, torn)
        sys.addaudithook(watch)
        sys.argv = ["seamwise", *arguments]
        from seamwise.cli import main

        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        counted.write_text(f"{watch.count}")
    finally:
        os._exit(code)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; folders have no content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def difference(files: dict[str, bytes], expected: dict[str, bytes], unsteady: set[str]) -> str:
    """What distinguishes two folders, in a line; empty if nothing does."""
    missing, more = sorted(expected.keys() - files), sorted(files.keys() - expected)
    other = [
        name
        for name, content in files.items()
        if name in expected and name not in unsteady and content != expected[name]
    ]
    words = (("lacks", missing), ("leaves", more), ("has other bytes in", other))
    return "; ".join(f"{word} {', '.join(names[:3])}" for word, names in words if names)


def faults(
    name: str, arguments: list[str], prepare: Callable[[Path], None], *, every: int, torn: bool
) -> tuple[int, list[str]]:
    """How often a command was killed, and a line for each kill after which it did not recover."""
    with tempfile.TemporaryDirectory() as temporary:
        template, folder = Path(temporary) / "template", Path(temporary) / "work"
        template.mkdir()
        prepare(template)

        def fresh() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(template, folder)

        results = []
        for _ in range(2):
            fresh()
            code, operations, words = run(arguments, folder)
            if code:
                return 0, [f"{name}: exit code {code} without any kill: {words}"]
            results.append(files_of(folder))
        repeated, *_ = run(arguments, folder)
        expected = results[0]
        # such as dates: only the name must be the same
        unsteady = {path for path in expected if expected[path] != results[1].get(path)}
        found, kills = [], 0
        for number in range(1, operations + 1, every):
            fresh()
            code, *_ = run(arguments, folder, wanted=number, torn=torn)
            if code != -signal.SIGKILL:
                continue
            kills += 1
            code, _, words = run(arguments, folder)
            if code and name in RESUMED:
                code, _, words = run([*arguments, RESUMED[name]], folder)
            fault = difference(files_of(folder), expected, unsteady)
            if code not in (0, repeated):  # a run that had ended may be refused once more
                fault = words
            if fault:
                found.append(f"{name}, killed before operation {number} of {operations}: {fault}")
        return kills, found


def annotated(folder: Path, names: str = "ab") -> None:
    """Some images, their labels, and labels that miss a cell."""
    from seamwise.io import write_labels, write_png

    rng = np.random.default_rng(0)
    for place in ("images", "masks", "found"):
        (folder / place).mkdir()
    for name in names:
        labels = np.zeros((40, 44), np.uint16)
        labels[4:14, 4:14], labels[4:14, 14:30], labels[20:36, 10:30] = 1, 2, 3
        image = 60 + 120 * (labels > 0) + rng.integers(0, 20, labels.shape)
        write_png(folder / "images" / f"{name}.png", image.astype(np.uint8))
        write_labels(folder / "masks" / f"{name}.tif", labels)
        write_labels(folder / "found" / f"{name}.tif", labels * (labels != 3))


def burst(folder: Path) -> None:
    """Two frames, each sharp on one side."""
    from scipy.ndimage import gaussian_filter

    from seamwise.io import write_png

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 72, 3)).astype(float)
    soft = gaussian_filter(picture, (3, 3, 0))
    side = (np.arange(72) < 36)[np.newaxis, :, np.newaxis]
    (folder / "frames").mkdir()
    for number, frame in enumerate((np.where(side, picture, soft), np.where(side, soft, picture))):
        write_png(folder / "frames" / f"{number}.png", frame.astype(np.uint8))


def bursts(folder: Path) -> None:
    """Two bursts."""
    burst(folder)
    for name in "ab":
        shutil.copytree(folder / "frames", folder / "bursts" / name)


def after(*lines: str) -> Callable[[Path], None]:
    """What prepares a folder: `annotated`, and then commands."""

    def prepare(folder: Path) -> None:
        annotated(folder)
        for line in lines:
            code, _, words = run(line.split(), folder)
            assert code == 0, words

    return prepare


TINY = "--steps 2 --width 2 --crop 32 --batch-size 1 --device cpu"
TRAIN = f"train . -o run --hold-out-every 2 {TINY}"
RESUMED = {"train": "--resume", "train-fusion": "--resume"}
COMMANDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "measure": (annotated, "measure images masks -o cells.csv"),
    "measure-plots": (annotated, "measure images masks -o cells.csv --plots"),
    "evaluate": (
        annotated,
        "evaluate found masks --json s.json --csv s.csv --report page.html --images images",
    ),
    "export-labels": (annotated, "export-labels masks -o out --overwrite"),
    "export-coco": (annotated, "export-labels masks -o out --format coco --overwrite"),
    "weights": (annotated, "weights masks --map balance -o out"),
    "check": (annotated, "check . -o out --overwrite"),
    "segment": (
        annotated,
        "segment images -o out --overlay --measure --report --probabilities --device cpu",
    ),
    "segment-zarr": (annotated, "segment images -o out --memory 1GB --device cpu"),
    "fuse": (burst, "fuse frames -o x.png --depth-map --method gff"),
    "fuse-bursts": (bursts, "fuse bursts -o out --depth-map --method gff"),
    "train": (annotated, TRAIN),
    "train-fusion": (annotated, f"train-fusion images -o run --hold-out-every 2 {TINY}"),
    "compare": (partial(annotated, names="abcd"), f"compare . -o out --losses ce,dsc {TINY}"),
    "tune": (
        after(TRAIN),
        "tune run/model.safetensors . -o tuned.safetensors --all --plot t.png --json t.json",
    ),
    "decode": (
        after("segment images -o maps --probabilities --device cpu"),
        "decode maps/probabilities -o out",
    ),
    "import-labels": (
        after("export-labels masks -o outlines"),
        "import-labels outlines -o out --overwrite",
    ),
    "evaluate-fusion": (
        burst,
        "evaluate-fusion frames/0.png frames/1.png frames/0.png -o out --json s.json --csv s.csv",
    ),
    "combine": (annotated, "combine nuclei-2d nuclei-2d -o both.safetensors"),
    "export": (annotated, "export nuclei-2d -o net.onnx --overwrite"),
    "demo": (annotated, "demo -o out"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--every", type=int, default=1, help="kill before each n-th operation")
    parser.add_argument("--torn", action="store_true", help="halve the files that were open")
    options = parser.parse_args()
    for room in ("cli", "exchange", "fusion", "measure", "report", "segmentation"):
        importlib.import_module(f"seamwise.{room}")  # once, for all forks

    failed = all_kills = all_faults = 0
    for name in options.commands or COMMANDS:
        prepare, line = COMMANDS[name]
        kills, found = faults(name, line.split(), prepare, every=options.every, torn=options.torn)
        print(f"{name}: {kills} kills, {len(found)} faults", flush=True)
        for fault in found:
            print(f"  {fault}", flush=True)
        failed += bool(found) or not kills
        all_kills, all_faults = all_kills + kills, all_faults + len(found)
    print(f"{all_kills} kills, {all_faults} faults in all")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
