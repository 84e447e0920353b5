"""Where the camera stands and which cells each image column's ray crosses, in order: the geometry, and no colours.

Everything is in the agent's own frame: `f` cells forward of the agent's cell, `r` cells to its right, heights from the
floor (0) to the ceiling (1). Depth is measured along the looking direction from the eye, which stands behind the
cell's centre. Float64 numpy, run once when tables are baked.
"""

import dataclasses
import math

import numpy as np

HALF_VIEW = 1.0 / math.sqrt(3.0)
"""Tangent of half the horizontal field of view, which is 60 degrees. Pixels are square."""
EYE_BACK = 0.45
"""How far behind the cell's centre the eye stands, in cells: a thing 0.8 wide right ahead takes half of the frame."""
EYE_HEIGHT = 0.5502347
"""Not a round number, so that no pixel's ray meets an edge exactly and rounding decides nothing."""
RANGE = 8
"""Rows of cells ahead that are drawn; beyond them is haze."""
FAR = RANGE + 0.5 + EYE_BACK
"""Depth of the haze."""
FRONT, RIGHTWARD, LEFTWARD, OWN = range(4)
"""How a ray came into a cell: through the face towards the viewer, moving right, moving left, or it began there."""
HAZE = 62
"""Number of the haze among the cells that a ray meets; cells have lower numbers, and all fit the bits of an int64."""


def ego_cells() -> list[tuple[int, int]]:
    """All (f, r) that any ray within the field of view can cross; a ray meets them in this order."""
    cells = []
    for f in range(RANGE + 1):
        reach = math.floor((f + 0.5 + EYE_BACK) * HALF_VIEW + 0.5)
        cells += sorted(((f, r) for r in range(-reach, reach + 1)), key=lambda cell: (abs(cell[1]), cell[1]))
    return cells


def middle_columns(image_width: int) -> np.ndarray:
    """For each of `ego_cells()`, the image column that shows its middle, -1 where none does; as long as HAZE + 1."""
    f, r = np.array(ego_cells()).T
    column = np.floor(r / (f + EYE_BACK) * focal_px(image_width) + image_width / 2).astype(np.int64)
    columns = np.full(HAZE + 1, -1, np.int64)
    columns[: len(column)] = np.where((column >= 0) & (column < image_width), column, -1)
    return columns


@dataclasses.dataclass(frozen=True)
class Crossings:
    """Every pair of an image column and a thing that its ray can meet: p of them.

    Attributes:
        column: of the image.
        cell: place in `ego_cells()`, or HAZE.
        f: forward coordinate of the cell.
        r: sideways coordinate of the cell.
        depth: where the ray enters the cell.
        entry: FRONT, RIGHTWARD, LEFTWARD or OWN.
    """

    column: np.ndarray
    cell: np.ndarray
    f: np.ndarray
    r: np.ndarray
    depth: np.ndarray
    entry: np.ndarray


def focal_px(image_width: int) -> float:
    """Pixels per unit of slope."""
    return image_width / 2 / HALF_VIEW


def slopes(pixels: int, image_width: int) -> np.ndarray:
    """Sideways (or downward) distance per unit of depth, at the centre of each of `pixels` columns (or rows)."""
    return (np.arange(pixels) + 0.5 - pixels / 2) / focal_px(image_width)


def crossings(image_width: int) -> Crossings:
    """Follows the ray of every column through the cells, and last into the haze."""
    number = {cell: place for place, cell in enumerate(ego_cells())}
    found = []
    for column, slope in enumerate(slopes(image_width, image_width)):
        side = 1 if slope > 0 else -1
        f = r = 0
        depth, entry = 0.0, OWN
        while f <= RANGE:
            found.append((column, number[f, r], f, r, depth, entry))
            ahead = f + 0.5 + EYE_BACK
            aside = (abs(r) + 0.5) / abs(slope) if slope else math.inf
            if ahead <= aside:
                f, depth, entry = f + 1, ahead, FRONT
            else:
                r, depth, entry = r + side, aside, RIGHTWARD if side > 0 else LEFTWARD
        found.append((column, HAZE, f, r, depth, FRONT))
    column, cell, f, r, depth, entry = (np.array(values) for values in zip(*found, strict=True))
    return Crossings(column, cell, f, r, depth, entry)
