"""From disk to disk: images that are damaged, too large for the memory, or not to be segmented."""

import os
from dataclasses import replace

import numpy as np
import pytest

from seamwise.io.images import read_image, read_labels
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.io.volume import open_labels
from seamwise.segmentation import decode_files
from seamwise.segmentation.big import blocks
from support.block_runs import run, spoil_chunk
from support.files import one_line
from support.volumes import blobs

pytestmark = pytest.mark.usefixtures("small_blocks")


def test_a_damaged_chunk_is_named_and_nothing_else_is_lost(tmp_path, image, models):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=80)
    spoil_chunk(image, 1, 2)
    result = run(image, tmp_path / "out.zarr", model=models[2], tile=80, decode="argmax")
    (line,) = result.damaged
    assert "chunk (1, 2)" in line
    assert "\n" not in line
    labels, whole = read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr")
    assert not labels[32:64, 64:96].any()
    far = np.ones(labels.shape, bool)
    far[16:, 48:] = False
    # without that chunk the percentiles are others, though hardly
    assert np.mean((labels > 0)[far] == (whole > 0)[far]) > 0.97
    assert (labels[20:32, 64:96] > 0).any()


def test_damage_in_both_halves_of_a_block_is_left_out_of_both(tmp_path, image, models, monkeypatch):
    def limited(pixels, model, *, compute=blocks.tile_probabilities, **options):
        if pixels[0].size > 50 * 50:
            raise MemoryError
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "tile_probabilities", limited)
    monkeypatch.setattr(blocks, "_LEAST", 16)
    spoil_chunk(image, 1, 1)  # a block of 70 × 100 is cut at column 48
    result = run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert len(result.damaged) == 1
    labels = read_labels(tmp_path / "out.zarr")
    assert not labels[32:64, 32:64].any()
    assert labels.any()


def test_damage_over_a_seam_of_blocks_is_one_line(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((70, 100)), axes="YX", storage=ZarrStorage(chunks=(50, 50)))
    spoil_chunk(path, 0, 1)
    result = run(path, tmp_path / "out.zarr", model=models[2], tile=40)
    assert len(result.damaged) == 1
    assert not read_labels(tmp_path / "out.zarr")[:50, 50:].any()


def test_of_an_image_that_cannot_be_read_at_all_nothing_is_left(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((20, 30)), axes="YX")
    spoil_chunk(path, 0, 0)
    with pytest.raises(ValueError, match="cannot be read") as caught:
        run(path, tmp_path / "out.zarr", model=models[2])
    assert one_line(caught, str(path))
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()]
)
def test_when_memory_runs_out_a_block_is_done_in_halves(
    tmp_path, image, models, monkeypatch, error
):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=128)
    sizes = []

    def limited(pixels, model, *, compute=blocks.tile_probabilities, **options):
        sizes.append(pixels[0].size)
        if pixels[0].size > 50 * 50:
            raise error
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "tile_probabilities", limited)
    run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert np.array_equal(read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr"))
    assert max(sizes) > 50 * 50 > min(sizes)


def test_when_even_the_smallest_part_is_too_large_for_the_gpu_the_cpu_does_it(
    tmp_path, image, models, monkeypatch
):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=128)

    def loaded(path, sha256, device, runtime, load=blocks.shared_network):
        model = load(path, sha256, "cpu", runtime)
        return model if device == "cpu" else replace(model, device="cuda")

    def full(pixels, model, *, compute=blocks.tile_probabilities, **options):
        if model.device == "cuda":
            raise RuntimeError("CUDA out of memory")
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "_LEAST", 32)
    monkeypatch.setattr(blocks, "shared_network", loaded)
    monkeypatch.setattr(blocks, "tile_probabilities", full)
    run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert np.array_equal(read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr"))


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (MemoryError(), MemoryError, "not enough memory for the box"),
        (
            RuntimeError("CUDA error: an illegal memory access was encountered"),
            RuntimeError,
            "illegal",
        ),
    ],
)
def test_what_halves_do_not_mend_is_raised(tmp_path, image, models, monkeypatch, error, kind, word):
    def failing(*args, **options):
        raise error

    monkeypatch.setattr(blocks, "tile_probabilities", failing)
    with pytest.raises(kind, match=word) as caught:
        run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert one_line(caught)


