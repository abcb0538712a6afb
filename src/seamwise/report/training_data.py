"""A page about training data: what is wrong with it, what it holds, how to train on it."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from seamwise.io.atomic import check_writable
from seamwise.io.htmlpage import (
    facts,
    figure,
    gallery,
    heading,
    histogram,
    paragraph,
    picture,
    table,
    write_page,
)
from seamwise.io.outcome import amount, plural
from seamwise.segmentation.check import KINDS, Advice, Finding, Survey

_NAMED = 12  # images of a kind of fault that are listed
_WIDTH = 165  # of a picture
_SEVERITY = {
    "stops": "the training stops",
    "harms": "the network learns something wrong",
    "look": "have a look",
}


def training_report(survey: Survey, advice: Advice | None, page: Path, *, command: str) -> None:
    """Write a page about a training folder. It needs no other file and no network.

    Parameters
    ----------
    survey : Survey
    advice : Advice, optional
    page : Path
        The file to write.
    command : str
        How to train with the settings.

    Raises
    ------
    OSError
        The page cannot be written.
    """
    check_writable(page)
    write_page(
        page,
        f"Training data: {survey.folder.name}",
        _parts(survey, advice, command),
        subtitle="Faults first, then what the masks hold, then settings to train with.",
    )


def _parts(survey: Survey, advice: Advice | None, command: str) -> Iterator[str]:
    cells = sum(len(look.sizes) for look in survey.looks)
    touching = sum(look.touching for look in survey.looks)
    images = len(survey.looks)
    kinds = len({finding.kind for finding in survey.findings})
    yield facts(
        {
            plural(images, "usable image"): images,
            plural(cells, "cell"): cells,
            plural(touching, "touching cell"): touching,
            f"{plural(kinds, 'kind')} of faults": kinds,
        }
    )
    yield heading("What is wrong")
    yield from _faults(survey.findings)
    yield heading("What the masks hold")
    sizes = np.concatenate([np.zeros(0), *(look.diameters for look in survey.looks)])
    yield figure(histogram(sizes, label="diameter of the cells in pixels"))
    if advice is not None:
        yield from _advice(advice, command)
    yield heading("Images")
    yield table(
        ("image", "size", "channels", "type", "cells", "touching", "median diameter"),
        (
            (
                look.name,
                " × ".join(map(str, look.shape)),
                look.channels,
                look.dtype,
                len(look.sizes),
                look.touching,
                float(np.median(look.diameters)) if len(look.sizes) else None,
            )
            for look in survey.looks
        ),
    )


def _faults(findings: tuple[Finding, ...]) -> Iterator[str]:
    if not findings:
        yield paragraph("Nothing was found.")
    order = list(KINDS)
    in_order = sorted(findings, key=lambda finding: order.index(finding.kind))
    for name, group in groupby(in_order, key=lambda finding: finding.kind):
        cases, kind = list(group), KINDS[name]
        count = sum(case.count for case in cases)
        where = amount(len(cases), "image")
        times = f"{count} in {where}" if count > len(cases) else f"{count} times"
        yield heading(
            f"{kind.title.capitalize()}: {times if len(cases) > 1 or count > 1 else 'once'}",
            level=3,
        )
        yield paragraph(f"{_SEVERITY[kind.severity].capitalize()}. Remedy: {kind.remedy}.")
        yield table(("image", "what"), ((case.name, case.text) for case in cases[:_NAMED]))
        if len(cases) > _NAMED:
            yield paragraph(f"{amount(len(cases) - _NAMED, 'more image')}.", is_note=True)
        yield gallery(
            figure(picture(case.picture, alt=case.text, width=_WIDTH), case.name)
            for case in cases
            if case.picture is not None
        )


def _advice(advice: Advice, command: str) -> Iterator[str]:
    if advice.diameters is not None:
        low, middle, high = (round(value) for value in advice.diameters)
        yield paragraph(
            f"Half of the cells are more than {middle} pixels across, nine of ten {low} to {high}."
        )
    yield table(
        ("class", "% of pixels"),
        ((name, 100 * share) for name, share in advice.classes.items()),
    )
    yield heading("How to train")
    yield paragraph(f"$ {command}")
    if advice.seconds is not None:
        yield paragraph(
            f"This takes about {duration(advice.seconds)} on this machine, by the time of two "
            "steps and of one prediction. It ends earlier if nothing improves."
        )
    if advice.caution:
        yield paragraph(advice.caution)
    yield table(
        ("setting", "value", "why"),
        ((name, str(advice.settings[name]), reason) for name, reason in advice.reasons.items()),
    )


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(50), duration(1500), duration(9000)
    ('a minute', '25 minutes', '2.5 hours')
    """
    minutes = round(seconds / 60)
    if minutes < 2:
        return "a minute"
    return f"{minutes} minutes" if minutes < 100 else f"{seconds / 3600:.1f} hours"
