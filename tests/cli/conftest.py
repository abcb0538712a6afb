"""Images, models and folders that the tests of several commands use."""

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch
from skimage.data import astronaut

from seamwise.io.models import Architecture, SegmentationInfo, save_model
from seamwise.io.photo import write_photo
from seamwise.nets import UNet
from seamwise.synth import crowded_cells, focus_pair
from support.curves import no_curves

SCENE = crowded_cells((96, 110), cells=12, radius=8, rng=0)


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4, width=2, depth=2),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
    )
    save_model(path, UNet(1, 4, width=2, depth=2).state_dict(), info)
    return str(path)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.tif", "c.tif"):
        write = iio.imwrite if name.endswith("png") else tifffile.imwrite
        write(folder / name, (SCENE.image // 256).astype(np.uint8))
    return folder


@pytest.fixture
def training(tmp_path):
    for seed in range(4):
        scene = crowded_cells((64, 64), cells=5, radius=7, rng=seed)
        for kind, array in (("images", scene.image), ("masks", scene.labels)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "data" / kind / f"{seed}.tif", array)
    settings = tmp_path / "quick.toml"
    settings.write_text(
        "width = 2\ndepth = 2\ncrop = 32\nbatch_size = 2\nvalidate_every = 2\n"
        "[augmentation]\nwarp = 1\n"
    )
    return ["train", tmp_path / "data", "--settings", settings, "-o", tmp_path / "run"]


@pytest.fixture
def burst(tmp_path):
    image = astronaut()[:200, 100:340]
    left = np.zeros(image.shape[:2], bool)
    left[:, :120] = True
    pair = focus_pair(image, left, sigma=2.0)
    folder = tmp_path / "burst"
    folder.mkdir()
    for name, picture in (("a.png", pair.a), ("b.png", pair.b)):
        write_photo(folder / name, np.round(picture * 255).astype(np.uint8))
    return folder
