"""Bakes what every image column can show into strips, so that a frame is a choice of rows.

A strip is one column of pixels, H int32 numbers: red in the lowest byte, then green, blue, and in the highest byte how
near it is (0 for the background; 0 in all bytes where a strip is transparent). The larger of two such numbers is the
nearer pixel. One ray through a pixel's centre decides which surface is seen; the colour is the mean of the surface's
own colours at points around it.

p pairs of a column and a cell that its ray crosses
"""

import dataclasses
import functools
import itertools

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from .. import codes
from . import looks
from .geometry import (
    EYE_BACK,
    EYE_HEIGHT,
    FRONT,
    HAZE,
    OWN,
    RIGHTWARD,
    Crossings,
    crossings,
    ego_cells,
    focal_px,
    slopes,
)

HELD_SIZE = 0.27
"""Width of a carried object's picture, a share of the image's shorter side; it stands at the bottom, in the middle."""
NEAREST = 127
"""The highest byte of what the agent holds: nothing is nearer. Cells have 100 minus their number."""
SMOOTHED_UP_TO_PX = 160
"""Images wider than this are not smoothed: their pixels are small enough, and there are many of them."""

BLACK = np.zeros(3)


@dataclasses.dataclass(frozen=True)
class Strips:
    """Everything that a frame is made of, for one image size on one device.

    Attributes:
        background: strips of walls by heading, then of doors; see `background_row`.
        background_of: column * 64 + cell -> row of `background`, before the variant is added.
        background_add: heading * 256 + code of the cell -> what to add to that row.
        column_cells: the cells that a column's ray crosses, as bits, and the haze's bit.
        pictures: strips of objects and open doors; row 0 is transparent.
        pictures_of: column * 64 + cell -> row of `pictures`, before the variant is added; 0 where none can be seen.
        pictures_add: code of the cell -> what to add.
        picture_cells: the cells whose object or open door can show in a column, as bits.
        most_pictures: the largest number of them in one column.
        held: code -> the pixels of a carried object, all at once: (256, w, h), transparent for other codes.
        held_left: the image column where those pixels begin.
        held_top: the image row where they begin.
    """

    background: Int[Tensor, "strips height"]
    background_of: Int[Tensor, " pairs"]
    background_add: Int[Tensor, " variants"]
    column_cells: Int[Tensor, " width"]
    pictures: Int[Tensor, "pictures height"]
    pictures_of: Int[Tensor, " pairs"]
    pictures_add: Int[Tensor, "256"]
    picture_cells: Int[Tensor, " width"]
    most_pictures: int
    held: Int[Tensor, "256 held_width held_height"]
    held_left: int
    held_top: int


