r"""`seamwise segment` with its default options, as a peer of `segment.py`.

python seamwise_peer.py IMAGES -o OUT

Writes a label image for each TIFF, and prints a line of JSON for each: its name and its seconds
from file to file.
"""

import argparse
import json
import time
from pathlib import Path

from seamwise.segmentation import segment_files

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    begin = time.perf_counter()
    for outcome in segment_files([options.images], options.output):
        assert not outcome.failed, outcome.messages
        seconds = time.perf_counter() - begin
        print(json.dumps({"name": outcome.path.name, "seconds": seconds}), flush=True)
        begin = time.perf_counter()
