"""Decode an image block by block, never held whole, to the cells that decoding it at once gives.

Between blocks only the numbers of the components on their faces are needed. Three rounds over the
blocks::

    find    classes         → components of class cell, and of cell or touching     (`find_cores`)
    join    their faces     → which of them are one; crumbs; the cells' numbers     (`join_cores`)
    assign  classes, cells  → touching pixels to cells; background components   (`assign`, `survey`)
    (join   their faces     → by relief: cells without a valley between    (`meetings`))
    join    their faces     → which background is a hole of a cell; small cells     (`join_surveys`)
    finish  labels          → holes filled, cells numbered 1..n                     (`finish`)

`find`, `assign` and `finish` of a block depend on no other block's: they may run anywhere and in
any order. For `instances` the result is exact for any size of block: the same cells, numbered in
the scan order of the blocks. For a watershed `flood_block` takes the place of `assign`; its
docstring says what it guarantees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.components import Components, Part, cuts, join, label_part, sides
from seamwise.decode.far import Read, nearest_far
from seamwise.decode.instances import add_contacts, border_sides, check_sizes, contacts, on_border
from seamwise.decode.meetings import runs
from seamwise.decode.nearest import REACH, nearest_cell
from seamwise.decode.relief import peaks
from seamwise.decode.watershed import flood_from
from seamwise.labels import CELL, TOUCHING, Labels, smallest_dtype
from seamwise.labels.slabs import areas, look_up
from seamwise.tiling import Blocks, grow, intersect, relative_to
from seamwise.types import Box
from seamwise.words import BackgroundAs


@dataclass(frozen=True, eq=False)
class Cores:
    """What a block holds: see `find_cores`.

    Attributes
    ----------
    cells, regions : Part
        Components of class cell, and of cell or touching.
    sizes : (cells + 1,) int64 array
        Pixels of each component of class cell.
    region_of : (cells + 1,) integer array
        The region that each of them lies in; 0 for number 0.
    peaks : (cells + 1,) floating array
        Highest relief of each; infinite where there is none.
    """

    cells: Part
    regions: Part
    sizes: NDArray[np.int64]
    region_of: Labels
    peaks: NDArray[Any]


def find_cores(
    classes: NDArray[np.uint8], height: NDArray[Any] | None = None
) -> tuple[Labels, Cores]:
    """Number the components of class cell of a block.

    Its classes are 0 background, 1 cell and 2 touching.

    `height` is the relief of the block, for a rule that judges by it.

    Returns
    -------
    cells : (*S) uint32 array
        The components, numbered within the block.
    cores : Cores
    """
    cells, part = label_part(classes == CELL)
    regions, region_part = label_part((classes == CELL) | (classes == TOUCHING))
    region_of = np.zeros(part.count + 1, regions.dtype)
    core = cells > 0
    region_of[cells[core]] = regions[core]
    highest = np.full(part.count + 1, np.inf) if height is None else peaks(height, cells)
    return cells.astype(np.uint32), Cores(part, region_part, areas(cells), region_of, highest)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of the image, before touching pixels are given to them.

    Attributes
    ----------
    cores : Joined
        Components of class cell.
    number : (components + 1,) array
        Number of the cell that each component is, 1..count; 0 for those too small to be one.
    regions : Joined
    region_of : (count + 1,) integer array
        The region that each cell lies in.
    """

    cores: Components
    number: Labels
    regions: Components
    region_of: NDArray[np.int64]

    def table(self, block: int) -> Labels:
        """Number of the cell that each component 0, 1, … of a block is."""
        table: Labels = self.number[self.cores.table(block)]
        return table

    def has_cell(self) -> NDArray[np.bool_]:
        """Whether each region 0, 1, … has a cell."""
        has_cell = np.zeros(self.regions.count + 1, bool)
        has_cell[self.region_of[1:]] = True
        return has_cell


def join_cores(
    blocks: Blocks, cores: Callable[[int], Cores], *, min_core: int = 0, peak: float = 0
) -> Cells:
    """Join what `find_cores` found in all blocks.

    Parameters
    ----------
    blocks : Blocks
    cores : function
        number of a block → its `Cores`.
    min_core : int
        See `instances`.
    peak : float
        See `relief`.
    """
    check_sizes(0, min_core)
    components = join(blocks, lambda n: cores(n).cells)
    regions = join(blocks, lambda n: cores(n).regions)
    sizes = np.zeros(components.count + 1, np.int64)
    highest = np.full(components.count + 1, -np.inf)
    region_of_core = np.zeros(components.count + 1, np.int64)
    for block in range(len(blocks)):
        table, part = components.table(block), cores(block)
        np.add.at(sizes, table[1:], part.sizes[1:])
        np.maximum.at(highest, table[1:], part.peaks[1:])
        region_of_core[table[1:]] = regions.table(block)[part.region_of[1:]]
    is_cell = (sizes >= max(min_core, 1)) & (highest >= peak)
    is_cell[0] = False
    count = int(is_cell.sum())
    # never fewer than 32 bits: the numbers are those of the image on disk
    number = (np.cumsum(is_cell) * is_cell).astype(smallest_dtype(0, max(count, 2**16)))
    return Cells(components, number, regions, np.concatenate([[0], region_of_core[is_cell]]))


