import re
from pathlib import Path

import pytest

from seamwise.fusion.fused_pairs import find_fused_pairs, split_inputs


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_files_of_a_folder_pair_by_their_endings(tmp_path):
    names = [
        "a-A.jpg",
        "a-B.jpg",
        "b_b.png",
        "b_a.png",
        "c-1.tif",
        "c-2.jpg",
        "d.2_1.png",
        "d.2_2.png",
    ]
    sources = touch(tmp_path / "in", *names)
    fused = touch(tmp_path / "gff", "a.png", "b.jpg", "c.tif", "d.2.png", "extra.png")
    pairs = find_fused_pairs([sources], [fused])
    assert [pair.name for pair in pairs] == ["a", "b", "c", "d.2"]
    assert [path.name for pair in pairs for path in pair.sources] == [
        *names[:2],
        "b_a.png",
        "b_b.png",
        *names[4:],
    ]
    assert [dict(pair.fused) for pair in pairs] == [
        {"gff": fused / name} for name in sorted(p.name for p in fused.iterdir())[:4]
    ]
    assert {(pair.fault, pair.truth) for pair in pairs} == {("", None)}


def test_each_subfolder_of_two_frames_is_a_pair_as_for_fuse(tmp_path):
    for name in ("cup", "pot.v2"):
        touch(tmp_path / "in" / name, "image2.png", "image10.png")
    touch(tmp_path / "in" / ".hidden", "x.png")
    fused = touch(tmp_path / "out", "cup.png", "pot.v2.jpg")
    truth = touch(tmp_path / "truth", "cup.tif", "pot.v2.tif")
    pairs = find_fused_pairs([tmp_path / "in"], [fused], truth=truth)
    assert [pair.name for pair in pairs] == ["cup", "pot.v2"]
    assert [path.name for path in pairs[0].sources] == ["image2.png", "image10.png"]
    assert [pair.truth for pair in pairs] == [truth / "cup.tif", truth / "pot.v2.tif"]
    assert pairs[1].fused == {"out": fused / "pot.v2.jpg"}


def test_hidden_files_do_not_hide_the_subfolders(tmp_path):
    touch(tmp_path / "in" / "cup", "1.png", "2.png")
    fused = touch(tmp_path / "out", "cup.png")
    touch(tmp_path / "in", "._x.jpg")
    (pair,) = find_fused_pairs([tmp_path / "in"], [fused])
    assert (pair.name, pair.fault, pair.note) == ("cup", "", "")


@pytest.mark.parametrize(("pictures", "faults"), [
    (("overview.jpg",), ["it has 1 frame: "]),
    (("a-A.jpg", "a-B.jpg", "b-1.png", "b-2.png"), ["", ""]),
])  # fmt: skip
def test_subfolders_beside_pictures_are_reported_once_as_skipped(tmp_path, pictures, faults):
    sources = touch(tmp_path / "in", *pictures)
    for name in ("cup", "pot", ".hidden"):
        touch(sources / name, "1.png", "2.png")
    pairs = find_fused_pairs([sources], [touch(tmp_path / "out", "a.png", "b.png")])
    assert [pair.fault[: len("it has 1 frame: ")] for pair in pairs] == faults
    first, *others = (pair.note for pair in pairs)
    assert first == (
        f"{sources} holds pictures, such as {pictures[0]}: its subfolders, such as cup, "
        "are skipped; move one or the other"
    )
    assert not any(others)


def test_one_pair_as_two_files_or_as_a_folder(tmp_path):
    folder = touch(tmp_path / "cup", "near.jpg", "far.jpg")
    fused = [
        touch(tmp_path / "x", "sharp.png", "best.png", "cup.png") / name
        for name in ("sharp.png", "best.png")
    ]
    pair, *others = find_fused_pairs(
        [folder / "near.jpg", folder / "far.jpg"], fused, truth=tmp_path / "x/cup.png"
    )
    assert not others
    assert (pair.name, pair.sources) == ("near, far", (folder / "near.jpg", folder / "far.jpg"))
    assert pair.fused == {"sharp": fused[0], "best": fused[1]}
    assert pair.truth == tmp_path / "x/cup.png"
    (pair,) = find_fused_pairs([folder], [tmp_path / "x"])
    assert (pair.name, pair.fused) == ("cup", {"x": tmp_path / "x/cup.png"})
    numbered = touch(tmp_path / "two", "cup_2.jpg", "cup_1.jpg")
    (pair,) = find_fused_pairs([numbered / "cup_2.jpg", numbered / "cup_1.jpg"], [tmp_path / "x"])
    assert (pair.name, pair.sources[0].name) == ("cup", "cup_2.jpg")
    two = touch(tmp_path / "cup3", "cup_1.jpg", "pot_2.jpg")
    (pair,) = find_fused_pairs([two], [fused[0]])
    assert (pair.name, len(pair.sources)) == ("cup3", 2)


def test_what_comes_first_tells_sources_from_fused(tmp_path):
    folder = touch(tmp_path / "in")
    a, b, c, d = (Path(name) for name in "abcd")
    assert split_inputs([folder, a, b]) == ([folder], [a, b])
    assert split_inputs([a, b, c, d]) == ([a, b], [c, d])
    with pytest.raises(FileNotFoundError, match="a does not exist"):
        split_inputs([a, b])
    files = [touch(tmp_path, "a", "b") / name for name in "ab"]
    for inputs in ([folder], files[:1], files):
        with pytest.raises(ValueError, match="then one fused picture or folder for each method"):
            split_inputs(inputs)


