"""Where else the progress of a training goes; see `open_logger` and `log_to`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamwise.words import LoggerName

if TYPE_CHECKING:
    from seamwise.engine.history import TrainProgress

_INSTALL = {"tensorboard": "tensorboardX", "wandb": "wandb pytorch-lightning"}


def open_logger(name: LoggerName, folder: Path) -> Any:
    """Return one of Lightning's loggers that writes below a folder.

    Parameters
    ----------
    name : {"tensorboard", "wandb"}
        TensorBoard's files; or Weights & Biases, which needs an account unless the variable
        ``WANDB_MODE`` is "offline".
    folder : Path
        The files go to a subfolder with the name of the logger.

    Raises
    ------
    ValueError
        Its package is not installed.
    """
    try:
        if name == "tensorboard":
            from lightning_fabric.loggers.tensorboard import TensorBoardLogger

            return TensorBoardLogger(folder, name="", version=name)
        from pytorch_lightning.loggers import WandbLogger

        (folder / name).mkdir(exist_ok=True)
        return WandbLogger(save_dir=folder / name, project="seamwise", name=folder.name)
    except ImportError as error:  # also what Lightning raises if the logger's package is missing
        raise ValueError(
            f"logger {name} is not available: pip install {_INSTALL[name]}, or remove the option"
        ) from error


def log_to(logger: Any) -> "Callable[[TrainProgress], None]":
    """Return a function that hands the progress of a training to a logger.

    Parameters
    ----------
    logger : object
        With ``log_metrics(metrics, step)``, as all loggers of Lightning have it.

    Returns
    -------
    function
        For the argument `report` of a training. It logs loss, learning rate and, where a step was
        validated, the scores.

    Examples
    --------
    >>> from seamwise.engine import TrainProgress
    >>> class Printer:
    ...     def log_metrics(self, metrics, step):
    ...         print(step, metrics)
    >>> log_to(Printer())(TrainProgress(3, 0.5, 1e-4, 7.0, {"ap50": 0.8}))
    3 {'loss': 0.5, 'learning_rate': 0.0001, 'ap50': 0.8}
    """

    def report(progress: "TrainProgress") -> None:
        metrics = {"loss": progress.loss, "learning_rate": progress.learning_rate}
        logger.log_metrics({**metrics, **progress.scores}, progress.step)

    return report