def cells_in(box: Box, blocks: Blocks, numbers: Read, cells: Cells) -> Labels:
    """Read the cells of a box: the `numbers` of each block, turned into numbers of the image."""
    result = np.zeros([s.stop - s.start for s in box], cells.number.dtype)
    for block in blocks.meeting(box):
        part = intersect(box, blocks.box(block))
        result[relative_to(part, box)] = look_up(cells.table(block), numbers(part))
    return result


def assign(
    block: int, blocks: Blocks, classes: NDArray[np.uint8], numbers: Read, cells: Cells
) -> Labels:
    """Give the touching pixels of a block to the cells nearest to them, as `instances` does.

    Parameters
    ----------
    block : int
    blocks : Blocks
    classes : (*S) uint8 array
        Of the block.
    numbers : function
        Any box of the image → what `find_cores` returned first for the blocks it meets.
    cells : Cells

    Returns
    -------
    (*S) uint32 or uint64 array
        Number of the cell of each pixel of the block.
    """
    box = blocks.box(block)
    around, padding = _grow_and_pad(box, REACH, blocks.shape)
    surroundings = np.pad(cells_in(around, blocks, numbers, cells), padding)
    interior = tuple(slice(REACH, n - REACH) for n in surroundings.shape)
    labels = surroundings[interior].copy()
    cell_or_touching = (classes == CELL) | (classes == TOUCHING)
    touching = cell_or_touching & (labels == 0)  # and components of class cell that are too small
    if not touching.any():
        return labels
    local, _ = label_part(cell_or_touching)
    region = cells.regions.table(block)[local[touching]]
    reachable = cells.has_cell()[region]
    touching[touching] = reachable
    region = region[reachable]
    everywhere = np.zeros(surroundings.shape, bool)
    everywhere[interior] = touching
    owner, is_near = nearest_cell(surroundings, np.flatnonzero(everywhere), region, cells.region_of)
    if not is_near.all():
        far_pixels = np.column_stack(
            [np.argwhere(touching)[~is_near] + [s.start for s in box], region[~is_near]]
        )
        read = partial(cells_in, blocks=blocks, numbers=numbers, cells=cells)
        owner[~is_near] = nearest_far(far_pixels, blocks, read, cells.region_of)
    labels[touching] = owner
    return labels


def flood_block(
    block: int,
    blocks: Blocks,
    seeds: Read,
    elevation: Read,
    numbers: Read,
    cells: Cells,
    *,
    halo: int,
    background_as: BackgroundAs = "marker",
) -> Labels:
    """Flood a block and a halo around it from the cells' markers, as `decode.watershed.flood` does.

    Parameters
    ----------
    block : int
    blocks : Blocks
    seeds, elevation : functions
        Any box of the image → what `decode.watershed_elevation` returns for it.
    numbers : function
        Any box of the image → what `find_cores` returned first for the blocks it meets.
    cells : Cells
        As `join_cores` found them: a marker is numbered in the whole image, so that no cell is cut
        at a seam.
    halo : int
        Pixels around the block that are flooded with it, 0 or more: the size of a cell.
    background_as : {"marker", "mask"}

    Returns
    -------
    (*S) uint32 or uint64 array
        Number of the cell of each pixel of the block.

    Notes
    -----
    Guarantee: undecided pixels that are connected by faces flood each other, and nothing else does.
    Those of a component of them that lies with its face neighbours within the block and its halo
    get the cell that the whole image gives. A longer component may be divided otherwise; marked
    pixels, in blocks of any size and with no halo at all, keep the cell they have in the whole
    image.
    """
    if halo < 0:
        raise ValueError(f"halo must be 0 or more, not {halo}")
    box = blocks.box(block)
    around = grow(box, halo, blocks.shape)
    markers = cells_in(around, blocks, numbers, cells)
    number_table, run, length = runs(markers)
    if number_table[0] > 0:  # 0 is to stay "no marker"
        number_table, run = np.concatenate([np.zeros(1, number_table.dtype), number_table]), run + 1
    local = np.repeat(run.astype(np.int32), length).reshape(markers.shape)
    basins = flood_from(local, seeds(around), elevation(around), background_as=background_as)
    return look_up(number_table, basins[relative_to(box, around)])


