import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.engine.settings import read_settings
from seamwise.io.images import read_labels
from seamwise.io.models import SegmentationInfo, load_model
from seamwise.metrics import match_many
from seamwise.segmentation import TrainSettings
from seamwise.segmentation.choose.compare import (
    IOUS,
    LABELS_FOLDER,
    ImageSplit,
    RunScores,
    compare,
)
from seamwise.segmentation.choose.conditions import (
    Run,
    conditions_of,
    first_weights,
    read_comparison,
    settings_of,
)
from seamwise.segmentation.choose.report import judge, score_rows, write_report
from support.files import one_line

LOSSES = ("ce3", "j4")


@pytest.fixture(scope="module")
def images(annotated):
    return annotated[:1], annotated[1:2], annotated[2:]


@pytest.fixture(scope="module")
def done(images, quick, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return compare(ImageSplit(*images), LOSSES, quick, output=folder, seeds=(0, 1), device="cpu")


def test_every_loss_is_trained_from_every_seed_and_scored_on_the_test_images(done, images):
    assert [str(scores.run) for scores in done.runs] == ["ce3-0", "ce3-1", "j4-0", "j4-1"]
    for scores in done.runs:
        _, info = load_model(scores.folder / "model.safetensors", SegmentationInfo)
        assert info.training["settings"]["loss"] == scores.run.loss
        assert info.training["settings"]["seed"] == scores.run.seed
        assert info.training["images"] == [image.name for image in images[0]]
        for image, matchings in zip(images[2], scores.per_image, strict=True):
            labels = read_labels(scores.folder / LABELS_FOLDER / f"{image.name}.tif")
            assert matchings == match_many(image.labels, labels, ious=IOUS)
        assert scores.steps[-1] == info.training["settings"]["steps"]
        assert len(scores.validation) == len(scores.steps)
    assert done.images == tuple(image.name for image in images[2])
    assert "loss" not in done.settings
    assert done.settings["width"] == info.training["settings"]["width"]


def test_the_table_is_the_mean_over_the_seeds(done):
    table = done.table("AP", 0.7)
    assert table.shape == (len(done.images), 2)
    by_hand = [
        np.mean([run.per_image[0][1].accuracy for run in done.runs_of(loss)]) for loss in LOSSES
    ]
    assert table[0].tolist() == pytest.approx(by_hand)


def test_all_losses_begin_and_see_the_same(done, images, quick):
    first, second = done.conditions
    assert first.start != second.start
    assert first.crops != second.crops
    for loss in ("ce2", "w3", "j4"):
        settings = settings_of(Run(loss, 1), quick).fill_in(2)
        assert conditions_of(settings, *images[:2]) == second
    assert conditions_of(replace(settings, batch_size=1), *images[:2]).crops != second.crops
    assert conditions_of(replace(settings, width=3), *images[:2]).start != second.start


def test_a_network_of_three_classes_begins_as_one_of_four_without_the_last(images, quick, tmp_path):
    three, four = (
        first_weights(settings_of(Run(loss, 0), quick).fill_in(2), *images[:2]) for loss in LOSSES
    )
    assert three["head.weight"].shape[0] == 3
    assert torch.equal(three["head.weight"], four["head.weight"][:3])
    assert all(
        torch.equal(three[name], four[name]) for name in three if not name.startswith("head")
    )
    # and training does begin there: with a learning rate near 0 it stays
    still = replace(quick, learning_rate=1e-12, average=0.0, norm="none")
    result = compare(ImageSplit(*images), LOSSES, still, output=tmp_path, device="cpu")
    for scores in result.runs:
        begun = first_weights(settings_of(scores.run, still).fill_in(2), *images[:2])
        ended = torch.load(scores.folder / "checkpoint.pt")["weights"]
        assert all(torch.allclose(begun[name], ended[name], atol=1e-6) for name in begun)


def test_runs_with_unequal_conditions_are_not_compared(images, quick, tmp_path, monkeypatch):
    honest = settings_of
    module = sys.modules[
        "seamwise.segmentation.choose.compare"
    ]  # the package's name for it is the function
    monkeypatch.setattr(
        module,
        "settings_of",
        lambda run, settings, own: replace(honest(run, settings, own), seed=len(run.loss)),
    )
    with pytest.raises(RuntimeError, match="does not begin like ce3-0"):
        compare(ImageSplit(*images), ("ce3", "j4"), quick, output=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("loss", ["j3", "j4", "ce2"])
def test_a_loss_has_its_default_settings(quick, loss):
    for own in ({"loss": "w3", "weights": {"beta": 20}}, {"loss": "j3", "lam": 0.3}):
        settings = settings_of(Run(loss, 5), replace(quick, **own))
        assert (settings.lam, settings.seed, settings.loss, settings.weights) == (None, 5, loss, {})


def test_a_loss_has_settings_of_its_own(done, images, quick, tmp_path):
    losses = {"ce3": {}, "j4": {"lam": 0.3, "learning_rate": 1e-3}}
    result = compare(ImageSplit(*images), losses, quick, output=tmp_path, device="cpu")
    assert result.own_settings == {"j4": {"lam": 0.3, "learning_rate": 1e-3}}
    assert result.conditions == done.conditions[:1]
    (run,) = result.runs_of("j4")
    _, info = load_model(run.folder / "model.safetensors", SegmentationInfo)
    assert info.training["settings"]["lam"] == 0.3
    assert info.training["settings"]["learning_rate"] == 1e-3
    assert result.settings["learning_rate"] == quick.learning_rate
    write_report(tmp_path / "report.html", result, images[2])
    page = (tmp_path / "report.html").read_text()
    assert "<b>Settings of j4 alone.</b> lam = 0.3, learning_rate = 0.001" in page


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"steps": 9}, "setting steps of loss w3 must be the same for all losses"),
        ({"weigths": {}}, "unknown setting 'weigths' of loss w3: did you mean 'weights'?"),
        ({"warmup": -1}, "setting warmup of loss w3: "),
        ({"weights": {"beta": 0}}, "beta must be a positive number"),
    ],
)
def test_a_loss_has_no_settings_that_make_runs_unequal(quick, own, words):
    with pytest.raises(ValueError, match=r"setting|beta") as caught:
        settings_of(Run("w3", 0), quick, own)
    one_line(caught, words)


