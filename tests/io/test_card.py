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


def test_other_pages_next_to_a_model_are_read_as_far_as_they_go(tmp_path):
    path, model = tmp_path / "x.md", tmp_path / "x.safetensors"
    path.write_bytes("# x\n\nFinds grün.\n\n| Licence | BSD |\n".encode("latin-1"))
    assert read_card(model) == Card("finds gr\ufffdn.", licence="BSD")
    path.write_text("# x\n\nDAPI images\nof nuclei\n\nMore text: much.\n")
    assert read_card(model).purpose == "DAPI images of nuclei"
    path.write_text("---\ntags: x\n---\n\n# X\n\nText\n")
    assert read_card(model) == Card()


def test_every_shipped_model_says_what_it_is_for():
    for name, path in shipped_models().items():
        assert read_card(path).purpose, name
