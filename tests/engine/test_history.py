import csv
from contextlib import suppress

from matplotlib.figure import Figure

from seamwise.engine.history import TrainProgress, plot_curve, read_log, seconds_left, write_log

HISTORY = [
    TrainProgress(1, 2.5, 1e-3, 0.5),
    TrainProgress(2, 2.0, 1e-3, 1.0, {"panoptic_quality": 0.25, "average_precision": 0.5}),
]


def test_the_log_has_a_line_per_step_and_empty_scores_where_none_were_taken(tmp_path):
    write_log(tmp_path / "log.csv", HISTORY)
    with open(tmp_path / "log.csv") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["step", "loss", "learning_rate", "seconds", "panoptic_quality", "average_precision"],
        ["1", "2.5", "0.001", "0.5", "", ""],
        ["2", "2.0", "0.001", "1.0", "0.25", "0.5"],
    ]


def test_a_log_comes_back(tmp_path):
    write_log(tmp_path / "log.csv", HISTORY)
    assert read_log(tmp_path / "log.csv") == HISTORY


def test_a_curve_is_drawn_with_and_without_scores(tmp_path):
    for name, history in (("a.png", HISTORY), ("b.png", HISTORY[:1])):
        plot_curve(tmp_path / name, history)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_short_run_has_a_curve_that_one_can_read(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure.axes))
    for steps in (10, 60, 1000):
        last = {"panoptic_quality": 0.9}
        history = [TrainProgress(n, 1.0 / n, 1e-3, n) for n in range(1, steps)]
        with suppress(FileNotFoundError):  # nothing was written
            plot_curve(tmp_path / "a.png", [*history, TrainProgress(steps, 0.5, 1e-3, 9, last)])
    names = [axes[0].get_ylabel() for axes in drawn]
    assert names == ["training loss" + end for end in
                     ("", "\n(mean of 6 steps)", "\n(mean of 50 steps)")]  # fmt: skip
    assert all(axes[1].get_ylim() == (0, 1.1) for axes in drawn)


def test_the_time_left_comes_from_steps_after_the_first_slow_ones():
    slow, quick = 60.0, 0.5
    seconds = [slow * n for n in range(1, 6)]
    seconds += [seconds[-1] + quick * n for n in range(1, 16)]
    lines = [TrainProgress(n + 1, 1.0, 1e-3, s) for n, s in enumerate(seconds)]
    assert seconds_left(lines[:14], first=0, steps=100) is None
    assert seconds_left(lines[:15], first=0, steps=100) == quick * 85
    assert seconds_left(lines, first=0, steps=20) == 0.0
    # a process that resumed at step 4 is slow once more
    assert seconds_left(lines[:18], first=4, steps=100) is None
    assert seconds_left(lines[:19], first=4, steps=100) == quick * 81
