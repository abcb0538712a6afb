"""Two operators of torchvision's detectors in plain torch, for a torchvision without its own.

The torchvision of a package index is compiled for a GPU's torch. Next to a torch for the CPU it
cannot load its library and fails when it is imported. `stand_in` puts ours in.
"""

import importlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def non_maximum_suppression(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Drop each box that overlaps a better one by more than the threshold.

    Boxes are taken by descending score (ties in the order given). A box is kept unless its IoU with
    one that is kept already exceeds the threshold.

    Parameters
    ----------
    boxes : (N, 4) tensor
        x₁, y₁, x₂, y₂ in pixels, x₁ ≤ x₂ and y₁ ≤ y₂.
    scores : (N,) tensor
    iou_threshold : float
        In 0..1.

    Returns
    -------
    (K,) int64 tensor
        Indices of the boxes that are kept, by descending score.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 4, 2], [1.0, 0, 5, 2], [4.0, 0, 6, 2]])
    >>> non_maximum_suppression(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    """
    by_score = scores.argsort(descending=True, stable=True)
    overlaps = (box_iou(boxes[by_score]) > iou_threshold).cpu().numpy()
    is_dropped = np.zeros(len(overlaps), bool)
    kept = []
    for number, overlapped in enumerate(overlaps):
        if not is_dropped[number]:
            kept.append(number)
            is_dropped |= overlapped
    return by_score[torch.tensor(kept, dtype=torch.int64, device=by_score.device)]


def box_iou(boxes: Tensor) -> Tensor:
    """Return the IoU `(N, N)` of each pair of boxes; 0 where both are empty."""
    upper = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    lower = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (lower - upper).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return common / (area[:, None] + area[None] - common).clamp(min=1e-9)


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """Average features over the bins of a regular grid in each box (RoIAlign of Mask R-CNN).

    Each bin has n × n points, where the features are interpolated linearly between the pixels. A
    pixel k lies at the coordinate k; a box narrower than one pixel counts as one pixel wide.
    Beyond the border the values of the border are repeated; torchvision has 0 beyond one pixel
    outside.

    Parameters
    ----------
    input : (B, C, H, W) tensor
    boxes : (K, 5) tensor, or B tensors (K, 4)
        Number in the batch, x₁, y₁, x₂, y₂ in pixels of the image; without the number in a list.
    output_size : int or (int, int)
        Bins along y and x.
    spatial_scale : float
        Pixels of the features per pixel of the image.
    sampling_ratio : int
        n. Below 1 it is the number of pixels in a bin, of the largest box in each member of the
        batch; torchvision takes that of each box by itself.

    Returns
    -------
    (K, C, *output_size) tensor

    Examples
    --------
    >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    >>> roi_align(ramp, [torch.tensor([[0.0, 0, 2, 2]])], 2, sampling_ratio=1).tolist()
    [[[[0.5, 1.5], [0.5, 1.5]]]]
    """
    if not isinstance(boxes, Tensor):
        numbers = [torch.full((len(part), 1), float(k)).to(part) for k, part in enumerate(boxes)]
        boxes = torch.cat([torch.cat(numbers), torch.cat(list(boxes))], dim=1)
    rows, columns = (output_size,) * 2 if isinstance(output_size, int) else output_size
    aligned = input.new_zeros((len(boxes), input.shape[1], rows, columns))
    for number in boxes[:, 0].unique().int().tolist():
        is_member = boxes[:, 0] == number
        corners = boxes[is_member, 1:] * spatial_scale
        part = _align_one(input[number], corners, (rows, columns), sampling_ratio)
        aligned[is_member] = part.to(aligned.dtype)
    return aligned


def _align_one(
    features: Tensor, corners: Tensor, bins: tuple[int, int], sampling_ratio: int
) -> Tensor:
    """Average features `(C, H, W)` in boxes `(K, 4)`, in pixels of the features."""
    sides = (corners[:, 2:] - corners[:, :2]).clamp(min=1)
    pixels_per_bin = (sides / sides.new_tensor([bins[1], bins[0]])).max()
    points = sampling_ratio if sampling_ratio > 0 else int(pixels_per_bin.ceil().item())
    rows, columns = bins[0] * points, bins[1] * points

    def along(axis: int, count: int) -> Tensor:
        """Return coordinates `(K, count)` in -1..1 from the outer edges of the features."""
        shares = (torch.arange(count, device=corners.device) + 0.5) / count
        pixels = corners[:, axis, None] + sides[:, axis, None] * shares
        return (2 * pixels + 1) / features.shape[2 - axis] - 1

    x = along(0, columns)[:, None].expand(-1, rows, -1)
    y = along(1, rows)[:, :, None].expand(-1, -1, columns)
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, columns, 2).to(features.dtype)
    sampled = nn.functional.grid_sample(
        features[None], grid, padding_mode="border", align_corners=False
    )
    averaged = nn.functional.avg_pool2d(sampled, points)[0]
    return averaged.reshape(len(features), len(corners), *bins).transpose(0, 1)


def stand_in() -> bool:
    """Let torchvision's detectors use ours if its compiled operators do not load.

    Returns
    -------
    bool
        Whether ours are in use, also from an earlier call.

    Raises
    ------
    ModuleNotFoundError
        torchvision is missing.
    RuntimeError
        It does not work for another reason.
    """
    try:
        importlib.import_module("torchvision")
        boxes = importlib.import_module("torchvision.ops.boxes")
        return boxes.nms is non_maximum_suppression
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        # the names that it asks for while it is imported
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", SCHEMA)
    importlib.import_module("torchvision")
    importlib.import_module("torchvision.ops.boxes").nms = non_maximum_suppression
    for user in ("torchvision.ops.poolers", "torchvision.models.detection.roi_heads"):
        importlib.import_module(user).roi_align = roi_align
    return True
