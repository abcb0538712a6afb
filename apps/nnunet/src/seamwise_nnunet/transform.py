"""The weights among nnU-Net's transforms: see `AddWeight`."""

from collections.abc import Sequence

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, SegOnlyTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import (
    DownsampleSegForDSTransform,
)
from torch import Tensor

from seamwise.segmentation import TargetAndWeight
from seamwise_nnunet.weighted import weighted_classes


class AddWeight(SegOnlyTransform):
    """Append weights to the classes of a patch: see `weighted_classes`.

    Parameters
    ----------
    transform : TargetAndWeight
        With a map.
    ignored : int, optional
        Number of the class to ignore.
    spacing : sequence of float, optional
        Pixel size along each axis of the patch.
    """

    def __init__(
        self,
        transform: TargetAndWeight,
        *,
        ignored: int | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.ignored = ignored
        self.spacing = spacing

    def _apply_to_segmentation(self, segmentation: Tensor, **params: object) -> Tensor:
        return weighted_classes(
            segmentation, self.transform, ignored=self.ignored, spacing=self.spacing
        )


def with_weight(transforms: ComposeTransforms, weight: AddWeight) -> BasicTransform:
    """Return nnU-Net's transforms with the weights where all but the lower resolutions is done.

    There the patch is warped, and what lies outside of the image is background.
    """
    steps = list(transforms.transforms)
    has_levels = bool(steps) and isinstance(steps[-1], DownsampleSegForDSTransform)
    place = len(steps) - 1 if has_levels else len(steps)
    return ComposeTransforms([*steps[:place], weight, *steps[place:]])