@pytest.mark.parametrize(
    ("pixels", "axes", "word"),
    [
        (np.where(np.eye(40) > 0, np.nan, 1), "YX", "NaN or infinite"),
        (blobs((4, 40, 50)), "ZYX", "stack of 4 slices"),
        (blobs((3, 40, 50)), "CYX", "expects 1 channel"),
    ],
)
def test_images_that_cannot_be_segmented_leave_nothing(tmp_path, models, pixels, axes, word):
    write_image(tmp_path / "a.zarr", pixels, axes=axes)
    with pytest.raises(ValueError, match=word) as caught:
        run(tmp_path / "a.zarr", tmp_path / "out.zarr", model=models[2], tile=40)
    assert one_line(caught)
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_a_constant_image_has_no_cells(tmp_path, models):
    write_image(tmp_path / "a.zarr", np.full((40, 50), 9, np.uint8), axes="YX")
    result = run(tmp_path / "a.zarr", tmp_path / "out.zarr", model=models[2], tile=40)
    assert result.cells == (0,)
    assert not read_labels(result.path).any()


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"tile": 0}, ValueError, "tile must be 1 or more"),
        ({"flood_halo": -1}, ValueError, "flood_halo must be 0 or more"),
        ({"name": "../cells"}, ValueError, "plain name"),
        ({"name": ""}, ValueError, "plain name"),
        ({"zarr_version": "0.3"}, ValueError, "zarr_version must be"),
        ({"memory": 10**6}, ValueError, "too little"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, ValueError, "give one"),
        ({"decode": "otsu"}, ValueError, "decode must be one of"),
        ({"channel": 3}, ValueError, "channel"),
        ({"device": "gpu"}, ValueError, "device 'gpu'"),
        ({"model": "nuclei-9d"}, FileNotFoundError, "no model named"),
    ],
)
def test_bad_options_are_named_before_any_work(tmp_path, image, models, options, error, word):
    with pytest.raises(error, match=word) as caught:
        run(image, tmp_path / "out.zarr", **{"model": models[2]} | options)
    assert one_line(caught)
    assert os.listdir(tmp_path) == [image.name]


def test_where_a_series_is_constant_or_damaged_the_probability_is_that_of_background(
    tmp_path, models
):
    path = tmp_path / "a.ome.zarr"
    series = np.stack([blobs((70, 100)), np.full((70, 100), 7, np.float32)])
    write_image(path, series, axes="TYX", storage=ZarrStorage(chunks=(1, 32, 32)))
    spoil_chunk(path, 0, 1, 2)
    output = tmp_path / "out" / "a.ome.zarr"
    output.parent.mkdir()
    result = run(path, output, model=models[2], tile=80, probabilities=True)
    assert len(result.damaged) == 1
    assert result.caution.startswith(
        "nothing can be seen at 1 time point of 2, such as 2: constant"
    )
    target = output.parent / "probabilities" / "a.ome.zarr"
    first, second = (read_image(target, time=time).data for time in (0, 1))
    background = np.zeros(len(first)) + (np.arange(len(first)) == 0)
    assert (second == background[:, np.newaxis, np.newaxis]).all()
    assert (first[:, 32:64, 64:96] == background[:, np.newaxis, np.newaxis]).all()
    (outcome,) = decode_files([target], tmp_path / "decoded")
    assert outcome.messages[-1].endswith("+ 0 cells")
    labels = open_labels(tmp_path / "decoded" / "a.ome.zarr")
    assert (labels.times, labels.shape) == (2, (70, 100))