class _Painter:
    """Colours of surfaces as pixels of an image of one size."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.focal = focal_px(width)
        self.rays = crossings(width)
        self.across, self.down = slopes(width, width), slopes(height, width)
        offsets = (-1 / 3, 0.0, 1 / 3) if width <= SMOOTHED_UP_TO_PX else (0.0,)
        self.samples = [(x / self.focal, y / self.focal) for x in offsets for y in offsets]

    def ground(self) -> np.ndarray:
        """Floor and ceiling of every pixel, as if nothing stood on it. Shape (w, h, 3)."""
        total = np.zeros((self.width, self.height, 3))
        is_floor = (self.down > 0)[None, :, None]
        for right, low in self.samples:
            down = np.where(self.down > 0, np.maximum(self.down + low, 1e-3), np.minimum(self.down + low, -1e-3))
            depth = np.where(down > 0, EYE_HEIGHT, EYE_HEIGHT - 1.0) / down
            x = (self.across + right)[:, None] * depth
            y = np.broadcast_to(depth - EYE_BACK, x.shape)
            colour = np.where(is_floor, looks.floor(x, y), looks.ceiling(x, y))
            total = total + looks.hazed(colour, np.minimum(depth, looks.FAR))
        return total / len(self.samples)

    def faces(self, rays: Crossings, colour_of) -> np.ndarray:
        """The faces through which rays enter cells, as high as the image. Shape (p, h, 3)."""
        total = np.zeros((len(rays.column), self.height, 3))
        slope = self.across[rays.column]
        side = np.where(rays.entry == RIGHTWARD, rays.r - 0.5, rays.r + 0.5)
        for right, low in self.samples:
            is_front = (rays.entry == FRONT) | (rays.entry == OWN)
            # A side face is met where the ray has gone that far aside; a front face at a depth.
            depth = np.where(is_front, rays.depth, side / np.where(is_front, 1.0, slope + right))
            u = np.where(
                is_front,
                (slope + right) * depth - (rays.r - 0.5),
                np.where(rays.entry == RIGHTWARD, 1.0, -1.0) * (rays.f - (depth - EYE_BACK)) + 0.5,
            )
            height = EYE_HEIGHT - (self.down + low)[None] * depth[:, None]
            u = np.broadcast_to(np.clip(u, 0.0, 1.0)[:, None], height.shape)
            total = total + looks.hazed(colour_of(u, np.clip(height, 0.0, 1.0)), rays.depth[:, None])
        return total / len(self.samples)

    def is_wall(self, rays: Crossings) -> np.ndarray:
        """Where something from floor to ceiling hides what is behind it. Shape (p, h)."""
        height = EYE_HEIGHT - self.down[None] * rays.depth[:, None]
        return (height >= 0.0) & (height <= 1.0)

    def flat(
        self, picture, paint: np.ndarray, u: np.ndarray, v: np.ndarray, step: float | np.ndarray, stretch: float = 1.0
    ):
        """A picture at points u, v (w, h); `step` is the distance in u of pixels. Shapes (w, h) and (w, h, 3).

        `stretch` is how much higher than wide the picture is.
        """
        inside, _ = picture(paint, u, v)
        total, count = 0.0, 0.0
        for right, low in self.samples:
            here, colour = picture(paint, u + right * self.focal * step, v - low * self.focal * step / stretch)
            here = here & inside
            total, count = total + np.where(here[..., None], colour, 0.0), count + here
        return inside, total / np.maximum(count, 1)[..., None]


def packed(colour: np.ndarray, near: int | np.ndarray = 0) -> np.ndarray:
    """Colours 0..255 and a highest byte as int32."""
    byte = np.floor(np.clip(colour, 0.0, 255.0) + 0.5).astype(np.int32)
    return byte[..., 0] | byte[..., 1] << 8 | byte[..., 2] << 16 | np.int32(near) << 24


def _outward(entry: np.ndarray, heading: int) -> np.ndarray:
    """The direction that the entered face looks to."""
    return (heading + np.where(entry == FRONT, 2, np.where(entry == RIGHTWARD, 3, 1))) % 4


def _background(painter: _Painter) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The strips, the row of every (column, cell), and what a heading and a code add to it."""
    rays = painter.rays
    count = len(rays.column)
    ground = painter.ground()[rays.column]
    solid = painter.is_wall(rays)[..., None]
    is_haze = (rays.cell == HAZE)[:, None, None]
    walls = [painter.faces(rays, functools.partial(looks.wall, face)) for face in range(4)]
    blocks = []
    for heading in range(4):
        outward = _outward(rays.entry, heading)[:, None, None]
        wall = np.select([outward == face for face in range(4)], walls)
        wall = np.where(is_haze, looks.HAZE_COLOUR, wall)
        blocks.append(packed(np.where(solid, wall, ground)))
    add = np.zeros((4, 256), np.int64)
    add += np.arange(4)[:, None] * count
    side = np.where(rays.entry == FRONT, 1.0, 0.8)[:, None, None]
    for is_locked in (False, True):
        bare, white = (painter.faces(rays, functools.partial(looks.door, p, is_locked)) for p in (BLACK, BLACK + 1.0))
        for colour, paint in enumerate(looks.PAINT):
            add[:, codes.pack(codes.DOOR, colour, codes.LOCKED if is_locked else codes.CLOSED)] = len(blocks) * count
            blocks.append(packed(np.where(solid, (bare + (white - bare) * paint) * side, ground)))
    row_of = np.zeros((painter.width, 64), np.int64)
    row_of[rays.column, rays.cell] = np.arange(count)
    return np.concatenate(blocks), row_of.reshape(-1), add.reshape(-1)


