"""The scripts of fusion tables and figures: verdicts on made-up numbers, files, and quick runs."""

import json
import re
import runpy
import sys
from argparse import Namespace
from itertools import chain, count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seamwise.fusion import METRICS, FusionScores
from seamwise.io.images import write_png


@pytest.fixture
def run(scripts, monkeypatch):
    """Run a script as a command, in this process."""

    def command(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        runpy.run_path(str(Path(getattr(scripts, name).__file__)), run_name="__main__")

    return command


def write_pictures(folder, names, shape=(48, 64, 3)):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in names:
        write_png(folder / f"{name}.png", rng.integers(0, 256, shape, np.uint8))
    return folder


@pytest.fixture
def pairs(tmp_path):
    return write_pictures(tmp_path / "pairs", ["x-A", "x-B", "y-A", "y-B"], (40, 52, 3))


def printed(comparison, **systems):
    """Every system at 0.5 ± 0.1 on every claimed metric, but for those given."""
    row = {name: systems.get(name.replace("-", "_"), (0.5, 0.1)) for name in comparison.SYSTEMS}
    return {metric: dict(row) for metric in comparison.CLAIMED}


def scores_of(comparison, columns, *, metric="q_mi", n=12):
    """Scores of n pairs on one metric: (n,) columns by method, 0 for the others."""
    methods = (*comparison.SYSTEMS, *comparison.DUMMIES)
    values = np.stack([columns.get(method, np.zeros(n)) for method in methods], axis=1)[
        :, :, np.newaxis
    ]
    return FusionScores(tuple(map(str, range(n))), methods, (metric,), values)


# --- Tables 8 and 9


def test_the_printed_tables_are_those_of_the_thesis(scripts):
    assert scripts.table8.THESIS.printed["q_te"]["HF-Reg"] == (0.4129, 0.0328)
    assert scripts.table9.THESIS.printed["q_ncie"]["CNN"] == (0.8425, 0.0080)
    for table in (scripts.table8, scripts.table9):
        assert set(table.THESIS.printed) == set(METRICS)
        assert all(
            set(row) == set(scripts.comparison.SYSTEMS) for row in table.THESIS.printed.values()
        )


def test_each_network_must_lead_and_the_printed_numbers_are_judged_too(scripts):
    comparison = scripts.comparison
    thesis = printed(comparison, HF_Reg=(0.6, 0.05), HF_Seg=(0.6, 0.05))
    here = printed(comparison, HF_Reg=(0.6, 0.11), HF_Seg=(0.5, 0.09))
    here["q_te"]["IM"] = (0.7, 0.08)
    assert comparison.leads(thesis, here).splitlines()[2:] == [
        "| HF-Reg has a higher mean | thesis | yes | yes | yes | **holds** |",
        "| HF-Reg has a higher mean | here | yes | no | yes | **does not hold** |",
        "| HF-Reg has a lower deviation | thesis | yes | yes | yes | **holds** |",
        "| HF-Reg has a lower deviation | here | no | no | no | **does not hold** |",
        "| HF-Seg has a higher mean | thesis | yes | yes | yes | **holds** |",
        "| HF-Seg has a higher mean | here | no | no | no | **does not hold** |",
        "| HF-Seg has a lower deviation | thesis | yes | yes | yes | **holds** |",
        "| HF-Seg has a lower deviation | here | yes | no | yes | **does not hold** |",
    ]


def test_the_thesis_own_numbers_do_not_all_agree_with_its_text(scripts):
    (reg, *_), real = (
        [
            line
            for line in scripts.comparison.leads(t.THESIS.printed, t.THESIS.printed).splitlines()
            if "thesis" in line
        ]
        for t in (scripts.table8, scripts.table9)
    )
    assert reg == "| HF-Reg has a higher mean | thesis | yes | yes | yes | **holds** |"
    assert real[0] == "| HF-Reg has a higher mean | thesis | yes | no | no | **does not hold** |"
    synthetic = scripts.comparison.leads(
        scripts.table8.THESIS.printed, scripts.table8.THESIS.printed
    )
    assert (
        "| HF-Seg has a lower deviation | thesis | yes | yes | no | **does not hold** |"
        in synthetic
    )


def test_differences_are_looked_for_between_the_systems_that_the_table_names(scripts):
    comparison = scripts.comparison
    noise = np.random.default_rng(0).normal(0, 0.01, (12, 7))
    order = np.array(
        [7, 2, 1, 6, 3, 5, 4]
    )  # CNN far above HF-Seg; CNN and GFF, GFF and HF-Reg next to each other
    columns = dict(zip(comparison.SYSTEMS, (order + noise).T, strict=True))
    columns["CNN"], columns["HF-Seg"] = columns["CNN"] + 9, columns["HF-Seg"] - 9
    rankings = comparison.rank(scores_of(comparison, columns))
    (line,) = comparison.differences(12, scripts.table9.THESIS, rankings).splitlines()[4:]
    assert "CNN and HF-Seg" not in line
    assert "HF-Seg and CNN (p < 0.0001)" in line
    assert "HF-Reg and GFF" not in line
    assert "n = 12 pairs of pictures" in comparison.differences(12, scripts.table9.THESIS, rankings)

    equal = dict(
        zip(comparison.SYSTEMS, np.random.default_rng(1).normal(size=(7, 12)), strict=True)
    )
    rankings = comparison.rank(scores_of(comparison, equal))
    assert comparison.differences(12, scripts.table8.THESIS, rankings).splitlines()[4:] == [
        f"| Q_MI | {rankings['q_mi'].friedman_p:.2g} | no significant difference |"
    ]


def test_nemenyi_is_not_asked_where_friedman_finds_nothing(scripts):
    ranking = scripts.comparison.Ranking(0.06, SimpleNamespace(p_values=np.full((7, 7), 0.01)))
    assert scripts.comparison.significant_pairs(ranking, [("CNN", "GFF")]) == []
    ranking = scripts.comparison.Ranking(0.04, SimpleNamespace(p_values=np.full((7, 7), 0.01)))
    assert scripts.comparison.significant_pairs(ranking, [("CNN", "GFF")]) == [
        "CNN and GFF (p 0.01)"
    ]


def test_table_8_compares_all_four_systems_and_table_9_the_proposals_with_two(scripts):
    assert len(scripts.table8.THESIS.ties) == 6
    assert scripts.table9.THESIS.ties == (
        ("HF-Reg", "CNN"),
        ("HF-Reg", "GFF"),
        ("HF-Seg", "CNN"),
        ("HF-Seg", "GFF"),
    )


def test_few_pairs_give_no_verdict(scripts):
    comparison = scripts.comparison
    few = scores_of(comparison, {}, n=9)
    assert (
        comparison.verdict(few, scripts.table8.THESIS, {}, also="x")
        == "No verdict from fewer than 10 pairs.\n"
    )


def test_a_source_that_wins_is_named(scripts):
    comparison = scripts.comparison
    values = np.random.default_rng(0).random((10, 9, 3))
    values[:, 7, 0] = 2
    methods = (*comparison.SYSTEMS, *comparison.DUMMIES)
    scores = FusionScores(tuple(map(str, range(10))), methods, comparison.CLAIMED, values)
    answer = comparison.verdict(scores, scripts.table8.THESIS, comparison.rank(scores))
    assert "at least as high as every system on: Q_MI" in answer


def test_claims_about_ssim(scripts):
    good = np.r_[np.full(7, 0.998), np.full(5, 0.97)]
    wide, middle = np.linspace(0.9, 0.99, 12), np.linspace(0.96, 0.98, 12)
    columns = {"HF-Seg": good, "HF-Reg": middle, "CNN": wide, "GFF": middle + 0.001}
    answer = scripts.table8.ssim_claims(scores_of(scripts.comparison, columns, metric="ssim"))
    assert (
        "nearly 1 for most pairs: **holds**; median 0.9980, above 0.99 for 58% of the pairs"
        in answer
    )
    assert (
        "medians 0.9700 and 0.9710, HF-Reg higher for 0% of the pairs, by -0.0010 in the median"
        in answer
    )
    assert (
        f"varies less than that of CNN: **holds**; standard deviations {middle.std(ddof=1):.4f}"
        in answer
    )
    columns |= {"HF-Seg": np.r_[np.full(6, 0.998), np.full(6, 0.97)], "HF-Reg": wide, "CNN": middle}
    answer = scripts.table8.ssim_claims(scores_of(scripts.comparison, columns, metric="ssim"))
    assert "for most pairs: **does not hold**" in answer
    assert "than that of CNN: **does not hold**" in answer


@pytest.fixture
def stub(scripts, monkeypatch, tmp_path):
    """Count what is fused; every method returns the first source."""
    calls = []

    def fuse(sources, *, model):
        calls.append(model)
        return SimpleNamespace(image=sources[0])

    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    monkeypatch.setattr(scripts.comparison, "fuse", fuse)
    monkeypatch.setattr(scripts.comparison, "load", lambda name: name)
    monkeypatch.setattr(scripts.stored, "model_path", lambda name, kind: weights)
    monkeypatch.setattr(scripts.comparison.importlib.util, "find_spec", lambda name: name)
    return SimpleNamespace(calls=calls, weights=weights)


def test_scores_are_scored_once_and_those_of_other_settings_are_kept(
    scripts, stub, pairs, tmp_path, monkeypatch
):
    calls, comparison, path = stub.calls, scripts.comparison, tmp_path / "scores.json"
    loaded = scripts.table9.pairs(pairs, None)

    def scores(pictures=loaded):
        calls.clear()
        return comparison.score(pictures, len(pictures), scores_path=path)

    with pytest.raises(ValueError, match="1 pairs have no standard deviation"):
        scores(loaded[:1])
    first = scores()
    assert len(calls) == len(comparison.SYSTEMS)  # of the second pair alone
    assert (first.pairs, first.metrics) == (("x", "y"), tuple(METRICS))
    again = scores()
    assert not calls
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(comparison.read_scores(path).values, first.values)
    assert str(tmp_path) not in path.read_text()

    text = path.read_bytes()
    x = loaded[0]
    other = comparison.Pair("y", x.sources)
    with pytest.raises(ValueError, match="a pair y of other pictures: it is kept, give another"):
        scores([x, other])
    with monkeypatch.context() as patch:
        patch.setattr(scripts.stored, "__version__", "0")
        with pytest.raises(ValueError, match=r"made with version = .*, not 0: it is kept"):
            scores()
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "METRICS", {"q_mi": METRICS["q_mi"]})
        with pytest.raises(ValueError, match="made with different metrics: it is kept"):
            scores()
    stub.weights.write_bytes(b"2")
    with pytest.raises(ValueError, match="made with a different HF-Reg file: it is kept"):
        scores()
    assert path.read_bytes() == text
    path.write_bytes(text[:-40])
    with pytest.raises(ValueError, match=r"scores\.json is not JSON"):
        scores()
    assert path.read_bytes() == text[:-40]