def test_methods_of_one_name_are_told_apart_by_the_folder_above(tmp_path):
    sources = touch(tmp_path / "in", "a-A.png", "a-B.png")
    names = ["x/gff", "y/gff", "y/dct.v2", "y/source A"]
    fused = [touch(tmp_path / name, "a.png") for name in names]
    (pair,) = find_fused_pairs([sources], fused)
    assert list(pair.fused) == ["x/gff", "y/gff", "dct.v2", "y/source A"]
    with pytest.raises(ValueError, match="would both be called x/gff: rename one, or name it once"):
        find_fused_pairs([sources], [fused[0], fused[1], fused[0]])


@pytest.mark.parametrize(("names", "faults"), [
    (("a-A.png", "a-B.png", "a-C.png", "b-A.png", "b-B.png"),
     {"a": "it has 3 frames: the metrics are defined for two sources"}),
    (("a-A.png", "b-1.png", "b-2.png"), {"a": "a-A.png has no partner: the frames"}),
    (("a-A.png", "a-2.png", "b-1.png", "b-2.png"), {"a": "has no partner"}),
    (("stray.png", "b-1.png", "b-2.png"), {"stray": "stray.png is neither x-A nor x-B of a"}),
    (("f10.png", "f1.png", "f2.png"), {"in": "it has 3 frames: "}),
    (("only.png",), {"in": "it has 1 frame: "}),
])  # fmt: skip
def test_what_is_no_pair_is_named(tmp_path, names, faults):
    sources = touch(tmp_path / "in", *names)
    pairs = find_fused_pairs([sources], [touch(tmp_path / "out", "b.png")])
    found = {pair.name: pair.fault for pair in pairs if pair.fault}
    assert found.keys() == faults.keys()
    assert all(fault in found[name] for name, fault in faults.items())
    assert [pair.name for pair in pairs if not pair.fault] == ["b"] * any(
        name.startswith("b") for name in names
    )


def test_subfolders_that_are_no_pair_are_named(tmp_path):
    touch(tmp_path / "in" / "burst", "1.png", "2.png", "3.png")
    touch(tmp_path / "in" / "empty")
    touch(tmp_path / "in" / "good", "1.png", "2.png")
    pairs = find_fused_pairs([tmp_path / "in"], [touch(tmp_path / "out", "burst.png", "good.png")])
    burst, empty, good = (pair.fault for pair in pairs)
    assert burst == "it has 3 frames: the metrics are defined for two sources"
    assert "empty holds no image" in empty
    assert good == ""


def test_missing_fused_pictures_and_truths_are_named(tmp_path):
    sources = touch(tmp_path / "in", "a-A.png", "a-B.png", "b-A.png", "b-B.png")
    x, y = touch(tmp_path / "x", "a.png"), touch(tmp_path / "y", "a.png", "b.png")
    truth = touch(tmp_path / "truth", "a.png")
    a, b = find_fused_pairs([sources], [x, y], truth=truth)
    assert not a.fault
    assert b.fault == f"missing: {x / 'b'} and {truth / 'b'} (.png, .jpg or .tif)"


def test_pairs_with_a_fault_name_the_same_methods_and_a_truth(tmp_path):
    sources = touch(tmp_path / "in", "a-A.png", "b-A.png", "b-B.png")
    x, y, truth = (
        touch(tmp_path / "x", "a.png"),
        touch(tmp_path / "y", "b.png"),
        touch(tmp_path / "truth", "a.png"),
    )
    odd, lacking = find_fused_pairs([sources], [x, y], truth=truth)
    assert "has no partner" in odd.fault
    assert (odd.fused, odd.truth) == ({"x": x / "a.png", "y": y / "a"}, truth / "a.png")
    assert (lacking.fused, lacking.truth) == ({"x": x / "b", "y": y / "b.png"}, truth / "b")


def test_what_would_stop_everything_is_raised(tmp_path):
    sources = touch(tmp_path / "in", "a-A.png", "a-B.png", "b-A.png", "b-B.png")
    fused = touch(tmp_path / "out", "a.png", "b.png")
    with pytest.raises(ValueError, match=r"a\.png is one picture, and there are 2 pairs"):
        find_fused_pairs([sources], [fused / "a.png"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_fused_pairs([sources], [tmp_path / "nowhere"])
    pattern = fused / "*.png"
    for name, places, truth in (("fused", [pattern], None), ("truth", [fused], pattern)):
        words = f"{name} must be a folder or one picture, not a pattern of 2 pictures, {pattern}:"
        with pytest.raises(ValueError, match=re.escape(words)):
            find_fused_pairs([sources], places, truth=truth)
    with pytest.raises(FileNotFoundError, match="holds no image"):
        find_fused_pairs([sources], [touch(tmp_path / "void")])
    with pytest.raises(FileNotFoundError, match="holds no image"):
        find_fused_pairs([tmp_path / "void"], [fused])
    with pytest.raises(ValueError, match="given twice"):
        find_fused_pairs([sources / "a-A.png"] * 2, [fused])
    touch(fused, "a.jpg")
    with pytest.raises(ValueError, match="have the same name 'a'"):
        find_fused_pairs([sources], [fused])
