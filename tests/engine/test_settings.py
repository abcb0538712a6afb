import re

import pytest

from seamwise.engine.settings import RunSettings, change_settings, read_settings
from seamwise.fusion import FusionSettings
from seamwise.segmentation import TrainSettings
from support.files import one_line


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.toml"


def test_a_file_and_the_options_that_win(file):
    file.write_text("steps = 7\nwidth = 3\n[augmentation]\nrotate = 5\n")
    settings = read_settings(TrainSettings, file, {"steps": 9, "loss": None})
    assert (settings.steps, settings.width, settings.augmentation.rotate) == (9, 3, 5.0)
    assert settings.loss == TrainSettings().loss
    assert read_settings(TrainSettings) == TrainSettings()


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (TrainSettings, "step = 3", "unknown setting 'step' in {file}: did you mean 'steps'?"),
        (
            TrainSettings,
            "[augmentation]\nrotat = 3",
            "unknown setting 'augmentation.rotat' in {file}: did you mean 'augmentation.rotate'?",
        ),
        (
            TrainSettings,
            "[normalization]\nhi = 3",
            "unknown setting 'normalization.hi' in {file}: did you mean 'normalization.high'?",
        ),
        (
            TrainSettings,
            "rotate = 3",
            "unknown setting 'rotate' in {file}: did you mean 'augmentation.rotate'?",
        ),
        (TrainSettings, "zzz = 3", "unknown setting 'zzz' in {file}: see docs/training.md"),
        (FusionSettings, "zzz = 3", "unknown setting 'zzz' in {file}: see docs/fusion.md"),
        (TrainSettings, "lam = -1", "expected a number of at least 0, or a row of them"),
        (TrainSettings, 'lam = [[0, "x"]]', "expected a number of at least 0, or a row of them"),
        (
            TrainSettings,
            "lam = [[0, 1], [1, 0]]",
            "setting lam must have 4 rows of 4 numbers for j4, not rows of 2, 2",
        ),
        (RunSettings, 'optimizer = "sgd"\nmomentum = 1.0', "setting momentum in {file}: "),
        (RunSettings, "betas = [0.9, 1.0]", "setting betas.1 in {file}: "),
        (RunSettings, "epsilon = 0", "setting epsilon in {file}: "),
        (RunSettings, 'optimizer = "rmsprop"', "setting optimizer in {file}: "),
        (
            TrainSettings,
            'loss = "tversky"\nloss_options = { beta = "x" }',
            "setting loss_options.beta in {file}: ",
        ),
        (TrainSettings, 'sampling = "once"', "setting sampling in {file}: "),
        (
            FusionSettings,
            'network = "picture"\nadded = { vgg = 0.5 }',
            "setting added.vgg.[key] in {file}: ",
        ),
        (
            FusionSettings,
            'network = "picture"\nadded = { ssim = 0.0 }',
            "setting added.ssim in {file}: ",
        ),
        (RunSettings, "steps = 0", "setting steps in {file}: "),
        (RunSettings, "steps = ", "cannot read settings {file} as TOML: "),
        (RunSettings, "x = " + "[" * 100_000, "cannot read settings {file} as TOML: "),
    ],
)
def test_bad_settings_are_named(file, kind, text, words):
    file.write_text(text)
    with pytest.raises(ValueError, match="setting") as caught:
        read_settings(kind, file)
    one_line(caught, words.format(file=file))


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (
            RunSettings,
            'optimizer = "sgd"\nbetas = [0.9, 0.99]',
            "betas and epsilon are options of optimizer adam or adamw, not sgd: remove them",
        ),
        (
            RunSettings,
            "momentum = 0.9",
            "momentum is an option of optimizer sgd, not adam: remove it, or give betas",
        ),
        (
            TrainSettings,
            'loss = "tversky"\nloss_options = { gamma = 2 }',
            "loss tversky has no option 'gamma': choose alpha or beta",
        ),
        (
            TrainSettings,
            "loss_options = { gamma = 2 }",
            "loss j4 has no option 'gamma': it has none",
        ),
        (
            TrainSettings,
            'loss = "tversky"\nloss_options = { beta = 0.0 }',
            "beta must be > 0, not 0.0",
        ),
        (
            FusionSettings,
            "added = { ssim = 0.5 }",
            "loss, added, alpha, delta and bounds are options of network 'picture': remove them",
        ),
        (
            FusionSettings,
            'network = "picture"\nadded = { nps = 0.5 }',
            "added must be other losses than nps, which is the loss",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_named(file, kind, text, words):
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_settings(kind, file)
    one_line(caught, words)


def test_an_option_is_not_blamed_on_the_file(file):
    file.write_text("steps = 7\n")
    with pytest.raises(ValueError, match=r"^setting steps: "):
        read_settings(RunSettings, file, {"steps": 0})
    with pytest.raises(ValueError, match=r"^unknown setting 'step': did you mean 'steps'\?$"):
        read_settings(RunSettings, None, {"step": 3})


def test_a_file_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist: check its name and folder"):
        read_settings(RunSettings, tmp_path / "none.toml")
    with pytest.raises(IsADirectoryError, match="is a folder: give a TOML file"):
        read_settings(RunSettings, tmp_path)


def test_changed_settings_are_checked():
    settings = RunSettings(steps=7)
    assert change_settings(settings, {"width": 3}) == RunSettings(steps=7, width=3)
    with pytest.raises(ValueError, match=r"^setting width of w3: .*, not 0$"):
        change_settings(settings, {"width": 0}, source=" of w3")