def test_a_run_that_has_not_ended_gives_no_table_and_no_verdict(scripts, stub, pairs, tmp_path):
    comparison, page = scripts.comparison, scripts.fusion_page
    loaded = scripts.table9.pairs(pairs, None)

    def stopped():
        yield loaded[0]
        raise KeyboardInterrupt

    path = tmp_path / "table9.json"
    with pytest.raises(KeyboardInterrupt):
        comparison.score(stopped(), 2, scores_path=path)
    with pytest.raises(comparison.UnfinishedError, match="1 of 2 pairs are scored so far"):
        comparison.read_scores(path)
    state = "*Not finished: 1 of 2 pairs are scored so far.*"
    words = "{table9}\n\nThe best is {best table9 Q_MI}.\n"
    assert page.render(words, tmp_path) == f"{state}\n\nThe best is {state}.\n"
    (tmp_path / "table9.json").rename(tmp_path / "table8.json")
    page.draw(tmp_path, tmp_path / "images")
    assert not (tmp_path / "images").exists()
    (tmp_path / "table8.json").rename(path)

    comparison.score(loaded, 2, scores_path=path)
    assert comparison.read_scores(path).pairs == ("x", "y")
    comparison.score(loaded[:2], 1, scores_path=path)  # fewer than there are
    assert comparison.read_scores(path).pairs == ("x", "y")


