"""`seamwise evaluate` and `evaluate-fusion`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.messages import say, warn
from seamwise.cli.options import CsvFile, JsonFile, check_outputs, parse_channels
from seamwise.cli.progress import Progress
from seamwise.cli.tables import print_contours, print_fusion, print_matching


def evaluate(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="Label image, or folder of label images.")
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH", help="True label image or folder of them; each one needs a prediction."
        ),
    ],
    contours: Annotated[
        bool,
        typer.Option("--contours", help="Also score the contours, within radii of 1 to 7 pixels."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE",
            help="Also write, or replace, this HTML page: which cells are missed, invented, split "
            "or merged.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="For --report: the image behind the labels, or a folder with the same names.",
            show_default="outlines on black",
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(help="For --images: the channel to show, counted from 0.", show_default="0"),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="For --images: meaning of their axes, for example ZYX or CYX.",
            show_default="what the file says",
        ),
    ] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Score label images against the truth at IoU 0.5, 0.55, … 0.95.

    TP, FP and FN count the cells that are correct, false and missed. P = TP/(TP + FP) is precision
    and R = TP/(TP + FN) recall. AP is TP/(TP + FP + FN), SQ the mean IoU of matched cells, RQ = F1
    and PQ = SQ·RQ. For contours, P is the share of predicted contour pixels within a radius of a
    true one, and R the reverse.

    Files pair up by name; x_masks.tif is the truth for x.tif. Each time point of a series is scored
    as an image. Pairs that cannot be scored are reported and skipped; the exit code is then 1.
    """
    from seamwise.io import amount, find_images
    from seamwise.metrics import DEFAULT_RADII
    from seamwise.segmentation import pair_files, score_files, write_scores

    if images is not None and report is None:
        raise ValueError("--images needs --report: name the page to write")
    if images is None and (channel is not None or axes is not None):
        raise ValueError("--channel and --axes need --images: add it, or remove them")
    shown = parse_channels(channel)
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--report must be a page ending in .html, not {report}: rename it")
    pairs = pair_files(predicted, truth)
    inputs = [path for pair in pairs for path in (pair.predicted, pair.truth)]
    inputs += [] if images is None else find_images(images)
    check_outputs({"--json": json_file, "--csv": csv_file, "--report": report}, inputs=inputs)
    with Progress() as progress:
        scores = score_files(
            progress.track(pairs, "score"),
            radii=DEFAULT_RADII if contours else (),
            list_errors=report is not None,
        )
        for hint in scores.hints:
            progress.note(hint)
        for line in scores.skipped:
            progress.error(line)
    print_matching(scores.matching)
    if scores.contours is not None:
        print_contours(scores.contours)
    for path in write_scores(scores, json_file=json_file, csv_file=csv_file):
        say(f"wrote {path}")
    if report is not None:
        from seamwise.report import evaluation_report

        evaluation_report(
            pairs,
            report,
            scores=scores,
            images=images,
            channel=shown,
            axes=axes,
            note=warn,
        )
        say(f"wrote {report}")
    if scores.skipped:
        say(f"{len(scores.skipped)} of {amount(len(pairs), 'pair')} failed")
    raise typer.Exit(1 if scores.skipped else 0)


def evaluate_fusion(
    sources: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCES", help="Folder of pairs, or the first of two source pictures."
        ),
    ],
    fused: Annotated[
        list[Path],
        typer.Argument(
            metavar="FUSED", help="For each method, a fused picture or a folder of them."
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            help="True picture or folder of them, for SSIM and PSNR.", show_default="no such scores"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for scores.json, scores.csv and boxplots.png.",
        ),
    ] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Score fused pictures against their two sources, next to each source without any fusion.

    A folder of pairs holds a folder for each pair, or x-A.jpg and x-B.jpg (also _A, -1, _1). The
    fused picture of pair x is x.png, .jpg or .tif. Several FUSED are compared as methods.

    The seven metrics need no truth; higher is better. If a method lacks a pair, or it cannot be
    scored, the pair is reported and skipped for all methods; the exit code is then 1.
    """
    from seamwise.fusion import (
        draw_boxplots,
        find_fused_pairs,
        make_results_folder,
        score_files,
        split_inputs,
        write_scores,
    )

    of_sources, of_methods = split_inputs([sources, *fused])
    pairs = find_fused_pairs(of_sources, of_methods, truth=truth)
    plot: Path | None = None
    if output is not None:
        make_results_folder(output, of_sources)
        json_file = json_file or output / "scores.json"
        csv_file = csv_file or output / "scores.csv"
        plot = output / "boxplots.png"
    pictures = [
        path
        for pair in pairs
        for path in (*pair.sources, *pair.fused.values(), pair.truth)
        if path is not None
    ]
    check_outputs({"--json": json_file, "--csv": csv_file, "the plot": plot}, inputs=pictures)
    with Progress() as progress:
        for note in (pair.note for pair in pairs if pair.note):
            progress.note(note)
        scores = score_files(progress.track(pairs, "score"))
        for message in scores.skipped:
            progress.error(message)
    if not scores.pairs:
        raise typer.Exit(2)
    print_fusion(scores)
    for path in write_scores(scores, json_file=json_file, csv_file=csv_file):
        say(f"wrote {path}")
    if plot is not None:
        draw_boxplots(plot, scores)
        say(f"wrote {plot}")
    raise typer.Exit(1 if scores.skipped else 0)
