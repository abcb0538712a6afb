"""`seamwise nnunet-trainers`: what is installed, in one line."""

from pathlib import Path

import pytest

import seamwise_nnunet
from seamwise.cli import packages
from seamwise_nnunet import installed


class Entry:
    """An entry point that loads the command."""

    @staticmethod
    def load():
        return seamwise_nnunet.nnunet_trainers


@pytest.fixture
def join(monkeypatch):
    """Let the package be installed, or not, next to an nnU-Net of some release."""

    def install(release=None, *, is_installed=True):
        def version(name):
            if release is None:
                raise installed.PackageNotFoundError(name)
            return release

        monkeypatch.setattr(packages, "_entries", lambda name: [Entry] * is_installed)
        monkeypatch.setattr(installed, "version", version)

    return install


def test_a_missing_package_is_named_in_one_line(run, join):
    join(is_installed=False)
    code, _, err = run("nnunet-trainers")
    assert code == 2
    assert err == (
        "seamwise: nnunet-trainers needs the package seamwise-nnunet: in the folder of seamwise "
        "type `pip install ./apps/nnunet`\n"
    )


@pytest.mark.parametrize("release", ["2.8", "2.8.1", "2.10.0", "3.0rc1"])
def test_the_folder_is_the_only_output(run, join, release):
    join(release)
    code, out, err = run("nnunet-trainers")
    assert (code, err) == (0, "")
    (file,) = Path(out.removesuffix("\n")).glob("*.py")
    assert "nnUNetTrainerJ4" in file.read_text()


@pytest.mark.parametrize(
    ("release", "came"), [("2.7.3", ", not 2.7.3"), ("2", ", not 2"), (None, "")]
)
def test_an_nnunet_that_is_missing_or_too_old_is_one_line(run, join, release, came):
    join(release)
    code, out, err = run("nnunet-trainers")
    assert (code, out) == (2, "")
    assert err == (
        f"seamwise: the trainers need nnU-Net 2.8 or newer{came}: pip install 'nnunetv2>=2.8'\n"
    )


def test_the_entry_point_of_the_package_is_the_command():
    text = (Path(seamwise_nnunet.__file__).parents[2] / "pyproject.toml").read_text()
    line = 'nnunet-trainers = "seamwise_nnunet:nnunet_trainers"'
    assert f'[project.entry-points."{packages.GROUP}"]\n{line}' in text
