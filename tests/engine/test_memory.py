"""How much memory a process may use, and sizes as people write them."""

import math

import psutil
import pytest

from seamwise.engine import memory
from seamwise.engine.memory import allowed_memory, free_memory, parse_memory, total_memory
from support.files import one_line

GB = 10**9


def test_sizes_as_people_write_them():
    sizes = {
        "4GB": 4 * GB,
        "4 gb": 4 * GB,
        "4GiB": 4 * 2**30,
        "900MB": 9 * 10**8,
        "0.5kB": 500,
        " 64 ": 64,
    }
    assert {text: parse_memory(text) for text in sizes} == sizes


@pytest.mark.parametrize(
    "text", ["", "GB", "4XB", "-4GB", "0", "0.1", "1.2.3GB", "4GB 2", "nan", "inf", "9" * 400]
)
def test_what_is_not_a_size_is_named(text):
    with pytest.raises(ValueError, match="memory must be a size like 4GB") as caught:
        parse_memory(text)
    assert one_line(caught, repr(text))


def test_free_memory_is_most_of_what_this_process_may_have(monkeypatch):
    assert 0 < free_memory() < psutil.virtual_memory().total
    monkeypatch.setattr(memory, "allowed_memory", lambda: 1000.0)
    assert free_memory() == 700


@pytest.mark.parametrize(
    ("files", "group", "allowed"),
    [
        ({}, "0::/job/step/task", math.inf),
        ({"memory.max": "900"}, "0::/", 900),
        (
            {"job/memory.max": "500", "job/step/memory.max": "max", "other/memory.max": "3"},
            "0::/job/step",
            500,
        ),
        ({"memory/job/memory.limit_in_bytes": "400"}, "7:cpu:/x\n4:hugetlb,memory:/job/step", 400),
    ],
)
def test_the_limit_of_any_group_above_holds(tmp_path, files, group, allowed):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    (tmp_path / "cgroup").write_text(group + "\n")
    assert allowed_memory(tmp_path, tmp_path / "cgroup") == allowed


def test_the_total_is_that_of_the_machine_or_of_its_container(monkeypatch):
    assert 0 < free_memory() < total_memory() <= psutil.virtual_memory().total
    monkeypatch.setattr(memory, "allowed_memory", lambda: 1000.0)
    assert total_memory() == 1000
