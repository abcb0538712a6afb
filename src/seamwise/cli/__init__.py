"""The `seamwise` command: parse, call the public API, print.

Everything that needs torch, scipy or rich tables is imported inside the commands: `--help` must be instant.
"""

import typer

from seamwise.cli import fusing, models, scoring, segmenting, training, weight_maps
from seamwise.cli.errors import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pixel-level deep learning where things touch.",
)

_GROUPS = {
    "Segment": (segmenting.segment, scoring.evaluate, segmenting.demo),
    "Train": (training.train, training.compare, models.tune, models.combine, weight_maps.weights),
    "Fuse": (fusing.fuse, scoring.evaluate_fusion, fusing.train_fusion),
    "About": (models.info,),
}

for _panel, _commands in _GROUPS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


def main() -> None:
    """Entry point of the `seamwise` command."""
    app(prog_name="seamwise")
