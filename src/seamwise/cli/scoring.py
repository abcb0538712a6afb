"""`seamwise evaluate` and `evaluate-fusion`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.errors import say
from seamwise.cli.options import check_writable
from seamwise.cli.progress import progress_bar
from seamwise.cli.tables import print_contours, print_fusion, print_matching


def evaluate(
    predicted: Annotated[Path, typer.Argument(help="Label image, or folder of label images.")],
    truth: Annotated[
        Path, typer.Argument(help="True label image or folder; every image in it is scored.")
    ],
    contours: Annotated[
        bool, typer.Option("--contours", help="Also score the contours, at 1 … 7 pixels.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all scores to this file.")
    ] = None,
) -> None:
    """Score label images against the truth: precision, recall, F1, AP, SQ, RQ, PQ at IoU 0.5 … 0.95.

    P and R are precision and recall, AP is TP/(TP+FP+FN), SQ the mean IoU of matched cells, RQ = F1, PQ = SQ·RQ.
    With --contours: P is the share of the predicted contour pixels that lie within a radius of a true one, R the
    reverse.
    Files pair up by name; x_masks.tif is the truth for x.tif.
    """
    from seamwise.io.jsonfile import write_json
    from seamwise.metrics import DEFAULT_RADII
    from seamwise.segmentation.measure import pair_files, score_files

    check_writable(json_file)
    pairs = pair_files(predicted, truth)
    with progress_bar() as bar:
        scores = score_files(
            bar.track(pairs, description="score"), radii=DEFAULT_RADII if contours else ()
        )
        for hint in scores.hints:
            bar.console.print(hint)
    print_matching(scores.matching)
    content = {"images": [pair.name for pair in pairs], **asdict(scores.matching)}
    if scores.contours is not None:
        print_contours(scores.contours)
        content["contours"] = asdict(scores.contours)
    if json_file is not None:
        write_json(json_file, content)
        say(f"wrote {json_file}")


def evaluate_fusion(
    sources: Annotated[Path, typer.Argument(help="A folder of pairs, or the two pictures of one.")],
    fused: Annotated[
        list[Path], typer.Argument(help="A fused picture, or a folder of them, for each method.")
    ],
    truth: Annotated[
        Path | None, typer.Option(help="True picture or folder of them: also scores SSIM, PSNR.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for scores.csv, scores.json and boxplots.png."),
    ] = None,
) -> None:
    """Score fused pictures against their two sources, beside each source returned as it is.

    A folder of pairs holds a folder for each, or x-A.jpg and x-B.jpg (also _A, -1, _1); the fused picture of pair x is
    x.png, .jpg or .tif. Several FUSED are compared as methods. The seven metrics need no truth; higher is better. A
    pair that one method lacks, or that cannot be scored, is named and left out for all; the exit code is then 1.
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
    if output is not None:
        make_results_folder(output, of_sources)
    with progress_bar() as bar:
        for note in (pair.note for pair in pairs if pair.note):
            bar.console.print(note)
        scores = score_files(bar.track(pairs, description="score"))
        for message in scores.skipped:
            bar.console.print(message)
    if not scores.pairs:
        raise typer.Exit(2)
    print_fusion(scores)
    if output is not None:
        for path in write_scores(output, scores):
            say(f"wrote {path}")
        draw_boxplots(output / "boxplots.png", scores)
        say(f"wrote {output / 'boxplots.png'}")
    raise typer.Exit(1 if scores.skipped else 0)