def test_a_file_of_scores_has_a_line_for_each_pair(scripts, stub, pairs, tmp_path):
    path = tmp_path / "scores.json"
    scripts.comparison.score(scripts.table9.pairs(pairs, None), 2, scores_path=path)
    lines = path.read_text().splitlines()
    assert [line[:6] for line in lines if "source A" in line] == ['  "x":', '  "y":']
    assert len(lines) < 16


def test_stored_numbers_are_written_in_few_lines_and_read_back(scripts):
    in_lines = scripts.stored.in_lines
    content = {"a": 1, "b": {"x": [1, 2], "y": {"z": None}}, "c": [{"k": 0.5}], "d": {}, "e": []}
    text = in_lines(content)
    assert json.loads(text) == content
    assert text.splitlines()[1:5] == [' "a": 1,', ' "b": {', '  "x": [1, 2],', '  "y": {"z": null}']
    long = {"a": {"b": [list(range(600)), [1]]}}
    assert json.loads(in_lines(long)) == long
    assert in_lines(long).splitlines()[2:] == [
        '  "b": [', f"   {long['a']['b'][0]},", "   [1]", "  ]", " }", "}"
    ]  # fmt: skip


def test_scores_without_the_extra_end_in_one_line(scripts, monkeypatch, tmp_path):
    monkeypatch.setattr(scripts.comparison.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"seamwise\[matting\]"):
        scripts.comparison.score([], 0, scores_path=tmp_path / "x.json")


