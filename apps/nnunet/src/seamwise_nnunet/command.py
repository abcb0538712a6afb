"""`seamwise nnunet-trainers`."""

import typer

from seamwise_nnunet.installed import check_nnunet, trainers_path


def nnunet_trainers() -> None:
    """Print the folder in which nnU-Net finds our trainers.

    export nnUNet_extTrainer=$(seamwise nnunet-trainers), then nnUNetv2_train … -tr
    nnUNetTrainerJ4. Others: nnUNetTrainerJ3, nnUNetTrainerW3, nnUNetTrainerUNetMap; nnUNetTrainerJ
    for any classes.
    """
    check_nnunet()
    typer.echo(trainers_path())
