import csv
import json
import math

import numpy as np
import pytest

from seamwise.fusion import (
    DUMMIES,
    METRICS,
    Alignment,
    FusedPair,
    FusionScores,
    draw_boxplots,
    find_fused_pairs,
    make_results_folder,
    score_files,
    write_scores,
)
from seamwise.io.photo import read_photo, write_photo
from seamwise.metrics import fusion as metrics

SEVEN = ("q_mi", "q_te", "q_ncie", "q_g", "q_p", "q_s", "q_cb")
RNG = np.random.default_rng(0)
# rows × columns and channels differ, so that a mix-up shows
A, B, F, T = (RNG.integers(0, 256, (14, 17, 3)).astype(np.uint8) for _ in range(4))


def save(folder, **pictures):
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        write_photo(folder / f"{name}.png", pixels)
    return folder


def grey(pixels):
    return metrics.to_grey(pixels)


def score_one(tmp_path, a=A, b=B, truth=None, **fused):
    """Score one pair, a picture for each method."""
    sources = save(tmp_path / "in", a=a, b=b)
    made = save(tmp_path / "out", **(fused or {"m": F}))
    true = None if truth is None else save(tmp_path / "truth", t=truth) / "t.png"
    files = sorted(made.iterdir())
    return score_files(find_fused_pairs([sources / "a.png", sources / "b.png"], files, truth=true))


def test_scores_are_those_of_the_metrics_on_grey_pictures(tmp_path):
    scores = score_one(tmp_path, m=F, n=B)
    assert scores.methods == ("m", "n", "source A", "source B")
    assert scores.metrics == SEVEN
    assert (scores.pairs, scores.skipped) == (("a, b",), ())
    for method, fused in enumerate((F, B, A, B)):
        wanted = [getattr(metrics, name)(grey(A), grey(B), grey(fused)) for name in SEVEN]
        assert scores.values[0, method].tolist() == wanted
    assert scores.values[0, 1].tolist() == scores.values[0, 3].tolist()


def test_truths_add_ssim_and_psnr_over_all_channels(tmp_path):
    scores = score_one(tmp_path, truth=T, m=F, n=T)
    assert scores.metrics == (*SEVEN, "ssim", "psnr")
    wanted = [[metrics.ssim(x, T), metrics.psnr(x, T)] for x in (F, T, A, B)]
    assert scores.values[0, :, 7:].tolist() == wanted
    assert wanted[1] == [1, math.inf]


def test_16_bits_are_divided_and_not_rounded(tmp_path):
    pictures = [RNG.integers(0, 65536, (14, 17)).astype(np.uint16) for _ in range(3)]
    scores = score_one(tmp_path, pictures[0], pictures[1], m=pictures[2])
    exact = [picture / 257 for picture in pictures]
    assert scores.values[0, 0].tolist() == [getattr(metrics, name)(*exact) for name in SEVEN]
    rounded = [np.round(picture) for picture in exact]
    assert scores.values[0, 0, 3] != metrics.q_g(*rounded)


def test_8_bits_stored_in_16_score_the_same(tmp_path):
    deep = [picture.astype(np.uint16) * 257 for picture in (A, B, F)]
    stored = score_one(tmp_path / "deep", deep[0], deep[1], m=deep[2])
    assert stored.values.tolist() == score_one(tmp_path / "flat").values.tolist()


def by_hand(**values):
    """Scores of two pairs in one metric: a method or dummy for each name."""
    table = np.array(list(values.values()), float).T[..., np.newaxis]
    pairs = tuple(f"p{number}" for number in range(len(table)))
    return FusionScores(pairs, tuple(values), ("q_mi",), table)


def test_means_and_deviations_by_hand():
    scores = by_hand(m=(1, 2, 6), n=(4, 4, 4), a=(0, 0, 3), b=(1, 1, 1))
    assert scores.n_methods == 2
    assert scores.mean[:, 0].tolist() == [3, 4, 1, 1]
    # (4 + 1 + 9) / 2 = 7 and (1 + 1 + 4) / 2 = 3
    assert scores.std[:, 0] == pytest.approx([math.sqrt(7), 0, math.sqrt(3), 0])
    assert scores.best[:, 0].tolist() == [False, True, False, False]
    assert scores.won_by_a_source == ()


