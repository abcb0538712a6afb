"""The settings of the thesis: each file is read whole, and its network trains two steps."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from seamwise.engine import read_settings
from seamwise.fusion import FusionSettings, find_pictures
from seamwise.fusion import train as train_fusion
from seamwise.io.images import write_png
from seamwise.segmentation import AnnotatedImage, TrainSettings, train
from seamwise.synth import crowded_cells
from support.curves import no_curves

FOLDER = Path(__file__).parent.parent / "recipes" / "thesis"
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))
CELLS = [name for name in FILES if not name.startswith("chapter6")]
PICTURES = [name for name in FILES if name.startswith("chapter6")]
SMALL = {"width": 2, "depth": 2, "steps": 2, "validate_every": 2, "crop": 32}
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs recipes/, which the source distribution lacks"
)


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


def cells(name):
    return read_settings(TrainSettings, FOLDER / name)


@pytest.fixture(scope="module")
def annotated():
    images = []
    for seed in range(2):
        scene = crowded_cells((48, 48), cells=6, radius=7, rng=seed)
        image = (scene.image / scene.image.max())[np.newaxis].astype(np.float32)
        images.append(AnnotatedImage(f"cells{seed}", image, scene.labels.astype(np.int32)))
    return images


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(2):
        cut = np.ascontiguousarray(astronaut()[100 * number : 100 * number + 48, 50:98])
        write_png(folder / f"p{number}.png", cut)
    return find_pictures(folder)


def test_every_network_of_the_thesis_has_a_file():
    systems = {
        "chapter3": ("unet2", "unet3", "fl", "dwm", "saw"),
        "chapter4": ("bwm", "unet", "w3", "lsmax"),
        "chapter5": ("bwm", "w3", "dsc", "j3", "j4"),
        "chapter6": ("hf-seg", "hf-reg", "hf-reg-noise"),
    }
    expected = [f"{chapter}-{name}.toml" for chapter, names in systems.items() for name in names]
    assert sorted(expected) == FILES


@pytest.mark.parametrize("name", CELLS)
def test_networks_of_cells_are_as_printed_and_train(tmp_path, annotated, name):
    settings = cells(name)
    chapter, _, loss = name.removesuffix(".toml").partition("-")
    assert settings.loss == loss
    assert (settings.width, settings.depth, settings.norm) == (64, 4, "none")
    assert (settings.sampling, settings.batch_size) == ("epochs", 1)
    assert settings.steps == 1000 * (10 if chapter == "chapter3" else 28)
    if chapter == "chapter3":
        assert (settings.optimizer, settings.learning_rate, settings.annotation) == (
            *("sgd", 0.1),
            "binary",
        )
    else:
        assert (settings.optimizer, settings.learning_rate) == ("adam", 1e-4)
        assert (settings.betas, settings.epsilon) == ((0.9, 0.99), 1e-10)
        assert settings.touching_radius == (1 if chapter == "chapter4" else 2)
    path = train(annotated, annotated, replace(settings, **SMALL), output=tmp_path, device="cpu")
    assert path.exists()


@pytest.mark.parametrize("name", PICTURES)
def test_networks_of_pictures_are_as_printed_and_train(tmp_path, pictures, name):
    settings = read_settings(FusionSettings, FOLDER / name)
    assert (settings.width, settings.norm, settings.symmetric) == (64, "none", False)
    assert (settings.crop, settings.batch_size, settings.sampling) == (400, 3, "epochs")
    assert (settings.optimizer, settings.learning_rate) == ("adam", 1e-5)
    assert settings.steps * 3 == 118287 * (500 if "noise" in name else 1000)
    assert settings.network == ("selection" if "seg" in name else "picture")
    path = train_fusion(
        pictures, pictures, replace(settings, **SMALL), output=tmp_path, device="cpu"
    )
    assert path.exists()


def test_files_of_a_chapter_differ_in_the_loss_alone():
    own = {"loss", "lam", "gap_radius"}
    for chapter in ("chapter3", "chapter4", "chapter5"):
        common = [
            {
                field.name: getattr(cells(name), field.name)
                for field in fields(TrainSettings)
                if field.name not in own
            }
            for name in CELLS
            if name.startswith(chapter)
        ]
        assert all(settings == common[0] for settings in common)