def test_table_9_writes_what_it_found_under_a_name_of_its_own(run, stub, pairs, tmp_path):
    run("table9", pairs, "-o", tmp_path / "out", "--quick")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    cd = {f"table9-quick_cd_{metric}.png" for metric in METRICS}
    assert names == {f"table9-quick{end}" for end in (".json", ".md", "_boxes.png")} | cd
    content = json.loads((tmp_path / "out" / "table9-quick.json").read_text())
    assert list(content["pairs"]) == ["x", "y"]
    of_x = content["pairs"]["x"]["scores"]
    assert of_x["GFF"] == of_x["source A"]
    assert (
        "No verdict from fewer than 10 pairs" in (tmp_path / "out" / "table9-quick.md").read_text()
    )


@pytest.mark.parametrize("number", ["0", "-1", "1"])
def test_table_8_needs_two_pairs(run, tmp_path, capsys, number):
    with pytest.raises(SystemExit) as stopped:
        run("table8", tmp_path, "--pairs", number)
    assert stopped.value.code == 2
    assert f"--pairs must be 2 or more, not {number}" in capsys.readouterr().err


# --- Figure 46


@pytest.mark.parametrize(
    ("symmetric", "near", "mse", "answer"),
    [
        (False, False, (1e-5, 9e-5), "holds"),
        (False, False, (1e-5, 2e-4), "does not hold"),
        (True, False, (0.0, 0.0), "symmetric by construction, not judged"),
        (False, True, (1e-2, 1e-2), "with Near, not judged"),
    ],
)
def test_the_order_is_judged_where_it_was_learned(scripts, symmetric, near, mse, answer):
    row = scripts.fig46.Row("x", symmetric, near, mse)
    assert row.verdict() == answer
    text = scripts.fig46.verdicts([row])
    assert f"**{answer}**" in text
    assert ("nothing to judge" in text) == (symmetric or near)
    assert answer not in scripts.fig46.table([row])


def test_figure_46_on_a_network_that_ships_and_one_that_is_not_symmetric(
    run, pairs, tmp_path, scripts
):
    arguments = Namespace(quick=True, output=tmp_path, **scripts.fig48_50.DEFAULTS)
    parts = scripts.stored.split_pictures(pairs)
    folder = scripts.fig48_50.run("nps", 0, arguments, parts)
    models = ["focus-seg", folder / "snapshot-6.safetensors"]
    run("fig46", pairs, "-o", tmp_path / "out", "--quick", "--models", *models)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"fig46-quick.{end}" for end in ("json", "md", "png")
    }
    content = json.loads((tmp_path / "out" / "fig46-quick.json").read_text())
    assert content["made_by"]["pairs"] == ["x", "y"]
    learned = "snapshot-6"
    assert [(r["name"], r["symmetric"], r["nearest"]) for r in content["rows"]] == [
        ("focus-seg", True, False),
        (learned, False, False),
        (learned, False, True),
    ]
    assert max(content["rows"][0]["mse"]) < 1e-6  # rounding
    assert "hold" not in (tmp_path / "out" / "fig46-quick.md").read_text()
    with pytest.raises(SystemExit) as stopped:
        run("fig46", pairs, "-o", tmp_path / "out", "--quick", "--models", "focus-seg")
    assert stopped.value.code == 2
    assert json.loads((tmp_path / "out" / "fig46-quick.json").read_text()) == content


def test_figure_46_says_in_one_line_what_it_lacks(run, pairs, tmp_path, capsys):
    for arguments in ((pairs, "--models", "none"), (tmp_path / "none",)):
        with pytest.raises(SystemExit) as stopped:
            run("fig46", *arguments, "-o", tmp_path / "out")
        assert stopped.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "none" in line


