import pytest

from seamwise.io.jsonfile import read_json, write_json


def test_what_is_written_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Γ", "values": [1, None]})
    assert read_json(tmp_path / "a.json") == {"name": "Γ", "values": [1, None]}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "JSON object"),
        ("\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, text, word):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"a\.json .*{word}"):
        read_json(tmp_path / "a.json")
