"""Small blocks, so that a small image has several; the image, and models for it."""

import pytest

from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.segmentation.big import blocks, memory
from support.volumes import blobs, intensity_model


@pytest.fixture
def small_blocks(monkeypatch):
    for ndim, chunk, halo in ((2, 40, 8), (3, 16, 4)):
        monkeypatch.setitem(memory.CHUNK, ndim, chunk)
        monkeypatch.setitem(memory.HALO, ndim, halo)
    monkeypatch.setattr(blocks, "_LEAST", 8)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {ndim: intensity_model(folder / f"{ndim}.safetensors", ndim) for ndim in (2, 3)}


@pytest.fixture
def image(tmp_path):
    """A plane of 70 × 100 pixels, 2 × 3 blocks of 40, in an OME-Zarr folder."""
    path = tmp_path / "a.ome.zarr"
    write_image(
        path, blobs((70, 100)), axes="YX", spacing=(0.5, 0.25), storage=ZarrStorage(chunks=(32, 32))
    )
    return path
