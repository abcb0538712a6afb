"""Distance of predicted guides from those of the cells; see `guide_losses`."""

from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from seamwise.labels import CELL, IGNORE, TOUCHING
from seamwise.losses.inputs import valid_weight, without_channel

_BETA_OF_RELIEF, _BETA_OF_OFFSETS = 0.1, 0.25


def guide_losses(
    output: Tensor, guides: Tensor, target: Tensor, *, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the smooth L1 distance of the relief, and that of the offsets.

    ::

        L_relief = mean over pixels that are not ignored of  h(r̂ − r; 0.1)
        L_offset = Σ_cell w·Σ_axes h(ô − o; 0.25) / max(Σ_cell w, 1)
        h(x; β)  = x²/(2β) if |x| < β, else |x| − β/2

    Parameters
    ----------
    output, guides : (N, 1 + ndim, *S) tensors
        Relief r, then the offset o to the centre of the cell in units of its radius, predicted and
        true; see `labels.measure_guides`.
    target : (N, *S) or (N, 1, *S) tensor
        Classes. Ignored pixels count for neither. Offsets count in the classes cell and touching.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        w; by default 1.

    Returns
    -------
    relief, offset : scalars
        0 if no pixel counts. Computed in float32.

    Raises
    ------
    ValueError
        The shapes do not fit together.
    """
    target = _checked(output, guides, target)
    is_known = target != IGNORE
    relief = smooth_l1_loss(
        output[:, 0].float(), guides[:, 0], beta=_BETA_OF_RELIEF, reduction="none"
    )
    relief = (relief * is_known).sum() / is_known.sum().clamp(min=1)
    is_cell = (target == CELL) | (target == TOUCHING)
    pull = is_cell.float() if weight is None else is_cell * valid_weight(weight, target)
    offset = smooth_l1_loss(
        output[:, 1:].float(), guides[:, 1:], beta=_BETA_OF_OFFSETS, reduction="none"
    )
    return relief, (offset.sum(1) * pull).sum() / pull.sum().clamp(min=1)


def _checked(output: Tensor, guides: Tensor, target: Tensor) -> Tensor:
    """Return the target as `(N, *S)`, or raise ValueError if a shape does not fit."""
    shape = tuple(output.shape)
    if guides.shape != output.shape:
        raise ValueError(f"guides must have the output's shape {shape}, not {tuple(guides.shape)}")
    pixels = without_channel(target, output.ndim - 1)
    expected = (shape[0], *shape[2:])
    if tuple(pixels.shape) != expected:
        raise ValueError(f"target must be {expected} for output {shape}, not {tuple(target.shape)}")
    return pixels