# --- Figures 48 to 50, and 55


def test_the_full_run_of_figures_48_to_50_has_the_plain_folders(scripts, tmp_path, monkeypatch):
    script = scripts.fig48_50
    monkeypatch.setattr(script, "train", lambda *args, **options: None)
    parts = scripts.stored.split_pictures(write_pictures(tmp_path / "data", "abc"))

    def folder(quick=False, seed=0, **options):
        arguments = Namespace(quick=quick, output=tmp_path, **{**script.DEFAULTS, **options})
        return script.run("l1", seed, arguments, parts).name

    assert folder() == "fig48_50-l1"
    assert folder(seed=2) == "fig48_50-l1-seed2"
    assert folder(steps=500, norm="batch") == "fig48_50-l1-steps500-normbatch"
    assert folder(quick=True) == "fig48_50-quick-l1"
    with pytest.raises(ValueError, match="multiple of --points, not 400 and 0"):
        folder(points=0)


def test_figure_55_trains_each_choice_in_a_folder_of_its_own(scripts, tmp_path):
    script = scripts.fig55
    data = write_pictures(tmp_path / "data", "abcd")

    def model(noise, data=data):
        arguments = Namespace(quick=True, steps=1500, noise=noise, output=tmp_path)
        return script.train_model(arguments, scripts.stored.split_pictures(data))

    assert model(0.1) == tmp_path / "fig55-quick-noise0.1" / "model.safetensors"
    assert model(0.2) == tmp_path / "fig55-quick-noise0.2" / "model.safetensors"
    assert model(0.1).is_file()  # nothing left to do
    other = write_pictures(tmp_path / "other", "abcdef")
    with pytest.raises(ValueError, match=r"fig55-quick-noise0\.1: .*checkpoint"):
        model(0.1, other)
    with pytest.raises(ValueError, match="noise"):
        model(-1)


@pytest.mark.parametrize(
    ("network", "fusing", "filtering"),
    [
        (
            (20, 31, 31, 31),
            "**holds wherever there is noise**; lower at σ = 0.0 (by 15.0 dB).",
            "**holds wherever there is noise**; lower at σ = 0.0 (by 10.0 dB).",
        ),
        (
            (36, 24, 26, 24),
            "**holds only at σ = 0.05**; lower at σ = 0.02 (by 1.0 dB), σ = 0.1 (by 1.0 dB).",
            "**does not hold at any strength of noise**; lower at σ = 0.02 (by 6.0 dB), σ = 0.05 "
            "(by 4.0 dB), "
            "σ = 0.1 (by 6.0 dB).",
        ),
        (
            (40, 40, 40, 40),
            "**holds wherever there is noise**; lower at no strength.",
            "lower at no strength.",
        ),
    ],
)
def test_figure_55_is_judged_against_both_rivals(scripts, network, fusing, filtering):
    def row(values):
        return [{"psnr": value, "ssim": 0.5} for value in values]

    results = {
        "ours": row(network),
        "gff": row((20, 25, 25, 25)),
        "focus-seg": row((35, 20, 20, 20)),
    }
    results["non-local means, then gff"] = row((30, 30, 30, 30))
    for rival, answer in (("fusing alone", fusing), ("filtering before fusing", filtering)):
        margins = scripts.fig55.margins_over(results, rival)
        assert scripts.fig55.verdict(margins, rival).endswith(answer)


@pytest.mark.parametrize("name", ["fig48_50", "fig55"])
def test_a_training_depends_on_the_content_of_its_pictures(scripts, tmp_path, name):
    script = getattr(scripts, name)
    folder = write_pictures(tmp_path / "data", "abcdefgh")
    arguments = Namespace(quick=True, noise=0.1, **scripts.fig48_50.DEFAULTS)

    def made_from():
        return script.provenance(arguments, scripts.stored.split_pictures(folder))

    record = made_from().record()
    assert made_from().difference(record) == ""
    test_picture = scripts.stored.split_pictures(folder).test[0]
    write_png(test_picture.image, np.zeros((48, 64, 3), np.uint8))
    assert made_from().difference(record) == "made with different images or masks"


