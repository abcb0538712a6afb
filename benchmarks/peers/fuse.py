r"""Fusing focus bursts with seamwise, enfuse and focus-stack: time, memory, closeness to the truth.

python benchmarks/peers/fuse.py [--megapixels 0.27 3 12 24] [--frames 2 10 50] [--limit 600]
    [--peers seamwise enfuse] [--quick]

enfuse and focus-stack take part if they are installed (Debian has packages). The bursts are drawn:
a picture, blurred the more the farther its strip is from the strip in focus. Nothing moves, so
nobody aligns. Each peer runs in a process of its own, from files to file; the peak is that
process's memory, on Linux. A command that takes longer than the limit is ended, and its peer takes
part in no larger burst. One that fails costs a row, which tells why; stderr has the command. Each
row is printed as soon as it is measured.
"""

import argparse
import itertools
import math
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

from seamwise.io import read_photo
from seamwise.metrics.fusion import psnr

LEVELS = 12  # of blur
Command = Callable[[list[str], Path], list[str]]


def write_burst(folder: Path, megapixels: float, frames: int) -> tuple[list[str], np.ndarray]:
    """Frames as PNG files, in order of focus, and the picture that is sharp everywhere."""
    side = round(math.sqrt(megapixels * 1e6))
    base = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    repeats = -(-side // 512)
    truth = np.tile(base, (repeats, repeats, 1))[:side, :side]
    blurred = [truth, *(cv2.GaussianBlur(truth, (0, 0), 0.8 * n) for n in range(1, LEVELS))]
    strips = np.array_split(np.arange(side), 2 * frames)
    paths = []
    for frame in range(frames):
        picture = np.empty_like(truth)
        for number, rows in enumerate(strips):
            distance = abs(number / 2 - frame - 0.25) * LEVELS / max(frames, LEVELS / 3)
            picture[rows] = blurred[min(int(distance), LEVELS - 1)][rows]
        paths.append(str(folder / f"{frame:03}.png"))
        cv2.imwrite(paths[-1], picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return paths, cv2.cvtColor(truth, cv2.COLOR_BGR2RGB)


def peers() -> dict[str, Command]:
    seamwise = [sys.executable, "-m", "seamwise", "-q", "fuse", "--no-align", "--overwrite"]
    found: dict[str, Command] = {
        "seamwise": lambda frames, output: [*seamwise, *frames, "-o", str(output)],
        "seamwise together": lambda frames, output: [
            *seamwise, "--model", "focus-seg", "--mode", "together", *frames, "-o", str(output)
        ],
        "seamwise gff": lambda frames, output: [
            *seamwise, "--model", "gff", *frames, "-o", str(output)
        ],
    }  # fmt: skip
    if enfuse := shutil.which("enfuse"):
        weights = ["--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1"]
        found["enfuse"] = lambda frames, output: [
            enfuse, *weights, "--hard-mask", f"--output={output}", *frames
        ]  # fmt: skip
    if stack := shutil.which("focus-stack"):
        found["focus-stack"] = lambda frames, output: [
            stack, "--no-align", f"--output={output}", *frames
        ]  # fmt: skip
    return found


class PeerError(RuntimeError):
    """A command without a result; the message tells why."""


class LateError(PeerError):
    """A command that took longer than the limit."""


def run(command: Sequence[str], limit: float) -> tuple[float, float, float]:
    """Seconds, seconds of the processor, and peak memory in GB."""
    is_late = threading.Event()
    with tempfile.TemporaryFile() as errors:
        begin, busy = time.perf_counter(), processor_seconds()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)

        def end() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(limit, end)
        timer.start()
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, resident_peak(process.pid))
            time.sleep(0.02)
        timer.cancel()
        seconds = time.perf_counter() - begin
        if process.returncode == 0:
            return seconds, processor_seconds() - busy, peak
        if is_late.is_set():
            raise LateError(f"took more than {limit:g} s")
        errors.seek(0)
        lines = errors.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing on stderr")
    raise PeerError(f"ended with {process.returncode}: {last}")


def processor_seconds() -> float:
    """Those of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_peak(pid: int) -> float:
    """Most memory of a process so far, in GB; 0 if it has ended.

    What `wait4` reports begins with the peak of the process that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return max((int(kB) / 1e6 for kB in re.findall(r"^VmHWM:\s+(\d+)", status, re.M)), default=0.0)


def measure(
    peer: str,
    command: Sequence[str],
    output: Path,
    burst: tuple[list[str], np.ndarray],
    limit: float,
) -> str:
    """The row of a peer for a burst.

    Raises
    ------
    PeerError
        The command failed, took too long, or left no picture of this size.
    """
    frames, truth = burst
    output.unlink(missing_ok=True)
    seconds, busy, peak = run(command, limit)
    try:
        pixels = read_photo(output).pixels
    except (OSError, ValueError) as error:
        raise PeerError(f"left no picture: {error}") from error
    if pixels.shape != truth.shape:
        raise PeerError(f"left a picture of shape {pixels.shape}, not {truth.shape}")
    size = truth.shape[0] * truth.shape[1] / 1e6
    return (
        f"| {size:.2f} | {len(frames)} | {peer} | {seconds:.1f} "
        f"| {busy:.1f} | {busy / size / len(frames):.2f} | {peak:.2f} | {psnr(pixels, truth):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.27, 3, 12, 24])
    parser.add_argument("--frames", type=int, nargs="*", default=[2, 10, 50])
    parser.add_argument("--limit", type=float, default=600, help="seconds of a command")
    parser.add_argument("--peers", nargs="*", choices=list(peers()), help="only these")
    parser.add_argument("--quick", action="store_true", help="the smallest bursts only")
    options = parser.parse_args()
    sizes = options.megapixels[:1] if options.quick else options.megapixels
    counts = options.frames[:2] if options.quick else options.frames
    present = {name: peer for name, peer in peers().items() if name in (options.peers or peers())}
    smallest_cut = dict.fromkeys(present, math.inf)  # megapixels of all frames
    columns = (
        "megapixels",
        "frames",
        "peer",
        "seconds",
        "processor seconds",
        "processor s/MP and frame",
    )
    print(f"| {' | '.join(columns)} | peak, GB | PSNR, dB |\n|{'---|' * 8}", flush=True)
    for size, count in sorted(itertools.product(sizes, counts), key=math.prod):
        with tempfile.TemporaryDirectory() as name:
            burst = write_burst(Path(name), size, count)
            for peer, command in present.items():
                if size * count > smallest_cut[peer]:
                    continue
                output = Path(name) / "fused.tif"
                line = command(burst[0], output)
                try:
                    row = measure(peer, line, output, burst, options.limit)
                except PeerError as error:
                    if isinstance(error, LateError):
                        smallest_cut[peer] = size * count
                    print(f"{peer} {error}\n{shlex.join(line)}", file=sys.stderr, flush=True)
                    row = f"| {size:g} | {count} | {peer} | {str(error).replace('|', '/')} |"
                print(row, flush=True)


if __name__ == "__main__":
    main()