def test_a_file_holds_settings_of_all_losses_and_of_one(tmp_path):
    path = tmp_path / "compare.toml"
    path.write_text(
        "steps = 3\n[loss.ce]\ngap = 'second'\n"
        "[loss.w3]\nlearning_rate = 0.01\n[loss.w3.weights]\nbeta = 20\n"
    )
    losses, settings = read_comparison(path, ["ce", "w3", "j4"], {"width": 2})
    assert losses == {
        "ce3": {"gap": "second"},
        "w3": {"learning_rate": 0.01, "weights": {"beta": 20}},
        "j4": {},
    }
    assert (settings.steps, settings.width) == (3, 2)
    with pytest.raises(ValueError, match="for a loss that is not compared") as caught:
        read_comparison(path, ["ce", "j4"])
    one_line(caught, "[loss.w3] in", "ce3, j4")
    with pytest.raises(ValueError, match=r"tables \[loss.NAME\] are for `seamwise compare`"):
        read_settings(TrainSettings, path)
    path.write_text("loss = 'j4'\nsteps = 3")
    assert read_comparison(path, ["ce3", "j3"])[0] == {"ce3": {}, "j3": {}}


def test_it_resumes_where_it_was_stopped_and_keeps_finished_runs(done, images, quick, tmp_path):
    seen = []

    def report(run, progress):
        seen.append((str(run), progress.step))
        return (str(run), progress.step) != ("j4-0", 2)

    with pytest.raises(KeyboardInterrupt):
        compare(ImageSplit(*images), LOSSES, quick, output=tmp_path, device="cpu", report=report)
    assert seen[-1] == ("j4-0", 2)
    seen.clear()
    again = compare(
        ImageSplit(*images),
        LOSSES,
        quick,
        output=tmp_path,
        device="cpu",
        report=lambda *_: seen.append(_),
    )
    assert [(str(run), progress.step) for run, progress in seen] == [
        ("j4-0", n) for n in range(3, quick.steps + 1)
    ]
    for scores in again.runs:
        (whole,) = (other for other in done.runs if other.run == scores.run)
        assert scores.per_image == whole.per_image
        assert scores.validation == whole.validation
        resumed, uninterrupted = (
            torch.load(s.folder / "checkpoint.pt")["weights"] for s in (scores, whole)
        )
        assert all(torch.equal(resumed[name], uninterrupted[name]) for name in resumed)


@pytest.mark.parametrize(
    ("losses", "seeds", "words"),
    [
        (("j4",), (0,), "two or more"),
        (("j4", "j4"), (0,), "each once"),
        (LOSSES, (), "one or more"),
        (LOSSES, (1, 1), "each once"),
    ],
)
def test_bad_arguments_are_named(images, quick, tmp_path, losses, seeds, words):
    with pytest.raises(ValueError, match=r"losses|seeds") as caught:
        compare(ImageSplit(*images), losses, quick, output=tmp_path, seeds=seeds)
    assert one_line(caught, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "w3", "weights": {"beta": 20}}, "weights beta .*: give them to its loss"),
        ({"devices": 2}, "2 devices .*: remove devices and nodes"),
    ],
)
def test_settings_that_cannot_be_compared_are_named(images, quick, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words) as caught:
        compare(ImageSplit(*images), LOSSES, replace(quick, **changes), output=tmp_path)
    one_line(caught)


