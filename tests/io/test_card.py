"""Cards of models."""

from seamwise.io import shipped_models
from seamwise.io.card import Card, read_card


def test_a_card_gives_purpose_status_and_licence(tmp_path):
    (tmp_path / "x.md").write_text(
        "# x\n\nFinds round\ncells: in many images.\n\n| | |\n|---|---|\n| Status | first |\n"
        "| Licence | BSD |\n"
    )
    assert read_card(tmp_path / "x.safetensors") == Card("finds round cells", "first", "BSD")


def test_a_model_without_a_card_or_rows_has_empty_words(tmp_path):
    assert read_card(tmp_path / "x.safetensors") == Card()
    (tmp_path / "x.md").write_text("# x")
    assert read_card(tmp_path / "x.safetensors") == Card()


def test_every_shipped_model_says_what_it_is_for():
    for name, path in shipped_models().items():
        assert read_card(path).purpose, name