def _frames(painter: _Painter, rays: Crossings) -> tuple[np.ndarray, np.ndarray]:
    """An open door in each cell: the side of a post or beam that is seen, or -1, and its depth. Shapes (p, h)."""
    post, half = looks.POST, 0.5
    spans = [(-half, -half + post), (half - post, half)]
    bars = [(f, r, (0.0, 1.0)) for f in spans for r in spans]
    bars += [(f, (-half, half), (looks.BEAM_HEIGHT, 1.0)) for f in spans]
    bars += [((-half, half), r, (looks.BEAM_HEIGHT, 1.0)) for r in spans]
    slope, down = painter.across[rays.column][:, None], painter.down[None]
    nearest = np.full((len(rays.column), painter.height), np.inf)
    axis = np.full(nearest.shape, -1)
    with np.errstate(divide="ignore"):
        for f, r, h in bars:
            # Depths at which the ray is between each pair of the bar's planes: it is inside between all three.
            enter, leave = [], []
            for low, high, speed, start in (
                (f[0] + rays.f, f[1] + rays.f, np.ones_like(slope), -EYE_BACK),
                (r[0] + rays.r, r[1] + rays.r, slope, 0.0),
                (h[0], h[1], -down, EYE_HEIGHT),
            ):
                low, high = np.reshape(low, (-1, 1)), np.reshape(high, (-1, 1))
                one, other = (low - start) / speed, (high - start) / speed
                enter.append(np.broadcast_to(np.minimum(one, other), nearest.shape))
                leave.append(np.broadcast_to(np.maximum(one, other), nearest.shape))
            begin, end = np.maximum.reduce(enter), np.minimum.reduce(leave)
            is_met = (begin <= end) & (begin > 0.0) & (begin < nearest)
            nearest = np.where(is_met, begin, nearest)
            axis = np.where(is_met, np.argmax(enter, axis=0), axis)
    return axis, nearest