def test_a_source_is_never_best_but_it_is_said_that_it_wins():
    scores = by_hand(m=(1, 3), n=(2, 2), a=(0, 1), b=(1, 3))
    assert scores.best[:, 0].tolist() == [True, True, False, False]
    assert scores.won_by_a_source == ("q_mi",)
    scores = by_hand(m=(1, 3), n=(2, 1), a=(0, 1), b=(3, 3))
    assert scores.best[:, 0].tolist() == [True, False, False, False]


def test_one_pair_has_no_deviation_and_an_infinite_one_has_none_either():
    assert np.isnan(by_hand(m=(1,), a=(2,), b=(3,)).std).all()
    assert np.isnan(by_hand(m=(1, math.inf), a=(2, 2), b=(3, 3)).std[:, 0]).tolist() == [
        True,
        False,
        False,
    ]


def test_without_a_pair_nothing_is_known_and_nothing_wins():
    scores = FusionScores((), ("m", *DUMMIES), ("q_mi",), np.zeros((0, 3, 1)))
    assert np.isnan(scores.mean).all()
    assert np.isnan(scores.std).all()
    assert scores.mean.shape == scores.std.shape == (3, 1)
    assert not scores.best.any()
    assert scores.won_by_a_source == ()


def test_without_a_method_no_other_is_best():
    scores = by_hand(a=(1, 2), b=(3, 4))
    assert scores.n_methods == 0
    assert scores.best.tolist() == [[False], [False]]
    assert score_files([]).methods == DUMMIES
    assert score_files([]).values.shape == (0, 2, 7)


FLAT = np.full_like(A, 90)


@pytest.mark.parametrize(("pictures", "words"), [
    ({"a": FLAT, "b": FLAT}, ["q_p cannot score", "m.png", "a.png", "must have a feature"]),
    ({"m": F[:13]}, ["m.png has 17 × 13 pixels", "a.png has 17 × 14", "--no-align or --full-size"]),
    ({"b": B[:, :16]}, ["b.png has 16 × 14 pixels", "give all one size"]),
    ({"truth": T[1:]}, ["t.png has 17 × 13 pixels"]),
    ({"truth": T, "m": F[..., 0]}, ["t.png is in colour", "m.png is grey: convert one"]),
    ({"truth": T[..., 0]}, ["t.png is grey", "a.png is in colour"]),
    ({"a": A[:9], "b": B[:9], "m": F[:9]}, ["q_p cannot score", "at least 11 × 11"]),
    ({"m": (F % 2).astype(np.uint16) * 200}, ["m.png is all but black", "257 of 65535"]),
])  # fmt: skip
def test_a_pair_that_cannot_be_scored_is_named_and_skipped(tmp_path, pictures, words):
    scores = score_one(tmp_path, **{"m": F} | pictures)
    (message,) = scores.skipped
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert scores.pairs == ()
    assert scores.methods == ("m", "source A", "source B")
    assert scores.metrics == (SEVEN if pictures.get("truth") is None else (*SEVEN, "ssim", "psnr"))
    assert scores.values.shape == (0, 3, len(scores.metrics))
    assert scores.won_by_a_source == ()


def test_a_black_picture_of_16_bits_is_scored(tmp_path):
    assert score_one(tmp_path, m=np.zeros(A.shape, np.uint16)).values[0, 0, 4] == 0


def test_grey_and_colour_mix_without_a_truth(tmp_path):
    as_grey = grey(F).astype(np.uint8)
    assert (
        score_one(tmp_path / "x", m=as_grey).values.tolist()
        == score_one(tmp_path / "y", m=F).values.tolist()
    )


