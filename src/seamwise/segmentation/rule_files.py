"""The rule that made labels, in a file next to their probabilities: `write_rule`, `read_rule`."""

from pathlib import Path

from pydantic import ValidationError

from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.listing import stem
from seamwise.io.models import DecodeRule

_KEY = "decode"


def rule_path(maps: Path) -> Path:
    """Return where the rule for probabilities is: ``<stem>.json`` next to them.

    Examples
    --------
    >>> rule_path(Path("out/probabilities/a.ome.zarr")).as_posix()
    'out/probabilities/a.json'
    """
    return maps.with_name(f"{stem(maps)}.json")


def write_rule(maps: Path, rule: DecodeRule) -> None:
    """Write the rule for probabilities; its sizes are in pixels of their file.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    write_json(rule_path(maps), {_KEY: rule.model_dump(mode="json")})


def read_rule(maps: Path) -> DecodeRule | None:
    """Read what `write_rule` wrote; None without it. nnU-Net has files of the same name.

    Raises
    ------
    ValueError
        The file is ours, and damaged.
    """
    path = rule_path(maps)
    try:
        content = read_json(path) if path.is_file() else {}
    except ValueError:
        return None  # a file of another program
    rule = content.get(_KEY)
    if not isinstance(rule, dict) or "rule" not in rule:
        return None
    try:
        return DecodeRule.model_validate(rule)
    except ValidationError as error:
        raise ValueError(
            f"{path} is damaged: delete it to decode by arg max, or segment again"
        ) from error
