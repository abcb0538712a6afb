import numpy as np
import pytest
import zarr

from seamwise.io.scratch import create_scratch, open_scratch


def test_a_new_array_is_zeros_of_one_chunk_per_block(tmp_path):
    path = tmp_path / "classes.zarr"
    create_scratch(path, (5, 7), block=(2, 7), dtype=np.uint16)
    array = open_scratch(path)
    assert (array.shape, array.chunks, array.dtype) == ((5, 7), (2, 7), np.uint16)
    assert not np.asarray(array[...]).any()
    assert [file.name for file in tmp_path.iterdir()] == ["classes.zarr"]


def test_boxes_are_written_and_read_by_whoever_opens_it(tmp_path):
    path = tmp_path / "classes.zarr"
    create_scratch(path, (5, 7), block=(2, 4), dtype=np.float32)
    open_scratch(path)[2:4, 4:7] = [[1.5, 2, 3], [4, 5, 6]]
    assert np.asarray(open_scratch(path)[3:5, 3:6]).tolist() == [[0, 4, 5], [0, 0, 0]]
    # a block of zeros takes no file
    assert sum(file.is_file() for file in path.rglob("*")) == 2


def test_an_array_that_is_there_is_replaced(tmp_path):
    path = tmp_path / "x.zarr"
    create_scratch(path, (4,), block=(2,), dtype=np.uint8)
    open_scratch(path)[:] = 9
    create_scratch(path, (6,), block=(3,), dtype=np.uint8)
    assert np.asarray(open_scratch(path)[...]).tolist() == [0] * 6


def test_it_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path, create = tmp_path / "x.zarr", zarr.create_array

    def killed(*args, **options):
        create(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(zarr, "create_array", killed)
    with pytest.raises(KeyboardInterrupt):
        create_scratch(path, (4,), block=(2,), dtype=np.uint8)
    assert not path.exists()
    monkeypatch.undo()
    create_scratch(path, (4,), block=(2,), dtype=np.uint8)
    assert [file.name for file in tmp_path.iterdir()] == ["x.zarr"]


def test_there_is_nothing_to_open(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_scratch(tmp_path / "x.zarr")