def test_files_that_cannot_be_read_and_transparent_ones_are_named(tmp_path):
    from PIL import Image

    made = save(tmp_path / "out", x=F)
    (made / "x.png").write_bytes((made / "x.png").read_bytes()[:200])
    Image.fromarray(np.dstack([F, np.full(F.shape[:2], 100, np.uint8)])).save(made / "y.png")
    pictures = {f"{name}-{side}": pixels for name in "xyz" for side, pixels in (("A", A), ("B", B))}
    sources = save(tmp_path / "in", **pictures)
    Image.fromarray(np.dstack([F, np.full(F.shape[:2], 255, np.uint8)])).save(made / "z.png")
    scores = score_files(find_fused_pairs([sources], [made]))
    assert scores.pairs == ("z",)
    damaged, transparent = scores.skipped
    assert str(made / "x.png") in damaged
    assert str(made / "y.png") in transparent
    assert "not fully opaque" in transparent


def test_a_pair_without_fault_goes_on_after_one_with_a_fault(tmp_path):
    sources, made = save(tmp_path, a=A, b=B), save(tmp_path, f=F)
    good = FusedPair("good", (sources / "a.png", sources / "b.png"), {"m": made / "f.png"})
    bad = FusedPair("bad", (), {"m": made / "bad"}, fault="it is odd")
    scores = score_files([bad, good])
    assert scores.skipped == ("bad: it is odd",)
    assert scores.pairs == ("good",)
    assert scores.values.shape == (1, 3, 7)
    assert score_files([bad]).methods == ("m", "source A", "source B")


@pytest.mark.parametrize(("methods", "truth", "words"), [
    (("n",), None, "good has m without a truth, other has n without a truth"),
    (("m", "n"), None, "good has m without a truth, other has m, n without a truth"),
    (("m",), "f.png", "good has m without a truth, other has m with a truth"),
    ((), None, "good has m without a truth, other has no method without a truth"),
])  # fmt: skip
@pytest.mark.parametrize("fault", ["", "it is odd"])
def test_pairs_of_other_methods_or_with_a_truth_now_and_then_are_refused(
    tmp_path, methods, truth, words, fault
):
    folder = save(tmp_path, a=A, b=B, f=F)
    sources = folder / "a.png", folder / "b.png"
    other = dict.fromkeys(methods, folder / "f.png")
    pairs = [
        FusedPair("good", sources, {"m": folder / "f.png"}),
        FusedPair("other", sources, other, truth and folder / truth, fault),
    ]
    with pytest.raises(
        ValueError,
        match=f"same methods, and all a truth or none, but {words}: score them separately",
    ):
        score_files(pairs)


def test_sources_are_read_once_for_all_methods(tmp_path, monkeypatch):
    from seamwise.fusion import measure

    read = []
    monkeypatch.setattr(
        measure, "read_photo", lambda path: read.append(path.name) or read_photo(path)
    )
    score_one(tmp_path, m=F, n=F)
    assert sorted(read) == ["a.png", "b.png", "m.png", "n.png"]


def test_scores_in_files(tmp_path):
    scores = by_hand(m=(1, 4), a=(0, math.inf), b=(0.1, 0.1))
    files = tmp_path / "scores.json", tmp_path / "scores.csv"
    assert write_scores(scores, json_file=files[0], csv_file=files[1]) == list(files)
    with open(tmp_path / "scores.csv", encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["pair", "method", "q_mi"],
            ["p0", "m", "1.0"], ["p0", "a", "0.0"], ["p0", "b", "0.1"],
            ["p1", "m", "4.0"], ["p1", "a", "inf"], ["p1", "b", "0.1"],
        ]  # fmt: skip
    content = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert content["mean"] == {"m": {"q_mi": 2.5}, "a": {"q_mi": None}, "b": {"q_mi": 0.1}}
    assert content["std"]["m"]["q_mi"] == math.sqrt(4.5)
    assert content["scores"]["p1"] == {"m": {"q_mi": 4}, "a": {"q_mi": None}, "b": {"q_mi": 0.1}}
    assert content["skipped"] == []


