"""`TopView`: one room from above, for people: walls, doors, objects, where the agent is and what it can see.

No agent is shown this. Plain numpy; pictures are uint8 (height, width, 3), RGB.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..camera.geometry import EYE_BACK, HALF_VIEW, RANGE
from ..camera.looks import PAINT
from ..codes import BALL, BOX, CLOSED, DOOR, EMPTY, FLOOR, KEY, LOCKED, OPEN, ORDINARY, SHORT, TALL, WALL, unpacked
from ..state import RoomsState
from .canvas import Picture

FLOOR_COLOUR, SEEN_COLOUR, WALL_COLOUR = (233, 230, 224), (243, 229, 190), (92, 95, 102)
INK, TARGET_COLOUR, AGENT_COLOUR = (32, 33, 36), (20, 150, 70), (214, 56, 92)
TRAIL_COLOUR = (232, 150, 168)
_PARTS = unpacked().numpy()
_SIZES = {ORDINARY: 1.0, SHORT: 0.65, TALL: 1.35}
"""How large things are drawn: from above nobody sees how high they are."""
_SHARPNESS = 4  # points a pixel's side, for smooth edges
_POINTS_A_CELL = 6  # where it is asked whether the agent sees them
_POINTS_A_CELL_OF_RAY = 8


class TopView:
    """Draws rooms of one size.

    Args:
        height: of the grid in cells.
        width: of the grid in cells.
        tile: side of a cell in pixels, at least 8.
    """

    def __init__(self, height: int, width: int, tile: int = 24) -> None:
        self.height, self.width, self.tile = height, width, tile
        self._tiles = np.stack([_tile(code, tile, FLOOR_COLOUR) for code in range(256)])
        self._seen_tiles = np.stack([_tile(code, tile, SEEN_COLOUR) for code in range(256)])

    def draw(
        self,
        state: RoomsState,
        row: int = 0,
        *,
        shows_target: bool = True,
        shows_view: bool = True,
        trail: Sequence[int] = (),
    ) -> Picture:
        """One environment of a batch.

        Args:
            state: the batch, on any device.
            row: which of its rooms.
            shows_target: whether corners mark what the instruction means.
            shows_view: whether what the agent can see is lit.
            trail: cells where the agent was, the first one first; a line joins them.

        Returns:
            (height * tile, width * tile, 3).
        """
        codes = state.cells[row].cpu().numpy().reshape(self.height, self.width)
        agent, heading = int(state.agent_cell[row]), int(state.heading[row])
        y, x = divmod(agent, self.width)
        picture = self._laid(self._tiles, codes)
        if shows_view:
            is_seen = self._seen(codes, x, y, heading)[..., None]
            picture = np.where(is_seen, self._laid(self._seen_tiles, codes), picture)
        if shows_target:
            is_target = state.is_target[row].cpu().numpy()
            for cell in state.object_cell[row].cpu().numpy()[is_target]:
                if cell >= 0:
                    _paint(self._at(picture, int(cell)), _corners(self.tile), TARGET_COLOUR)
        self._draw_trail(picture, trail)
        place = self._at(picture, agent)
        _paint(place, _arrow(self.tile, heading), AGENT_COLOUR)
        if state.carried[row] >= 0:  # in miniature, in a corner of the agent's cell
            small = max(6, self.tile * 2 // 5)
            place[-small - 1 : -1, -small - 1 : -1] = _tile(int(state.carried_code[row]), small, SEEN_COLOUR)
        return np.rint(picture).astype(np.uint8)

    def _laid(self, tiles: Float[np.ndarray, "_ _ _ 3"], codes: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "_ _ 3"]:
        return tiles[codes].swapaxes(1, 2).reshape(self.height * self.tile, self.width * self.tile, 3)

    def _draw_trail(self, picture: Float[np.ndarray, "_ _ 3"], trail: Sequence[int]) -> None:
        """A pale line from the middle of each cell to that of the next, which is the same or a neighbour."""
        half = max(1, self.tile // 12)
        for here, there in zip(trail, trail[1:], strict=False):
            (top, left), (bottom, right) = sorted(divmod(cell, self.width) for cell in (here, there))
            rows, columns = (
                slice(first * self.tile + self.tile // 2 - half, last * self.tile + self.tile // 2 + half)
                for first, last in ((top, bottom), (min(left, right), max(left, right)))
            )
            picture[rows, columns] = TRAIL_COLOUR

    def _at(self, picture: Float[np.ndarray, "_ _ 3"], cell: int) -> Float[np.ndarray, "_ _ 3"]:
        y, x = (part * self.tile for part in divmod(cell, self.width))
        return picture[y : y + self.tile, x : x + self.tile]

    def _seen(self, codes: UInt8[np.ndarray, "h w"], x: int, y: int, heading: int) -> Bool[np.ndarray, "_ _"]:
        """Pixels within the camera's field of view that no wall and no closed door hides."""
        forward = ((1, 0), (0, 1), (-1, 0), (0, -1))[heading]
        eye = np.array([x + 0.5 - EYE_BACK * forward[0], y + 0.5 - EYE_BACK * forward[1]])
        down, right = (
            (np.arange(count * _POINTS_A_CELL) + 0.5) / _POINTS_A_CELL for count in (self.height, self.width)
        )
        points = np.stack(np.meshgrid(right, down), axis=-1) - eye  # x, y from the eye
        depth = points @ np.array(forward)
        aside = points @ np.array([-forward[1], forward[0]])
        is_seen = (depth > 0) & (np.abs(aside) <= HALF_VIEW * depth) & (depth <= RANGE + 0.5 + EYE_BACK)
        kind, state = codes // 18, codes % 3
        hides = (kind == WALL) | ((kind == DOOR) & (state != OPEN))
        # A thing that hides what is behind it is seen itself: rays end just before the point's own cell.
        ends = points[is_seen]
        share = np.linspace(0.0, 1.0, RANGE * _POINTS_A_CELL_OF_RAY, endpoint=False)
        at = (eye + share[:, None, None] * ends).astype(int)
        own = (eye + ends).astype(int)
        is_hidden = (hides[at[..., 1], at[..., 0]] & (at != own).any(axis=-1)).any(axis=0)
        is_seen[is_seen] = ~is_hidden
        rows = np.arange(self.height * self.tile) * _POINTS_A_CELL // self.tile
        columns = np.arange(self.width * self.tile) * _POINTS_A_CELL // self.tile
        return is_seen[rows[:, None], columns]