def _pictures(painter: _Painter, has_heights: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The strips of objects and open doors, the row of every (column, cell), and what a code adds to it."""
    rays = painter.rays
    size = looks.OBJECT_SIZE
    depth = rays.f + EYE_BACK  # of the middle of the cell
    u = (painter.across[rays.column] * depth - rays.r) / (size / 2)
    above = EYE_HEIGHT - painter.down[None] * depth[:, None]  # the floor
    u = np.broadcast_to(u[:, None], above.shape)
    is_object = (rays.cell != HAZE)[:, None] & (rays.f > 0)[:, None]
    axis, bar_depth = _frames(painter, rays)
    axis[rays.cell == HAZE] = -1
    shown = (axis >= 0).any(1) | (is_object & (np.abs(u) <= 1.0)).any(1)

    def kept(values: np.ndarray) -> np.ndarray:
        return values[shown]

    near = 100 - kept(rays.cell)[:, None]
    step = kept(depth)[:, None] / painter.focal / (size / 2)
    blocks, add = [], np.zeros(256, np.int64)
    pictures = list(zip((codes.KEY, codes.BALL, codes.BOX), looks.PICTURES, strict=True))
    heights = looks.OBJECT_HEIGHTS if has_heights else (size,)
    for (kind, picture), (number, height) in itertools.product(pictures, enumerate(heights)):
        v = kept((above - height / 2) / (height / 2))
        inside, bare = painter.flat(picture, BLACK, kept(u), v, step, height / size)
        gain = painter.flat(picture, BLACK + 1.0, kept(u), v, step, height / size)[1] - bare
        for colour, paint in enumerate(looks.PAINT):
            pixels = packed(looks.hazed(bare + gain * paint, kept(depth)[:, None]), near)
            for state in (number,) if has_heights else range(3):
                add[codes.pack(kind, colour, state)] = len(blocks) * shown.sum()
            blocks.append(np.where(inside & kept(is_object), pixels, 0))
    for colour, paint in enumerate(looks.PAINT):
        pixels = looks.door_frame(paint, np.maximum(kept(axis), 0))
        pixels = packed(looks.hazed(pixels, np.where(kept(axis) >= 0, kept(bar_depth), 0.0)), near)
        add[codes.pack(codes.DOOR, colour, codes.OPEN)] = len(blocks) * shown.sum()
        blocks.append(np.where(kept(axis) >= 0, pixels, 0))
    row_of = np.zeros((painter.width, 64), np.int64)
    row_of[rays.column[shown], rays.cell[shown]] = 1 + np.arange(shown.sum())
    return np.concatenate([np.zeros((1, painter.height), np.int32), *blocks]), row_of.reshape(-1), add


def _held(painter: _Painter) -> tuple[np.ndarray, int, int]:
    """The pictures of carried objects by code, and the column and row where they begin."""
    size = max(4, round(HELD_SIZE * min(painter.height, painter.width)))
    left, top = (painter.width - size) // 2, painter.height - size
    place = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    u, v = np.broadcast_to(place[:, None], (size, size)), np.broadcast_to(-place[None], (size, size))
    held = np.zeros((256, size, size), np.int32)
    for kind, picture in zip((codes.KEY, codes.BALL, codes.BOX), looks.PICTURES, strict=True):
        for colour, paint in enumerate(looks.PAINT):
            inside, pixels = painter.flat(picture, paint, u, v, 2.0 / size)
            held[codes.pack(kind, colour)] = np.where(inside, packed(pixels, NEAREST), 0)
    return held, left, top


@functools.lru_cache(maxsize=8)
def strips(image_height: int, image_width: int, device: torch.device, has_heights: bool = False) -> Strips:
    """Bakes all strips of one image size; they do not depend on the room.

    Without `has_heights` short and tall objects look as ordinary ones do, and take no memory.
    """
    painter = _Painter(image_height, image_width)
    background, background_of, background_add = _background(painter)
    pictures, pictures_of, pictures_add = _pictures(painter, has_heights)
    held, held_left, held_top = _held(painter)
    bits = np.int64(1) << np.arange(64, dtype=np.int64)
    column_cells = np.zeros(image_width, np.int64)
    np.bitwise_or.at(column_cells, painter.rays.column, bits[painter.rays.cell])
    can_show = pictures_of.reshape(image_width, 64) > 0
    picture_cells = np.where(can_show, bits, 0).sum(1)

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return Strips(
        background=put(background),
        background_of=put(background_of),
        background_add=put(background_add),
        column_cells=put(column_cells),
        pictures=put(pictures),
        pictures_of=put(pictures_of),
        pictures_add=put(pictures_add),
        picture_cells=put(picture_cells),
        most_pictures=int(can_show.sum(1).max()),
        held=put(held),
        held_left=held_left,
        held_top=held_top,
    )


@functools.lru_cache(maxsize=16)
def seen_cells(height: int, width: int, device: torch.device) -> Int[Tensor, "poses 63"]:
    """Row = cell * 4 + heading -> the cells in front of the camera; outside of the grid, and beyond them, cell 0."""
    forward_x, forward_y = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])
    f, r = np.array(ego_cells()).T
    y, x, heading = (values.reshape(-1, 1) for values in np.indices((height, width, 4)))
    right = (heading + 1) % 4
    x = x + f * forward_x[heading] + r * forward_x[right]
    y = y + f * forward_y[heading] + r * forward_y[right]
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    table = np.zeros((height * width * 4, HAZE + 1), np.int64)
    table[:, : len(f)] = np.where(is_inside, y * width + x, 0)
    return torch.from_numpy(table).to(device)
