"""What `seamwise check` finds in data that the field trusts: every line is to be looked at.

python benchmarks/check_data.py DATA [DATA …] [-o PAGES]
python benchmarks/check_data.py DATA [DATA …] --erase 0.5 --seed 0

DATA holds images/ and masks/. Prints how many cells or images each kind of fault has, how bright
the rims of cells are, and the time. With -o it writes a page for each folder, with pictures of
the places. With --erase a share of the cells of each mask is erased first, in a copy: the masks
that lack cells are then to be found.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from seamwise.io import read_labels, write_labels
from seamwise.report import training_report
from seamwise.segmentation import find_pairs
from seamwise.segmentation.check import KINDS, Survey, survey
from seamwise.synth import degrade_annotation

SHOWN = 3  # cases of each kind


@contextmanager
def erased(folder: Path, share: float, seed: int) -> Iterator[tuple[Path, int]]:
    """A folder with the same images, and masks that lack a share of their cells; how many."""
    with TemporaryDirectory() as name:
        copy, gone = Path(name), 0
        (copy / "masks").mkdir()
        (copy / "images").symlink_to((folder / "images").resolve())
        split = find_pairs(folder)
        pairs = sorted({*split.training, *split.validation}, key=lambda pair: pair.name)
        for number, pair in enumerate(pairs):
            labels = read_labels(pair.labels)
            rest = degrade_annotation(labels, rng=np.random.default_rng((seed, number)), drop=share)
            gone += len(np.unique(labels)) - len(np.unique(rest))
            write_labels(copy / "masks" / f"{pair.name}.tif", rest)
        yield copy, gone


def print_findings(result: Survey) -> None:
    """Print how many cells or images each kind has, and some cases."""
    counts = Counter[str]()
    for finding in result.findings:
        counts[finding.kind] += finding.count
    for kind in (kind for kind in KINDS if counts[kind]):
        cases = [finding for finding in result.findings if finding.kind == kind]
        print(f"  {kind}: {counts[kind]} in {len(cases)} of {len(result.looks)} images")
        for case in cases[:SHOWN]:
            print(f"    {case.name}: {case.text}")


def print_rims(result: Survey) -> None:
    """Print how probable it is that a pixel at the rim of a cell is brighter than one inside."""
    rims = [look.rim for look in result.looks if len(look.sizes)]
    if rims:
        dark = sum(rim < 0.5 for rim in rims)
        print(
            f"  rim brighter than inside: {min(rims):.2f} to {max(rims):.2f}, median "
            f"{np.median(rims):.2f}; below 0.5 in {dark} of {len(rims)} images"
        )


def main() -> None:
    """Look through each folder and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--erase", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for folder in options.data:
        began = time.process_time()
        if options.erase:
            with erased(folder, options.erase, options.seed) as (copy, gone):
                result = survey(copy)
            print(f"{folder}: {gone} cells erased")
        else:
            result = survey(folder)
        seconds = time.process_time() - began
        cells = sum(len(look.sizes) for look in result.looks)
        print(f"{folder}: {len(result.looks)} images, {cells} cells, {seconds:.0f} s of processor")
        print_findings(result)
        print_rims(result)
        if options.output is not None:
            options.output.mkdir(parents=True, exist_ok=True)
            page = options.output / f"{folder.parent.name}.html"
            training_report(result, None, page, command="")


if __name__ == "__main__":
    main()
