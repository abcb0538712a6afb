"""What `seamwise check` finds in data that the field trusts: every line is to be looked at.

python benchmarks/check_data.py DATA [DATA …] [-o PAGES]

DATA holds images/ and masks/. Prints how many cells or images each kind of fault has, and the time.
With -o it writes a page for each folder, with pictures of the places.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from seamwise.report import training_report
from seamwise.segmentation.check import KINDS, survey


def main() -> None:
    """Look through each folder and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    for folder in options.data:
        began = time.process_time()
        result = survey(folder)
        seconds = time.process_time() - began
        cells = sum(len(look.sizes) for look in result.looks)
        print(f"{folder}: {len(result.looks)} images, {cells} cells, {seconds:.0f} s of processor")
        counts = Counter[str]()
        for finding in result.findings:
            counts[finding.kind] += finding.count
        for kind in (kind for kind in KINDS if counts[kind]):
            cases = [finding for finding in result.findings if finding.kind == kind]
            print(
                f"  {kind}: {counts[kind]} in {len(cases)}, e.g. {cases[0].name}: {cases[0].text}"
            )
        if options.output is not None:
            options.output.mkdir(parents=True, exist_ok=True)
            page = options.output / f"{folder.parent.name}.html"
            training_report(result, None, page, command="")


if __name__ == "__main__":
    main()