def test_images_to_score_are_needed(images, quick, tmp_path):
    with pytest.raises(ValueError, match="no test images"):
        compare(ImageSplit(*images[:2], []), LOSSES, quick, output=tmp_path)


# ------------------------------------------------------------------- report


def made_up(done, scores):
    """The comparison with other scores: for each loss, the PQ of each image."""
    run = done.runs[0]

    def matchings(quality):
        return tuple(replace(one, panoptic_quality=quality) for one in run.per_image[0])

    runs = tuple(
        RunScores(Run(loss, 0), run.folder, 60.0, (1,), (0.5,), tuple(map(matchings, values)))
        for loss, values in scores.items()
    )
    images = tuple(map(str, range(len(next(iter(scores.values()))))))
    return replace(
        done,
        losses=tuple(scores),
        seeds=(0,),
        runs=runs,
        images=images,
        conditions=done.conditions[:1],
    )


def test_a_verdict_names_significant_differences(done):
    base = np.linspace(0.3, 0.5, 12)
    verdict = judge(
        made_up(done, {"ce3": base, "w3": base + 0.1, "j4": base + 0.1 + np.tile([0.01, -0.01], 6)})
    )
    assert verdict.best in ("w3", "j4")
    assert list(verdict.losers) == ["ce3"]
    assert len(verdict.ties) == 1
    assert str(verdict).endswith(f" No significant difference to {verdict.ties[0]}.")
    assert str(verdict).startswith(
        f"Take {verdict.best}: its PQ is significantly above that of ce3 (p "
    )


def test_two_losses_and_no_difference(done):
    noise = np.tile([0.01, -0.012], 6)
    tie = judge(made_up(done, {"ce3": np.full(12, 0.5), "j4": 0.5 + noise}))
    assert (tie.losers, tie.ties) == ({}, (({"ce3", "j4"} - {tie.best}).pop(),))
    assert str(tie).startswith("There is no significant difference (p = ")
    apart = judge(made_up(done, {"ce3": np.full(12, 0.5), "j4": np.linspace(0.6, 0.7, 12)}))
    assert (apart.best, list(apart.losers)) == ("j4", ["ce3"])
    assert judge(made_up(done, {"ce3": np.full(12, 0.5), "j4": np.full(12, 0.5)})).p_value == 1


def test_few_images_have_no_verdict(done):
    verdict = judge(made_up(done, {"ce3": [0.1] * 5, "j4": [0.9] * 5}))
    assert (verdict.best, verdict.p_value, verdict.ties) == ("j4", None, ("ce3",))
    assert "Fewer than 6 test images" in str(verdict)


def test_a_loss_without_any_cell_is_untrained_not_worse(done):
    some = np.linspace(0.3, 0.5, 12)
    verdict = judge(made_up(done, {"ce3": some, "j4": np.zeros(12)}))
    assert str(verdict).startswith("Take ce3")
    assert str(verdict).endswith("Without any cell: j4; train longer before you judge.")
    assert judge(made_up(done, {"ce3": some, "j4": np.append(np.zeros(11), 0.1)})).failures == ()
    for images in (5, 12):
        nothing = judge(made_up(done, {"ce3": np.zeros(images), "j4": np.zeros(images)}))
        assert str(nothing) == "No loss found a cell: train longer before you judge."


def test_rows_are_means_with_the_deviation_of_seeds(done):
    first, second = score_rows(done)
    assert list(first) == ["loss", "PQ", "RQ", "SQ", "AP", "AP@0.7", "AP@0.9", "minutes"]
    values = [run.of_images("PQ").mean() for run in done.runs_of("j4")]
    assert second["PQ"] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def test_the_images_that_differ_most_are_shown_first(done, images, tmp_path):
    scores = {"ce3": [0.5, 0.5, 0.5, 0.5], "j4": [0.51, 0.9, 0.55, 0.2]}
    write_report(tmp_path / "report.html", made_up(done, scores), [*images[2]] * 4)
    shown = re.findall(r"j4: PQ (0\.\d\d)", (tmp_path / "report.html").read_text())
    assert shown == ["0.90", "0.20", "0.55"]


def test_the_page_needs_no_other_file_and_shows_differences(done, images, tmp_path):
    write_report(tmp_path / "report.html", done, images[2])
    page = (tmp_path / "report.html").read_text()
    assert str(judge(done)) in page
    assert page.count("<img") == 2 + len(images[2]) * (1 + len(LOSSES))
    assert page.count('src="data:image/png;base64,') == page.count("<img")
    assert "http" not in page
    assert done.conditions[0].crops[:12] in page
    assert not list(tmp_path.glob("*.png"))
