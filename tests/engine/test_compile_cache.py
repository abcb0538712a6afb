"""The cache of compiled networks."""

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from seamwise.engine import compile_cache
from seamwise.engine import openvino as of_openvino
from seamwise.engine.compile_cache import cache_folder, cache_key, from_cache
from seamwise.io import cache
from seamwise.nets import UNet

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAMWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


A, B = cache_key(b"a"), cache_key(b"b")


def keep(number, key=A):
    """Make a number, or take the one that the cache has."""
    return from_cache(key, lambda: number, write=pickle.dumps, read=pickle.loads)


def test_the_second_call_reads_what_the_first_one_made(folder):
    assert [keep(1), keep(2), keep(3, key=B), keep(4)] == [1, 1, 3, 1]
    assert sorted(path.name for path in folder.iterdir()) == sorted([A, B])


@pytest.mark.parametrize("damage", ["short", "empty", "bit"])
def test_a_damaged_file_is_made_again(folder, damage):
    keep(1)
    content = bytearray((folder / A).read_bytes())
    content[-2] ^= 1
    (folder / A).write_bytes({"short": content[:40], "empty": b"", "bit": content}[damage])
    assert [keep(2), keep(3)] == [2, 2]


def test_a_whole_file_that_cannot_be_used_is_made_again(folder):
    from_cache(A, lambda: 0, write=lambda _: b"junk", read=pickle.loads)
    assert [keep(2), keep(3)] == [2, 2]


def test_a_folder_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEAMWISE_CACHE", str(tmp_path / "file" / "cache"))
    assert [keep(1), keep(2)] == [1, 2]


def test_what_cannot_be_written_is_made_each_time(folder):
    def fail(_):
        raise RuntimeError("not supported")

    for number in (1, 2):
        assert from_cache(A, lambda n=number: n, write=fail, read=pickle.loads) == number
    assert not folder.exists()


def test_an_error_of_what_makes_it_is_raised(folder):
    with pytest.raises(ZeroDivisionError):
        from_cache(A, lambda: 1 / 0, write=pickle.dumps, read=pickle.loads)
    assert not folder.exists()


def test_files_that_were_not_used_for_long_go_and_no_others(folder, monkeypatch):
    keys = [cache_key(bytes([number])) for number in range(5)]
    keep(0, key=keys[0])
    size = (folder / keys[0]).stat().st_size
    monkeypatch.setattr(compile_cache, "LIMIT", 3 * size)
    (folder / "thesis.txt").write_text("of the user" * size)
    (folder / "pictures").mkdir()
    for key in keys[:3]:
        keep(0, key=key)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    keep(0, key=keys[0])  # used now
    keep(0, key=keys[3])
    keep(0, key=keys[4])
    names = {path.name for path in folder.iterdir()}
    assert names == {keys[0], keys[3], keys[4], "thesis.txt", "pictures"}


def test_a_file_of_another_network_is_not_taken(folder):
    keep(1)
    (folder / A).rename(folder / B)
    assert keep(2, key=B) == 2


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SEAMWISE_CACHE")
    monkeypatch.setattr(cache, "user_cache_path", fail)
    assert [keep(1), keep(2)] == [1, 2]


def test_a_folder_that_is_not_absolute_is_not_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEAMWISE_CACHE", "~/cache")
    assert [keep(1), keep(2)] == [1, 2]
    assert not list(tmp_path.iterdir())


def test_a_key_depends_on_each_part_and_where_it_ends():
    keys = [cache_key(b"ab", b"c"), cache_key(b"a", b"bc"), cache_key(b"abc"), cache_key()]
    assert len(set(keys)) == 4
    assert cache_key(b"ab", b"c") == keys[0]


def test_the_folder_is_the_users_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("SEAMWISE_CACHE")
    monkeypatch.setattr(cache, "user_cache_path", lambda name, **_: tmp_path / name)
    assert cache_folder() == tmp_path / "seamwise" / "networks"


def net_of(seed):
    torch.manual_seed(seed)
    return UNet(1, 2, width=2, depth=1).arrays()


@needs_openvino
def test_a_compiled_network_comes_back(folder, monkeypatch):
    image = torch.rand(1, 1, 8, 6).numpy()
    expected = of_openvino.compile_openvino(net_of(0), "float32")(image)
    monkeypatch.setattr(of_openvino, "_model", lambda *_: pytest.fail("it was compiled again"))
    assert (of_openvino.compile_openvino(net_of(0), "float32")(image) == expected).all()
    assert len(list(folder.iterdir())) == 1


@needs_openvino
def test_other_weights_precision_ranges_or_threads_have_their_own_file(folder):
    compile_openvino, threads = of_openvino.compile_openvino, torch.get_num_threads()
    convolutions = len(net_of(0).convolutions)
    compile_openvino(net_of(0), "float32")
    compile_openvino(net_of(1), "float32")
    compile_openvino(net_of(0), "int8", [1.0] * convolutions)
    compile_openvino(net_of(0), "int8", [2.0] * convolutions)
    torch.set_num_threads(threads + 1)
    try:
        compile_openvino(net_of(0), "float32")
    finally:
        torch.set_num_threads(threads)
    assert len(list(folder.iterdir())) == 5


@needs_openvino
def test_a_damaged_network_is_compiled_again(folder):
    image = torch.rand(1, 1, 8, 6).numpy()
    expected = of_openvino.compile_openvino(net_of(0), "float32")(image)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"\x00" * len(whole)):
        path.write_bytes(content)
        assert (of_openvino.compile_openvino(net_of(0), "float32")(image) == expected).all()
        assert path.stat().st_size == len(whole)


@needs_openvino
def test_processes_that_start_together_share_the_cache(folder):
    code = (
        "from seamwise.engine.networks import load_network\n"
        "from seamwise.io.models import FusionInfo\n"
        "print(load_network('focus-seg', FusionInfo, runtime='openvino').runtime.name)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    names = {run.communicate()[0].strip().split()[0] for run in runs}
    assert names == {"openvino"}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(list(folder.iterdir())) == 1
