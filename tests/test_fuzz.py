"""Damaged and hostile files of every kind: a sample; `make nightly` reads 10,000 of each."""

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.fuzz import run_batch
from support.fuzz_readers import READERS, Case, Reader
from support.hostile import VALUES, damaged, with_other_values

FUZZ = Path(__file__).parent / "support" / "fuzz.py"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_no_reader_fails_on_damaged_files():
    done = subprocess.run([sys.executable, str(FUZZ), "--cases=40"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{40 * len(READERS)} cases, 0 faults in all" in done.stdout


def plain(case: Case, rng: np.random.Generator, folder: Path) -> Path:
    return case.write(folder)


def new_memory(size):
    """Pages of the system's own: the allocator may hand out memory that the process has already."""
    pages = mmap.mmap(-1, size)
    np.frombuffer(pages, np.uint8)[:] = 1
    return pages


def fill_memory(path):
    return new_memory(2**26)


def hang(path):
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda path: int(path.read_text()), ""),  # ValueError
        (lambda path: {}[path], "KeyError"),
        (lambda path: float("inf").__int__(), "OverflowError"),
        (lambda path: os.kill(os.getpid(), 9), "ends the process (-9)"),
        (fill_memory, "takes 0."),
        (hang, "does not end within 1 s"),
    ],
    ids=["line", "error", "overflow", "crash", "memory", "hang"],
)
def test_what_is_a_fault(read, words, tmp_path, monkeypatch):
    monkeypatch.setattr("support.fuzz.SECONDS", 1)
    monkeypatch.setattr("support.fuzz.KILOBYTES", 2**15)
    reader = Reader(list, plain, read)
    samples = [Case({"a": b"text"}, "a")]
    faults = run_batch(reader, range(3, 5), tmp_path, samples)
    assert list(faults) == ([3, 4] if words else [])
    assert all(fault.startswith(words) for fault in faults.values())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_that_was_given_back_hides_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("support.fuzz.KILOBYTES", 2**15)
    held = [new_memory(2**27)]

    def write_and_forget(case, rng, folder):
        held.clear()  # in the fork, whose peak began with it
        return plain(case, rng, folder)

    reader = Reader(list, write_and_forget, fill_memory)
    faults = run_batch(reader, range(3, 4), tmp_path, [Case({"a": b"text"}, "a")])
    assert list(faults) == [3]


def test_a_case_is_the_same_again():
    first, second = (damaged(bytes(99), np.random.default_rng(5)) for _ in range(2))
    assert first == second != bytes(99)


def test_no_change_reaches_another_case():
    before, rng = repr(VALUES), np.random.default_rng(0)
    for _ in range(300):
        text = json.dumps(with_other_values({"a": [1, {"b": [2, 3]}], "c": {"d": [[]]}}, rng))
        assert text
    assert repr(VALUES) == before
