"""Plans and dataset.json of a tiny network, as nnU-Net writes them."""

from seamwise.labels import CLASS_NAMES


def plans(ndim):
    """Plans with one configuration: three stages, patches of 48 × 40 or 16 × 24 × 24 pixels."""
    patch = [48, 40] if ndim == 2 else [16, 24, 24]
    network = {
        "n_stages": 3,
        "features_per_stage": [4, 8, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{ndim}d",
        "kernel_sizes": [[3] * ndim] * 3,
        "strides": [[1] * ndim, [2] * ndim, [2] * ndim],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{ndim}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    configuration = {
        "data_identifier": "tiny",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": patch,
        "spacing": [2.0, 1.0, 1.0][-ndim:],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": network,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": True,
    }
    return {
        "dataset_name": "Dataset501_Cells",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "Tiff3DIO",
        "label_manager": "LabelManager",
        "configurations": {"2d" if ndim == 2 else "3d_fullres": configuration},
        "continue_training": False,
    }


def record(classes, *, ignore=False, counts=True, regions=False):
    """What `write_nnunet` writes about a data set; or another program, without `counts`."""
    labels = {name: number for number, name in enumerate(CLASS_NAMES[:classes])}
    if regions:
        labels["cell"] = [1, 2]
    if ignore:
        labels["ignore"] = classes
    entry = {"seamwise": {"classes": classes, "counts": [7000, 2000, 600, 400][:classes]}}
    return {
        "channel_names": {"0": "channel 0"},
        "labels": labels,
        "regions_class_order": list(range(1, classes)),
        "numTraining": 5,
        "file_ending": ".tif",
        **(entry if counts else {}),
    }
