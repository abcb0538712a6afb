"""`seamwise info --doctor`: each fault is a line of its own, and none of them ends the report."""

import re
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from seamwise.cli import doctor

ROOT = Path(__file__).parents[2]
OF_DEVELOPERS = {"browser", "dev", "docs", "notebook", "test"}


def lines_of(out):
    """The lines of a report by what they are about: mark and text."""
    rows = (re.fullmatch(r"(ok|--|!!) ([^:]+): (.*)", line) for line in out.splitlines())
    return {row[2]: (row[1], row[3]) for row in rows if row}


def needs(*texts, extra=""):
    """Requirements of one extra, in place of those of the installation."""
    found = [Requirement(text) for text in texts]
    return lambda of="": found if of == extra else []


def test_the_report_tells_versions_runtimes_and_folders(run):
    _, out, error = run("info", "--doctor")
    assert error == ""
    lines = lines_of(out)
    assert len(lines) == len(out.splitlines()) - 1  # the last one counts the faults
    for subject in ("versions", "torch", "processor", "runtime auto", "memory", "cache"):
        assert lines[subject][0] == "ok", lines[subject]
    assert {f"extra {extra}" for extra in doctor.EXTRAS} <= lines.keys()
    assert {"command app", "command nnunet-trainers"} <= lines.keys()


def test_what_is_needed_and_missing_is_broken(run, monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", needs("tifffile", "nothing-real"))
    code, out, _ = run("info", "--doctor")
    assert code == 1
    assert lines_of(out)["nothing-real"] == ("!!", "is not installed: pip install nothing-real")
    assert "tifffile" not in lines_of(out)
    assert out.splitlines()[-1] == "1 broken, see the lines with !!"


def test_a_package_that_is_too_old_is_broken(run, monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", needs("zarr>=3", "numpy>=1.26"))
    monkeypatch.setattr(doctor, "version", {"zarr": "2.18", "numpy": "2.0"}.get)
    code, out, _ = run("info", "--doctor")
    assert code == 1
    assert lines_of(out)["zarr"] == ("!!", 'is 2.18, needs >=3: pip install "zarr>=3"')
    assert "numpy" not in lines_of(out)


def test_what_another_machine_needs_is_not_missing(monkeypatch):
    texts = ["zarr>=3", 'old; python_version < "3"', 'rawpy; extra == "raw"']
    monkeypatch.setattr(doctor, "requires", lambda _: texts)
    assert [need.name for need in doctor._requirements()] == ["zarr"]
    assert [need.name for need in doctor._requirements("raw")] == ["rawpy"]


def test_what_is_optional_and_missing_is_not_broken(run, monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", needs("nothing-real", extra="raw"))
    code, out, _ = run("info", "--doctor")
    assert code == 0
    mark, text = lines_of(out)["extra raw"]
    assert mark == "--"
    assert 'pip install "seamwise[raw]" brings nothing-real' in text


def test_an_extra_that_the_installation_does_not_know_is_missing(run, monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", needs("tifffile"))
    code, out, _ = run("info", "--doctor")
    assert code == 0
    assert "-- extra nifti: data sets for nnU-Net as NIfTI: the installed seamwise does not" in out


def test_a_package_that_cannot_be_imported_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    code, out, _ = run("info", "--doctor")
    assert code == 1
    mark, text = lines_of(out)["imagecodecs"]
    assert mark == "!!"
    assert text.endswith("install it again")


def test_a_look_that_fails_does_not_end_the_report(run, monkeypatch):
    def _memory():
        raise RuntimeError("no such\nfile")

    monkeypatch.setattr(doctor, "_memory", _memory)
    code, out, _ = run("info", "--doctor")
    assert code == 1
    assert lines_of(out)["memory"] == ("!!", "RuntimeError: no such")
    assert "cache" in lines_of(out)


@pytest.mark.parametrize(
    ("variable", "subject", "mark"),
    [("SEAMWISE_CACHE", "cache", "--"), ("", "temporary files", "!!")],
)
def test_a_folder_that_cannot_be_written_is_named(
    run, monkeypatch, tmp_path, variable, subject, mark
):
    file = tmp_path / "a file"
    file.touch()
    if variable:
        monkeypatch.setenv(variable, str(file / "cache"))
    else:
        monkeypatch.setattr(tempfile, "gettempdir", lambda: str(file))
    _, out, _ = run("info", "--doctor")
    assert lines_of(out)[subject][0] == mark
    assert f"{file}" in lines_of(out)[subject][1]
    assert "name another folder with the variable" in lines_of(out)[subject][1]


def test_a_folder_that_is_not_found_is_named(run, monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory")

    monkeypatch.setenv("SEAMWISE_CACHE", "relative")
    monkeypatch.setattr(tempfile, "gettempdir", none)
    code, out, _ = run("info", "--doctor")
    assert code == 1
    for subject, mark, variable in (
        ("cache", "--", "SEAMWISE_CACHE"),
        ("temporary files", "!!", "TMPDIR"),
    ):
        assert lines_of(out)[subject][0] == mark
        assert lines_of(out)[subject][1].endswith(f"with the variable {variable}")


def test_the_doctor_looks_at_no_model(run):
    code, _, error = run("info", "nuclei-2d", "--doctor")
    assert code == 2
    assert "--doctor looks at the installation, not at nuclei-2d" in error


def test_every_extra_for_users_has_a_purpose():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert doctor.EXTRAS.keys() == project["optional-dependencies"].keys() - OF_DEVELOPERS