@dataclass(frozen=True, eq=False)
class Survey:
    """What a labelled block tells of its background and its cells: see `survey`.

    Attributes
    ----------
    background : Part
        Components of the background, over faces, edges and corners.
    sides : tuple of arrays
        Labels on the sides of the block, as `components.sides` returns them.
    lowest, highest : (components + 1,) arrays
        Lowest and highest cell among the face neighbours, within the block, of each component.
    open : (components + 1,) bool array
        Whether it reaches the border of the image.
    sizes : (components + 1,) int64 array
    cells : (n,) array
        The cells that have pixels in the block.
    areas : (n,) int64 array
        How many.
    """

    background: Part
    sides: tuple[Labels, ...]
    lowest: Labels
    highest: Labels
    open: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    cells: Labels
    areas: NDArray[np.int64]


def survey(labels: Labels, box: Box, shape: Sequence[int]) -> Survey:
    """Measure what filling holes and dropping small cells takes.

    Parameters
    ----------
    labels : (*S) unsigned integer array
        Of the block.
    box : tuple of slice
        Where it lies in the image.
    shape : tuple of int
        Of the image.
    """
    regions, part = label_part(labels == 0, diagonal=True)
    lowest, highest = contacts(labels, regions, part.count)
    outer = [
        (axis, end)
        for axis, end in border_sides(shape)
        if (box[axis].start == 0 if end == 0 else box[axis].stop == shape[axis])
    ]
    cells, run, length = runs(labels)
    counts = np.zeros(len(cells), np.int64)
    np.add.at(counts, run, length)
    return Survey(
        background=part,
        sides=sides(labels),
        lowest=lowest,
        highest=highest,
        open=on_border(regions, part.count, outer),
        sizes=areas(regions),
        cells=cells[cells > 0],
        areas=counts[cells > 0],
    )


@dataclass(frozen=True, eq=False)
class Finish:
    """How the labels of the image end: see `join_surveys`.

    Attributes
    ----------
    background : Joined
    fill : (components + 1,) array
        The cell that each component of the background is a hole of, else 0.
    number : (cells + 1,) array
        Final number of each cell, 1..n; 0 for those dropped.
    """

    background: Components
    fill: Labels
    number: Labels

    @property
    def count(self) -> int:
        """Number of cells."""
        return int(self.number.max(initial=0))

    def table(self, block: int) -> Labels:
        """The cell that each background component 0, 1, … of a block is a hole of, else 0."""
        table: Labels = self.fill[self.background.table(block)]
        return table


def join_surveys(
    blocks: Blocks, surveys: Callable[[int], Survey], *, cells: int, min_size: int = 0
) -> Finish:
    """Decide which holes are filled, which cells dropped, and number the others.

    Parameters
    ----------
    blocks : Blocks
    surveys : function
        number of a block → its `Survey`.
    cells : int
        Number of cells.
    min_size : int
        See `instances`.
    """
    check_sizes(min_size, 0)
    components = join(blocks, lambda n: surveys(n).background, diagonal=True)
    dtype = smallest_dtype(0, max(cells, 2**16))
    lowest = np.full(components.count + 1, np.iinfo(dtype).max, dtype)
    highest = np.zeros(components.count + 1, dtype)
    is_open = np.zeros(components.count + 1, bool)
    sizes = np.zeros(components.count + 1, np.int64)
    area = np.zeros(cells + 1, np.int64)
    for block in range(len(blocks)):
        part, table = surveys(block), components.table(block)
        np.minimum.at(lowest, table, part.lowest)
        np.maximum.at(highest, table, part.highest)
        np.logical_or.at(is_open, table, part.open)
        np.add.at(sizes, table, part.sizes)
        area[part.cells] += part.areas

    def background(number: int, index: int) -> Labels:
        return components.table(number)[surveys(number).background.planes[index]]

    facing_planes = zip(
        cuts(blocks, background), cuts(blocks, lambda n, i: surveys(n).sides[i]), strict=True
    )
    for (low_region, high_region), (low, high) in facing_planes:
        add_contacts(lowest, highest, low_region, high)
        add_contacts(lowest, highest, high_region, low)

    fill = np.where((lowest == highest) & ~is_open, highest, 0)
    fill[0] = 0
    np.add.at(area, fill, sizes)
    is_cell = area >= max(min_size, 1)
    is_cell[0] = False
    number = np.cumsum(is_cell) * is_cell
    return Finish(components, fill, number.astype(smallest_dtype(0, int(number.max(initial=0)))))


def finish(block: int, labels: Labels, result: Finish) -> Labels:
    """Fill the holes of a labelled block and give its cells their final numbers."""
    fill = result.table(block)
    if fill.any():
        regions, _ = label_part(labels == 0, diagonal=True)
        labels = np.where(regions > 0, look_up(fill, regions), labels)
    return look_up(result.number, labels)


def _grow_and_pad(
    box: Box, margin: int, shape: Sequence[int]
) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """A box with a margin, cut at the borders of the image, and how much each side lost."""
    around = grow(box, margin, shape)
    padding = [
        (margin - (s.start - a.start), margin - (a.stop - s.stop))
        for s, a in zip(box, around, strict=True)
    ]
    return around, padding