def test_stored_trainings_have_the_settings_of_their_commands(scripts):
    """And the weights that Figure 55 starts from."""
    results = scripts.stored.RESULTS
    for script, options in (
        (scripts.fig48_50, scripts.fig48_50.DEFAULTS),
        (scripts.fig55, {"steps": 800, "noise": 0.1}),
    ):
        record = json.loads((results / f"{script.__name__}.json").read_text())["made_by"]
        parts = SimpleNamespace(training=[], validation=[], test=[])
        inputs = script.provenance(Namespace(quick=False, **options), parts).record()
        changes = {"data_sha256": record["data_sha256"], "pairs": 20}
        assert {**inputs, **changes} == record


# --- Figures 48 to 50


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        (
            (0.3, 0.6, 0.2),
            "**holds**: of 2 seeds, NPS6 in 2 with the least error. .* with L1, NPS6\\.",
        ),
        (
            (0.1, 0.6, 0.5),
            "**does not hold**: of 2 seeds, L1 in 2 with the least error. .* with L1\\.",
        ),
        (
            (0.35, 0.6, 0.3),
            "**does not hold**: of 2 seeds, NPS6 in 1, L1 in 1 with .* with L1, NPS6",
        ),
        ((0.7, 0.6, 0.5), "**holds**: .* with none\\."),
    ],
)
def test_the_loss_with_the_least_error_converged_best(scripts, ends, answer):
    """Errors of 1 at the first snapshot; in the second seed NPS6 has 0.09 more."""
    results = {
        loss: [
            [{"l1": 1.0, "ssim": 0.1}, {"l1": end + more, "ssim": 0.5}]
            for more in (0.0, 0.09 * (loss == "nps"))
        ]
        for loss, end in zip(("l1", "l2", "nps"), ends, strict=True)
    }
    text = scripts.fig48_50.verdict(results)
    assert re.search(answer.replace("**", r"\*\*"), text)
    content = {"steps": 6, "mean_of_sources_l1": 0.25, "losses": results}
    table = scripts.fig48_50.table(content)
    assert f"| L2 | {ends[1]:.4f} ± 0.0000 | 0.5000 ± 0.0000 |" in table
    assert f"| NPS6 | {ends[2] + 0.045:.4f} ± 0.0636 |" in table
    assert "| mean of both sources | 0.2500 |  |" in table
    assert "holds" not in table


# --- Table 10


def test_median_seconds_warms_up_and_takes_three_to_twenty(scripts):
    # a run of 0, 1, 2, … seconds each; the warm one is not timed
    durations = [5.0, 1.0, 3.0, *range(100)]
    ticks = chain.from_iterable(
        (100 * i, 100 * i + took) for i, took in zip(count(), durations, strict=False)
    )
    calls = []
    seconds = scripts.table10.median_seconds(
        lambda: calls.append(1), patience=0, clock=lambda: next(ticks)
    )
    assert seconds == 3
    assert len(calls) == 4
    calls.clear()
    scripts.table10.median_seconds(lambda: calls.append(1), patience=60, clock=lambda: 0.0)
    assert len(calls) == 21


def test_a_cpu_is_timed_by_its_work_and_an_accelerator_by_the_clock(scripts):
    clock_of, time = scripts.table10.clock_of, scripts.table10.time
    assert clock_of(scripts.table10.torch.device("cpu")) is time.process_time
    assert clock_of(scripts.table10.torch.device("cuda")) is time.perf_counter


def test_a_quick_table_10_runs_and_judges_nothing(run, tmp_path):
    run("table10", "-o", tmp_path / "out", "--quick", "--methods", "focus-reg", "gff")
    content = json.loads((tmp_path / "out" / "table10-quick.json").read_text())
    counts = content["methods"]["focus-reg"]["operations"]
    assert counts[0] > 3 * counts[1] > 0  # four times the pixels, but for borders
    assert content["methods"]["gff"]["operations"] == [None] * 3
    text = (tmp_path / "out" / "table10-quick.md").read_text()
    assert "hold" not in text
    assert "GFLOP at 130²" in text


def timed(**methods):
    rows = {
        name: {"on": on, "seconds": [seconds] * 3, "operations": [operations] * 3}
        for name, (on, seconds, operations) in methods.items()
    }
    return {
        "machine": {"cuda": "G", "cpu": "C"},
        "precision": "bfloat16",
        "sizes": [520, 260, 130],
        "methods": rows,
    }


