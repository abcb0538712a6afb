"""A journal names the files of a killed process, and nothing else."""

import json

import pytest

from seamwise.io.journal import journal, unfinished


def test_a_journal_stays_only_if_the_process_is_killed(tmp_path):
    picture = tmp_path / "x.png"
    files = [picture, tmp_path / "x_depth.png", tmp_path / "elsewhere" / "y.png"]
    with journal(picture, files):
        assert unfinished(picture) == {picture, tmp_path / "x_depth.png"}
        assert unfinished(tmp_path / "other.png") == frozenset()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), journal(picture, files):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"unfinished": 7}',
        '{"unfinished": ["../a.png", "/etc/x", "", "..", 3, null]}',
    ],
)
def test_a_damaged_journal_names_no_file(tmp_path, content):
    picture = tmp_path / "x.png"
    with journal(picture, [picture]):
        (place,) = tmp_path.iterdir()
        place.write_text(content)
        assert unfinished(picture) == frozenset()


def test_a_long_name_has_a_journal(tmp_path):
    picture = tmp_path / ("a" * 251 + ".png")
    with journal(picture, [picture]):
        (place,) = tmp_path.iterdir()
        assert json.loads(place.read_text()) == {"unfinished": [picture.name]}
