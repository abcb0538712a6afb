"""The `seamwise` command: parse, call the public API, print.

Everything that needs torch, scipy or rich is imported inside the commands: `--help` must be
instant.
"""

import atexit
import gc
from typing import Annotated

import typer

from seamwise import __version__
from seamwise.cli import (
    checking,
    decoding,
    exchanging,
    fusing,
    fusion_training,
    measuring,
    models,
    nnunet,
    scoring,
    segmenting,
    training,
    tuning,
    weight_maps,
)
from seamwise.cli.errors import Commands
from seamwise.cli.messages import Quiet, Verbose, print_result, set_verbosity, with_verbosity

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help tables squeeze and cut words in 80 columns
    context_settings={"help_option_names": ["-h", "--help"]},
)

_GROUPS = {
    "Segment": (
        segmenting.segment,
        decoding.decode,
        measuring.measure,
        scoring.evaluate,
        segmenting.demo,
    ),
    "Exchange": (
        exchanging.export_labels,
        exchanging.import_labels,
        models.export,
        nnunet.nnunet_dataset,
    ),
    "Train": (
        checking.check,
        training.train,
        training.compare,
        tuning.tune,
        models.combine,
        weight_maps.weights,
    ),
    "Fuse": (fusing.fuse, scoring.evaluate_fusion, fusion_training.train_fusion),
    "About": (models.info,),
}

for _panel, _commands in _GROUPS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(with_verbosity(_command))


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_result(f"seamwise {__version__}")
        raise typer.Exit


@app.callback()
def seamwise(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Pixel-level deep learning where things touch."""
    set_verbosity(quiet=quiet, verbose=verbose)


def main() -> None:
    """Entry point of the `seamwise` command."""
    # the collector would look once more at all that torch has made: a sixth of the time of a start
    atexit.register(gc.freeze)
    app(prog_name="seamwise")