def test_table_10_tells_arithmetic_from_measurement(scripts):
    script = scripts.table10
    large = {"HF-Seg, width 64": ("cuda", 0.5, 460e9)}
    arithmetic, measured, small = script.verdicts(
        timed(**large, gff=("cpu", 0.1, None), **{"focus-seg": ("cuda", 0.02, 1e9)})
    )
    assert (
        "Arithmetic, nothing measured: 460 GFLOP in the printed 2.6 ms would be 177 TFLOP/s, 27 "
        "times" in arithmetic
    )
    assert arithmetic.endswith("**cannot be that of the finished work**.")
    assert "on cuda takes 5 times as long as guided filtering on cpu" in measured
    assert "faster **does not hold**" in measured
    assert "focus-seg takes 0.2 times" in small
    (_, faster) = script.verdicts(
        timed(**{"HF-Seg, width 64": ("cuda", 0.05, 460e9)}, gff=("cpu", 0.1, None))
    )
    assert "faster **holds**" in faster
    assert script.verdicts(timed(**{"HF-Seg, width 64": ("cpu", 0.05, 1e9)}))[0].endswith(
        "**is possible**."
    )
    assert script.verdicts(timed(gff=("cpu", 0.1, None))) == []


def test_table_10_names_both_machines_and_has_the_reported_rows(scripts):
    text = scripts.table10.table(timed(gff=("cpu", 0.1, None), cnn=("cuda", 0.5, None)))
    assert text.startswith("cuda: G; cpu: C. Networks in bfloat16")
    assert "| gff | cpu | 0.1000 | 0.1000 | 0.1000 | 1 | 0.1280 | 0.0373 | 0.0149 | 1 | — |" in text
    name = "CNN slight on a GPU (Liu et al. 2017)"
    reported = f"| {name} | — | — | — | — | — | 0.3300 | — | — | 2.58 | — |"
    assert reported in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_table_10_leaves_out_what_cannot_run(scripts, monkeypatch, capsys):
    monkeypatch.setattr(scripts.table10.importlib.util, "find_spec", lambda name: None)
    assert scripts.table10.with_extras(["gff", "matting"]) == ["gff"]
    assert "matting is skipped" in capsys.readouterr().out


