"""Damaged and hostile files for every reader: no crash, no hang, no memory beyond measure.

python tests/support/fuzz.py                        # 10,000 files for each reader: a nightly job
python tests/support/fuzz.py png toml --cases 300   # a sample
python tests/support/fuzz.py png --case 1234        # one of them again, with its traceback

A case is a valid file, changed at random by a generator whose seed is the number of the case. The
reader must return, or raise what the command line turns into one line. It runs in a fork of this
process that may take ten processor seconds and a gigabyte more than it had for a case.
"""

import argparse
import json
import mmap
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fuzz_readers import READERS, Case, Reader

ONE_LINE = (ValueError, TypeError, OSError, MemoryError)
SECONDS = 10
KILOBYTES = 2**20  # more than before the case
BATCH = 500  # cases of a fork


def fault_of(reader: Reader, number: int, folder: Path, samples: list[Case]) -> str:
    """Read one case; what was wrong with that, in a line, or nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    sample = samples[int(rng.integers(len(samples)))]
    path = reader.change(sample, rng, folder)
    before = forget_peak()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        reader.read(path)
    except ONE_LINE:
        pass
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error).split())[:100]
        return f"{type(error).__name__} ({words}) in {Path(place.filename).name}:{place.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return f"takes {more / 2**20:.1f} GB" if more > KILOBYTES else ""


def forget_peak() -> int:
    """Let the peak of this process's memory begin with what it has now, on Linux; that peak."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_batch(reader: Reader, numbers: range, folder: Path, samples: list[Case]) -> dict[int, str]:
    """The faults of some cases by their number; a fork reads them."""
    faults: dict[int, str] = {}
    place = mmap.mmap(-1, 8)
    record = folder / "faults"
    start = numbers.start
    while start < numbers.stop:
        record.write_text("")
        child = os.fork()
        if not child:
            code = 1
            try:
                silence = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silence, 1)
                os.dup2(silence, 2)
                warnings.simplefilter("ignore")
                for number in range(start, numbers.stop):
                    place[:] = number.to_bytes(8)
                    fault = fault_of(reader, number, folder / "case", samples)
                    if fault:
                        with record.open("a") as stream:
                            stream.write(json.dumps([number, fault]) + "\n")
                    if fault.startswith("takes"):
                        break  # elsewhere than on Linux, only the next fork has its own peak
                code = 0
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        faults |= dict(map(json.loads, record.read_text().splitlines()))
        number = int.from_bytes(place[:])
        if status == -signal.SIGPROF:
            faults[number] = f"does not end within {SECONDS} s"
        elif status:
            faults[number] = f"ends the process ({status})"
        start = number + 1
    return faults


def run_again(reader: Reader, number: int, folder: Path, samples: list[Case]) -> None:
    """Read one case here, with whatever it raises; its files stay."""
    rng = np.random.default_rng(number)
    folder.mkdir(parents=True, exist_ok=True)
    path = reader.change(samples[int(rng.integers(len(samples)))], rng, folder)
    print(path)
    reader.read(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--cases", type=int, default=10_000, help="for each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="run only this one, in this process")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    all_faults = 0
    names = options.readers or list(READERS)
    for name in names:
        reader = READERS[name]
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            samples = reader.samples()
            for sample in samples:  # they are valid, and all is imported
                plain: Callable[[Path], object] = reader.read
                plain(sample.write(folder / "valid"))
                shutil.rmtree(folder / "valid")
            if options.case is not None:
                run_again(reader, options.case, Path(tempfile.mkdtemp()), samples)
                continue
            faults: dict[int, str] = {}
            last = options.first + options.cases
            for start in range(options.first, last, BATCH):
                part = range(start, min(start + BATCH, last))
                faults |= run_batch(reader, part, folder, samples)
        print(f"{name}: {options.cases} cases, {len(faults)} faults", flush=True)
        for number, fault in sorted(faults.items())[:20]:
            print(f"  case {number}: {fault}", flush=True)
        all_faults += len(faults)
    print(f"{options.cases * len(names)} cases, {all_faults} faults in all")
    sys.exit(1 if all_faults else 0)


if __name__ == "__main__":
    main()