def _grid(tile: int) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Coordinates of the points in a tile, -1..1, growing to the right and downwards."""
    count = tile * _SHARPNESS
    middle = (np.arange(count) + 0.5) / count * 2 - 1
    x, y = np.meshgrid(middle, middle)
    return x, y


def _cover(inside: Bool[np.ndarray, "n n"]) -> Float[np.ndarray, "tile tile"]:
    """How much of each pixel lies inside a shape."""
    tile = len(inside) // _SHARPNESS
    return inside.reshape(tile, _SHARPNESS, tile, _SHARPNESS).mean(axis=(1, 3))


def _paint(
    picture: Float[np.ndarray, "_ _ 3"], cover: Float[np.ndarray, "_ _"], colour: tuple[int, int, int] | np.ndarray
) -> None:
    """Lays a colour over a part of a picture, in place."""
    picture += cover[..., None] * (np.asarray(colour, np.float64) - picture)


def _tile(code: int, tile: int, floor: tuple[int, int, int]) -> Float[np.ndarray, "tile tile 3"]:
    """What a cell with this code looks like, on a floor of this colour."""
    kind, colour, state = (int(part) for part in _PARTS[code])
    out = np.full((tile, tile, 3), floor, np.float64)
    out[-1], out[:, -1] = 0.92 * out[0, 0], 0.92 * out[0, 0]
    if kind in (DOOR, KEY, BALL, BOX):
        paint = PAINT[colour]
        x, y = _grid(tile)
        size = 1.0 if kind == DOOR else _SIZES[state]
        outline, body, dark = _shapes(kind, state, x / size, y / size)
        _paint(out, _cover(outline), 0.35 * paint)
        _paint(out, _cover(body), paint)
        _paint(out, _cover(dark), 0.35 * paint)
    elif kind == WALL:
        out[:] = WALL_COLOUR
    elif kind not in (EMPTY, FLOOR):
        out[:] = INK
    return out


def _shapes(
    kind: int, state: int, x: Float[np.ndarray, "n n"], y: Float[np.ndarray, "n n"]
) -> tuple[Bool[np.ndarray, "n n"], Bool[np.ndarray, "n n"], Bool[np.ndarray, "n n"]]:
    """The outline of an object, its body, and dark parts on it."""
    edge = np.maximum(np.abs(x), np.abs(y))
    nowhere = np.zeros_like(x, dtype=bool)
    if kind == BALL:
        radius = np.hypot(x, y)
        return radius < 0.68, radius < 0.58, nowhere
    if kind == BOX:
        lid = (np.abs(y + 0.12) < 0.06) & (edge < 0.68)
        return edge < 0.68, edge < 0.58, lid | ((np.abs(x) < 0.1) & (np.abs(y + 0.05) < 0.16))
    if kind == KEY:
        radius = np.hypot(x, y + 0.4)

        def key(rim: float) -> Bool[np.ndarray, "n n"]:
            ring = (radius < 0.3 + rim) & (radius > 0.14 - rim)
            shaft = (np.abs(x) < 0.08 + rim) & (y > -0.15) & (y < 0.7 + rim)
            teeth = (x > 0) & (x < 0.34 + rim) & (np.minimum(np.abs(y - 0.6), np.abs(y - 0.32)) < 0.07 + rim)
            return ring | shaft | teeth

        return key(0.07), key(0.0), nowhere
    if state == OPEN:  # a frame
        return edge > 0.68, edge > 0.76, nowhere
    knob = np.hypot(x - 0.5, y) < 0.16 if state == CLOSED else nowhere
    hole = (np.hypot(x, y + 0.12) < 0.22) | ((np.abs(x) < 0.1) & (y > 0) & (y < 0.42)) if state == LOCKED else nowhere
    frame = (edge > 0.66) & (edge < 0.76)
    return edge < 2, edge < 0.92, frame | knob | hole


def _arrow(tile: int, heading: int) -> Float[np.ndarray, "tile tile"]:
    """A triangle that points where the agent looks."""
    x, y = _grid(tile)
    along, aside = ((x, y), (y, x), (-x, y), (-y, x))[heading]
    return _cover((along < 0.78) & (along > -0.66) & (np.abs(aside) < (0.78 - along) * 0.44))


def _corners(tile: int) -> Float[np.ndarray, "tile tile"]:
    """A square's four corners."""
    x, y = _grid(tile)
    far, near = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return _cover((far > 0.78) & (far < 0.96) & (near > 0.5))