def test_table_10_names_an_unknown_method_in_one_line(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("table10", "-o", tmp_path, "--methods", "none")
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no model named 'none'" in line


# --- Figure 47


@pytest.mark.parametrize("name", ["fig46", "fig47"])
def test_results_of_other_pixels_are_refused_and_kept(run, pairs, tmp_path, capsys, name):
    out = tmp_path / "out"
    arguments = ("-o", out, "--quick", *(["--models", "focus-seg"] if name == "fig46" else []))
    run(name, pairs, *arguments)
    text = (out / f"{name}-quick.json").read_bytes()
    write_png(pairs / "x-A.png", np.zeros((40, 52, 3), np.uint8))
    with pytest.raises(SystemExit) as stopped:
        run(name, pairs, *arguments)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "made with different images" in line
    assert (out / f"{name}-quick.json").read_bytes() == text


def test_a_returned_source_is_compared_with_what_the_network_paints(run, pairs, tmp_path, scripts):
    run("fig47", pairs, "-o", tmp_path / "out", "--quick")
    content = json.loads((tmp_path / "out" / "fig47-quick.json").read_text())
    assert set(content["pairs"]["x"]) == {"without Near", "with Near", "source A", "source B"}
    assert "hold" not in (tmp_path / "out" / "fig47-quick.md").read_text()

    def scores(high):
        return {m: 0.6 if i < high else 0.4 for i, m in enumerate(METRICS)}

    of_pair = {"without Near": scores(0), "with Near": scores(7)}
    of_pair |= {"source A": scores(4), "source B": scores(1)}
    answer = scripts.fig47.verdict({"x": of_pair}).splitlines()
    assert answer[2] == "- without Near: **holds**, 4 of 7 metrics: Q_MI, Q_TE, Q_NCIE, Q_G."
    assert answer[3] == "- with Near: **does not hold**, 0 of 7 metrics."


# --- Figure 54


def test_each_frame_is_sharp_in_a_band_of_its_own(scripts):
    truth = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    frames = scripts.fig54.frames_of(truth, 3)
    band = scripts.fig54.bands((40, 60), 3)
    assert [np.count_nonzero(band == i) > 600 for i in range(3)] == [True] * 3
    for number, frame in enumerate(frames):
        is_equal = (frame == truth).all(axis=2)
        assert is_equal[band == number].all()
        assert is_equal[band != number].mean() < 0.01


def test_a_distance_is_that_of_the_nearest_frame(scripts):
    frames = [np.full((2, 2, 3), level, np.uint8) for level in (10, 50)]
    assert scripts.fig54.distance(np.full((2, 2, 3), 47, np.uint8), frames) == 3


def test_figure_54_depends_on_the_pixels_of_all_frames(scripts):
    script = scripts.fig54
    truth = np.random.default_rng(0).integers(0, 256, (24, 36, 3), np.uint8)
    triplets = {"t": [np.full((4, 4, 3), level, np.uint8) for level in (0, 1, 2)]}
    scene = script.scene_of(truth)
    pictures = list(script.pictures_of(triplets, [scene]))
    assert len(pictures) == 3 + 1 + 2 + 3
    sha256 = scripts.stored.pixels_sha256
    value = sha256(pictures)
    for picture in pictures:
        picture[-1, -1, -1] += 1
        assert sha256(pictures) != value
        picture[-1, -1, -1] -= 1
    assert sha256(pictures) == value


def test_figure_54_compares_what_a_third_source_costs(scripts):
    def of_method(two, three):
        return {"2": [two] * 6, "3": [three - 0.001 * i for i in range(6)]}

    similarity = {name: of_method(0.99, 0.98) for name in scripts.fig54.METHODS}
    similarity["HF-Reg without Near"] = of_method(0.97, 0.90)
    content = {"ssim": similarity, "distance": {"t": dict.fromkeys(similarity, 1.25)}}
    answer = scripts.fig54.verdict(content).splitlines()
    assert "without Near: **holds** (SSIM lost 0.07" in answer[0]
    assert "with Near: **no significant difference**" in answer[1]
    table = scripts.fig54.table(content)
    assert "| HF-Seg | 0.9900 | 0.9775 | -0.0125 | 1.25 |" in table


# --- The page


def test_the_page_holds_what_the_stored_numbers_say(scripts):
    """Or `make reproduction-report` was not run."""
    page = scripts.fusion_page
    root = page.HERE.parents[1]
    assert (root / "docs" / page.NAME).read_text(encoding="utf-8") == page.page()


def test_the_command_of_table_8_makes_the_stored_pairs(scripts):
    page = scripts.fusion_page
    words = page.WORDS.read_text(encoding="utf-8")
    command = re.search(r"`python reproduction/fusion/table8\.py [^`]* --pairs (\d+)`", words)
    assert int(command[1]) == len(page.content_of("table8", page.RESULTS).pairs)


def test_the_page_quotes_scores_and_verdicts(scripts):
    page = scripts.fusion_page
    results = page.RESULTS
    scores = scripts.comparison.read_scores(results / "table9.json")
    column = scores.mean[: len(scripts.comparison.SYSTEMS), scores.metrics.index("q_mi")]
    best = scores.methods[int(np.argmax(column))]
    assert page.render("{best table9 Q_MI}", results) == best
    assert page.render("{sources table9}", results) == "Q_MI, Q_TE, Q_NCIE"
    methods = json.loads((results / "table10.json").read_text())["methods"]
    ratio = methods["focus-seg"]["seconds"][0] / methods["gff"]["seconds"][0]
    assert page.render("{slower focus-seg}", results) == f"{ratio:.3g}"
    for words, verdict in {
        "{returned with_Near}": "**holds**, 5 of 7 metrics",
        "{third with_Near}": "**holds**",
        "{noise fusing_alone}": "**holds only at σ = 0.05, 0.1**",
        "{ties table8}": "**does not hold**: some differ on 8 of 8 metrics",
        "{ordered hf-seg}": "**does not hold**",
    }.items():
        assert page.render(words, results) == verdict


def test_a_page_says_what_was_not_measured_and_names_unknown_words(scripts, tmp_path):
    render = scripts.fusion_page.render
    words = "a {median HF-Seg}\n\n{fig47}\n"
    assert render(words, tmp_path) == "a *Not measured yet.*\n\n*Not measured yet.*\n"
    for word in ("number 3", "tabel8"):
        with pytest.raises(ValueError, match=rf"\{{{word}\}} in the words is unknown"):
            render(f"{{{word}}}", tmp_path)


def test_stored_results_hold_no_path_of_a_machine(scripts):
    for path in scripts.stored.RESULTS.glob("*.json"):
        assert not re.search(r'"/\w', path.read_text(encoding="utf-8")), path