def test_results_among_the_sources_are_refused(tmp_path):
    sources = save(tmp_path / "in", a=A)
    for folder in (sources, sources / "x" / "y"):
        with pytest.raises(
            ValueError, match="would be taken for frames by the next run: write outside of"
        ):
            make_results_folder(folder, [sources])
    make_results_folder(tmp_path / "out" / "x", [sources])
    assert (tmp_path / "out" / "x").is_dir()
    make_results_folder(sources, [sources / "a.png", sources / "b.png"])


@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_boxplots_have_a_panel_for_each_metric(tmp_path, pairs, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: drawn.append(figure))
    names = (*SEVEN, "ssim", "psnr")
    values = RNG.random((pairs, 4, 9))
    values[:, 1, 8] = math.inf
    draw_boxplots(
        tmp_path / "x.png",
        FusionScores(("p",) * pairs, ("m", "n", "source A", "source B"), names, values),
    )
    panels = drawn[0].axes
    assert [panel.get_title() for panel in panels] == [name.upper() for name in names]
    for number, panel in enumerate(panels):
        dots = [line.get_ydata().tolist() for line in panel.lines if line.get_marker() == "."]
        assert dots == [
            [x for x in column if x < math.inf] for column in values[:, :, number].T.tolist()
        ]
        assert [patch.get_facecolor()[:3] == (0.6,) * 3 for patch in panel.patches] == [
            False,
            False,
            True,
            True,
        ]
    labels = [[text.get_text() for text in panel.get_xticklabels()] for panel in panels]
    assert labels == [["m", "n", "source A", "source B"]] * 9


def test_the_seven_metrics_are_those_of_the_thesis():
    assert tuple(METRICS) == SEVEN


def moved_pair(folder):
    """B shows at x what A shows at x + 3."""
    scene = RNG.integers(0, 256, (14, 20, 3)).astype(np.uint8)
    sources = save(folder / "in", a=scene[:, :17], b=scene[:, 3:])
    matrices = np.stack([np.eye(3)] * 2)
    matrices[1, 0, 2] = 3
    alignment = Alignment(matrices, np.ones((2, 3)), (14, 17), 0, ("a.png", "b.png"))
    return scene, [sources / "a.png", sources / "b.png"], alignment


def test_a_picture_that_alignment_cut_is_scored_against_sources_cut_alike(tmp_path):
    scene, sources, alignment = moved_pair(tmp_path)
    common = scene[:, 3:17]
    picture = RNG.integers(0, 256, common.shape).astype(np.uint8)
    made = save(tmp_path / "out", m=picture)
    truth = save(tmp_path / "truth", t=scene[:, :17]) / "t.png"
    alignment.save(made / "m_alignment.json")
    scores = score_files(find_fused_pairs(sources, [made / "m.png"], truth=truth))
    assert scores.skipped == ()
    by_hand = score_one(tmp_path / "hand", common, common, truth=common, m=picture)
    assert scores.values.tolist() == by_hand.values.tolist()
    cut_truth = save(tmp_path / "cut", t=common) / "t.png"
    again = score_files(find_fused_pairs(sources, [made / "m.png"], truth=cut_truth))
    assert again.values.tolist() == by_hand.values.tolist()


def test_methods_that_were_aligned_otherwise_are_not_compared(tmp_path):
    scene, sources, alignment = moved_pair(tmp_path)
    made = save(tmp_path / "out", m=scene[:, 3:17], n=scene[:, 3:17])
    alignment.save(made / "m_alignment.json")
    (message,) = score_files(find_fused_pairs(sources, sorted(made.glob("*.png")))).skipped
    assert "n.png was aligned otherwise than" in message
    assert "equal options" in message
    (made / "m_alignment.json").rename(made / "n_alignment.json")
    (made / "m.png").unlink()
    sources[0].rename(sources[0].with_name("c.png"))
    pairs = find_fused_pairs([sources[0].with_name("c.png"), sources[1]], [made / "n.png"])
    (message,) = score_files(pairs).skipped
    assert "alignment is of a.png, where the burst has c.png" in message
