"""What is known about the processor without torch is what torch says."""

import subprocess
import sys

import pytest
import torch

from seamwise.engine import processor
from seamwise.engine.devices import choose_precision
from seamwise.engine.processor import has_bfloat16, is_surely_cpu, thread_count


def test_bfloat16_is_what_torch_says():
    assert has_bfloat16() == (choose_precision(torch.device("cpu")) == torch.bfloat16)


@pytest.mark.parametrize("variables", [{}, {"OMP_NUM_THREADS": "1"}, {"MKL_NUM_THREADS": "1"}])
def test_threads_are_as_many_with_torch_and_without(variables, monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, number in variables.items():
        monkeypatch.setenv(name, number)
    script = """
from seamwise.engine.processor import thread_count
before = thread_count()
import torch
print(before, thread_count(), torch.get_num_threads())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    without, with_torch, torchs_own = map(int, done.stdout.split())
    assert without == with_torch == torchs_own


@pytest.mark.parametrize(
    ("text", "threads"), [("", 8), ("zero", 8), ("0", 8), ("-1", 8), ("4,2", 4), ("99", 8)]
)
def test_a_variable_lowers_the_number_of_threads(text, threads, monkeypatch):
    modules = {name: module for name, module in sys.modules.items() if name != "torch"}
    monkeypatch.setattr(processor.sys, "modules", modules)
    monkeypatch.setattr(processor.psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(processor.os, "sched_getaffinity", lambda process: range(16))
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert thread_count() == threads


def test_auto_is_surely_the_cpu_without_torch_and_without_a_driver(monkeypatch, tmp_path):
    assert is_surely_cpu("cpu")
    assert not is_surely_cpu("cuda")
    assert not is_surely_cpu("auto")  # torch is loaded here, and can be asked
    modules = {name: module for name, module in sys.modules.items() if name != "torch"}
    monkeypatch.setattr(processor.sys, "modules", modules)
    monkeypatch.setattr(processor.sys, "platform", "linux")
    driver = tmp_path / "nvidiactl"
    monkeypatch.setattr(processor, "_GPU_FILES", (str(driver),))
    assert is_surely_cpu("auto")
    driver.touch()
    assert not is_surely_cpu("auto")
    driver.unlink()
    monkeypatch.setattr(processor.sys, "platform", "darwin")
    assert not is_surely_cpu("auto")
