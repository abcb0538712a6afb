"""Help, and errors on the command line: one line each."""

import subprocess
import sys

import pytest
import typer

import seamwise
from seamwise.cli import app


def test_help_lists_the_commands_by_group(run):
    code, out, _ = run("--help")
    assert code == 0
    lines = [line.strip() for line in out.splitlines()]
    groups = [lines.index(f"{group}:") for group in ("Segment", "Train", "Fuse", "About")]
    assert groups == sorted(groups)
    assert any(line.startswith("combine ") for line in lines[groups[1] : groups[2]])
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("columns", [60, 80])
def test_help_fits_the_terminal(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in ("", *typer.main.get_command(app).commands):
        code, out, _ = run(*command.split(), "--help")
        assert code == 0
        assert [line for line in out.splitlines() if len(line) > columns] == [], command


def test_without_a_command_the_help_is_printed(run):
    code, out, err = run()
    assert code == 2
    assert "Usage: seamwise" in out + err


def test_the_version_is_printed(run):
    assert run("--version") == (0, f"seamwise {seamwise.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["segment", "--help"]])
def test_help_and_version_import_neither_torch_nor_numpy(arguments):
    script = (
        "import sys\nfrom seamwise.cli import main\n"
        f"sys.argv = ['seamwise', *{arguments}]\n"
        "try:\n    main()\nexcept SystemExit:\n"
        "    sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'rich.progress')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_words_of_an_option_are_completed():
    environment = {
        "_SEAMWISE_COMPLETE": "complete_bash",
        "COMP_WORDS": "seamwise segment --decode wa",
        "COMP_CWORD": "3",
    }
    script = "from seamwise.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["watershed"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fuse", "a", "-o", "b", "--near"], "option --near of fuse is now --nearest"),
        (["fuse", "a", "-o", "b", "--no-near"], "option --no-near of fuse is now --no-nearest"),
        (["segment", "--tle", "3"], "segment has no option --tle: did you mean --tile?"),
        (["info", "--frobnicate"], "info has no option --frobnicate: see `seamwise info --help`"),
        (["--versio"], "seamwise has no option --versio: did you mean --version?"),
        (["segmen"], "no such command 'segmen'. Did you mean 'segment'?"),
        (["segment", "-o", "x"], "segment needs INPUTS: see `seamwise segment --help`"),
        (["segment", "x"], "segment needs --output: see `seamwise segment --help`"),
        (["tune", "m", "d", "--min-size", "1"], "tune has no option --min-size"),
        (["segment", "x", "-o", "y", "--min-size", "-1"], "--min-size must be greater than"),
        (["segment", "x", "-o", "y", "--workers", "two"], "--workers must be a valid integer"),
        (
            ["segment", "x", "-o", "y", "--decode", "argmin"],
            "--decode must be argmax, threshold, watershed or relief, not 'argmin'",
        ),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line(run, arguments, line):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"seamwise: {line}")
    assert err.count("\n") == 1


def test_each_option_is_explained_and_shows_its_default(run):
    from typer.main import get_command

    for name, command in get_command(app).commands.items():
        for option in command.params:
            assert option.help, f"{name} {option.opts}"
            is_flag = getattr(option, "is_flag", False)
            shown = option.required or is_flag or option.default is not None
            unused = option.name in ("output", "json_file", "csv_file", "plot", "truth", "images")
            unused |= option.name in (
                "alignment",
                "leave_out_every",
                "report",
                "corrected",
                "logger",
            )
            assert shown or unused or isinstance(option.show_default, str), f"{name} {option.opts}"


def test_defaults_in_the_help_are_those_of_the_settings():
    from typer.main import get_command

    from seamwise.fusion import FusionSettings
    from seamwise.segmentation import TrainSettings

    commands = get_command(app).commands
    for name, settings in (("train", TrainSettings()), ("train-fusion", FusionSettings())):
        options = {option.name: option.show_default for option in commands[name].params}
        for option in ("loss", "steps", "batch_size", "width", "seed", "devices", "nodes"):
            assert options[option] == str(getattr(settings, option)), f"{name} {option}"
        assert float(options["learning_rate"]) == settings.learning_rate
    assert options["network"] == FusionSettings().network
    assert options["crop"] == str(FusionSettings().crop)
    assert TrainSettings().annotation == "instances"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("segment", "--tile"),
        ("segment", "--min-size"),
        ("segment", "--scale"),
        ("segment", "--workers"),
        ("segment", "--memory"),
        ("fuse", "--tile"),
        ("train", "--steps"),
        ("train", "--batch-size"),
        ("train", "--crop"),
        ("train", "--width"),
        ("train", "--seed"),
        ("train", "--devices"),
        ("train-fusion", "--steps"),
        ("train-fusion", "--batch-size"),
    ],
)
@pytest.mark.parametrize("number", [10**30, 10**400])
def test_a_number_too_large_for_a_computer_is_refused_in_one_line(
    run, tmp_path, command, option, number
):
    output = tmp_path / "out"
    code, _, err = run(command, tmp_path, "-o", output, option, number)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert option.strip("-").replace("-", "_") in err.replace("magnified", "scale")
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["segment", "", "-o", "out"], "an argument"),
        (["segment", "a.png", "-o", ""], "-o"),
        (["measure", "a.png", "b.tif", "--output="], "--output"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(run, tmp_path, monkeypatch, arguments, name):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith(f"seamwise: {name} is empty: give a value")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["x.tif", "-o", "out"], ["loop.tif", "-o", "out"]])
def test_a_link_to_itself_is_one_line(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    code, _, err = run("segment", *arguments, "loop.tif")
    assert code == 2
    assert len(err.splitlines()) == 1
