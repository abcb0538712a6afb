"""Scores of label images in files; see `write_scores`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seamwise.io.csvfile import write_csv
from seamwise.io.jsonfile import write_json
from seamwise.segmentation.measure import FileScores


def write_scores(
    scores: FileScores, *, json_file: Path | None = None, csv_file: Path | None = None
) -> list[Path]:
    """Write all scores: pooled, their mean, and those of each image; return the files.

    In JSON, ``per_image[i]`` belongs to ``images[i]``; ``contours`` holds the same of contours.
    In CSV each line says what it scores: ``object`` is ``cells`` or ``contours``, ``scores`` is
    ``pooled``, ``mean`` or ``image``, and ``image`` names that image.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    content = score_content(scores)
    if json_file is not None:
        write_json(json_file, content)
    if csv_file is not None:
        write_csv(csv_file, list(_rows(content)))
    return [path for path in (json_file, csv_file) if path is not None]


def score_content(scores: FileScores) -> dict[str, Any]:
    """Return what `write_scores` writes as JSON."""
    content = {"images": list(scores.images), **asdict(scores.matching)}
    if scores.contours is not None:
        content["contours"] = asdict(scores.contours)
    return content


def _rows(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    images = content["images"]
    for kind, part in (("cells", content), ("contours", content.get("contours"))):
        if part is None:
            continue
        for name in ("pooled", "mean"):
            for line in part[name]:
                yield {"object": kind, "scores": name, "image": "", **line}
        for image, lines in zip(images, part["per_image"], strict=True):
            for line in lines:
                yield {"object": kind, "scores": "image", "image": image, **line}
