from dataclasses import dataclass

import numpy as np
import pytest

from seamwise.io.arrays import load_arrays, save_arrays


@dataclass(frozen=True, eq=False)
class Inner:
    count: int
    planes: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Outer:
    first: Inner
    flags: np.ndarray
    second: Inner


CONTENT = Outer(
    first=Inner(3, (np.zeros((2, 0), np.uint8), np.array([[1, 2]], np.uint16))),
    flags=np.array([True, False]),
    second=Inner(np.int64(0), ()),
)


def test_what_was_saved_is_loaded_with_types_and_shapes(tmp_path):
    path = tmp_path / "x.npz"
    save_arrays(path, CONTENT)
    loaded = load_arrays(path, Outer)
    assert (type(loaded), type(loaded.first)) == (Outer, Inner)
    assert (loaded.first.count, loaded.second.count) == (3, 0)
    assert type(loaded.first.count) is int
    assert loaded.second.planes == ()
    for one, other in zip(
        (*loaded.first.planes, loaded.flags), (*CONTENT.first.planes, CONTENT.flags), strict=True
    ):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert np.array_equal(one, other)


def test_tuples_keep_their_order_beyond_ten(tmp_path):
    save_arrays(tmp_path / "x.npz", Inner(0, tuple(np.array(n) for n in range(12))))
    assert [int(n) for n in load_arrays(tmp_path / "x.npz", Inner).planes] == list(range(12))


def test_a_failure_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    save_arrays(path, Inner(1, ()))

    def full(stream, **arrays):
        stream.write(b"PK")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        with pytest.raises(OSError, match="no space is left") as caught:
            save_arrays(path, Inner(2, ()))
    assert str(path) in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]
    assert load_arrays(path, Inner).count == 1


@pytest.mark.parametrize("value", [0.5, "x", None, [1]])
def test_other_values_are_named_before_anything_is_written(tmp_path, value):
    with pytest.raises(TypeError, match=rf"planes\.1 must be an array.*{type(value).__name__}"):
        save_arrays(tmp_path / "x.npz", Inner(1, (np.zeros(1), value)))
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_there_or_hold_other_things(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "x.npz", Inner)
    save_arrays(tmp_path / "x.npz", Inner(1, ()))
    with pytest.raises(KeyError):
        load_arrays(tmp_path / "x.npz", Outer)


def test_no_code_of_a_file_is_run(tmp_path):
    np.savez(tmp_path / "x.npz", count=np.array([{}], object))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(tmp_path / "x.npz", Inner)
