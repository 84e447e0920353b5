"""A slow ray tracer of rooms, written from the geometry alone: the oracle of envs/rooms/camera.

It works in the world's frame, in three dimensions, one frame at a time: every ray is intersected with every face of
every solid cell, every flat picture, every post and beam, the floor, the ceiling and the plane of the haze, and the
nearest intersection wins. It knows no columns, no order of cells and no tables.

Shared with the camera: the constants of geometry.py (eye, field of view, range), the colours of looks.py as functions
of a point on a surface, the size of a held picture, and the rule that a pixel's colour is the mean over 3 x 3 points
(those a third of a pixel apart) of the surface that the pixel's centre sees.
"""

import numpy as np

from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera import geometry, looks
from senseweave.envs.rooms.camera.bake import HELD_SIZE, SMOOTHED_UP_TO_PX
from senseweave.envs.rooms.state import RoomsState

FORWARD = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float64)
PICTURES = {codes.KEY: looks.key, codes.BALL: looks.ball, codes.BOX: looks.box}


class Nearest:
    """The nearest surface so far at each pixel, and a way to paint it."""

    def __init__(self, rays: np.ndarray) -> None:
        self.rays = rays  # n 3: per unit of depth
        self.depth = np.full(len(rays), np.inf)
        self.surface = np.full(len(rays), -1)
        self.painters = []

    def offer(self, depth: np.ndarray, is_hit: np.ndarray, painter) -> None:
        wins = is_hit & (depth > 0) & (depth < self.depth)
        self.depth = np.where(wins, depth, self.depth)
        self.surface = np.where(wins, len(self.painters), self.surface)
        self.painters.append(painter)


def trace(
    state: RoomsState, row: int, grid: tuple[int, int], image: tuple[int, int], has_heights: bool = False
) -> np.ndarray:
    """The frame of one environment, uint8 (h, w, 3); short and tall things are ordinary without `has_heights`."""
    (grid_height, grid_width), (image_height, image_width) = grid, image
    cells = state.cells[row].numpy().reshape(grid_height, grid_width)
    forward = FORWARD[int(state.heading[row])]
    right = np.array([-forward[1], forward[0]])
    y, x = divmod(int(state.agent_cell[row]), grid_width)
    eye = np.array([x, y], np.float64) - geometry.EYE_BACK * forward
    step = 2 * np.tan(np.pi / 6) / image_width  # of a pixel, per unit of depth

    def direction(aside: np.ndarray, up: np.ndarray) -> np.ndarray:
        return np.concatenate([forward + aside[:, None] * right, up[:, None]], axis=1)

    pixel_y, pixel_x = (place.reshape(-1) for place in np.indices((image_height, image_width)))
    aside = (pixel_x - (image_width - 1) / 2) * step
    up = ((image_height - 1) / 2 - pixel_y) * step
    offsets = (-1, 0, 1) if image_width <= SMOOTHED_UP_TO_PX else (0,)
    around = [(dx * step / 3, dy * step / 3) for dx in offsets for dy in offsets]
    nearest = Nearest(direction(aside, up))
    origin = np.array([*eye, geometry.EYE_HEIGHT])

    def plane(normal: np.ndarray, level: float, rays: np.ndarray) -> np.ndarray:
        """Depth at which rays meet a plane, infinite where they run along it."""
        speed = rays @ normal
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (level - origin @ normal) / speed
        return np.where(speed == 0, np.inf, depth)

    def smooth(colour_of) -> object:
        """A painter that takes the mean of a colour over the points around each pixel's centre."""

        def painter(which: np.ndarray, depth: np.ndarray) -> np.ndarray:
            rays = [direction(aside[which] + dx, up[which] + dy) for dx, dy in around]
            return np.mean([colour_of(one, depth) for one in rays], axis=0)

        return painter

    def ground(texture, level: float) -> None:
        normal = np.array([0.0, 0.0, 1.0])
        depth = plane(normal, level, nearest.rays)

        def colour_of(rays: np.ndarray, _: np.ndarray) -> np.ndarray:
            far = plane(normal, level, rays)
            point = origin + far[:, None] * rays
            return looks.hazed(texture(point[:, 0], point[:, 1]), np.minimum(far, geometry.FAR))

        nearest.offer(depth, np.isfinite(depth), smooth(colour_of))

    def solid(cell_x: int, cell_y: int, kind: int, colour: int, opening: int) -> None:
        for face, outward in enumerate(FORWARD):
            normal = np.array([*outward, 0.0])
            centre = np.array([cell_x, cell_y, 0.5]) + 0.5 * normal
            rightward = np.array([outward[1], -outward[0], 0.0])  # of somebody who looks at the face
            level = centre @ normal
            depth = plane(normal, level, nearest.rays)

            def uv(rays: np.ndarray, normal=normal, level=level, centre=centre, rightward=rightward):
                far = plane(normal, level, rays)
                point = np.where(np.isfinite(far), far, 0.0)[:, None] * rays + origin - centre
                return point @ rightward + 0.5, point[:, 2] + 0.5

            def colour_of(rays: np.ndarray, depth: np.ndarray, face=face, outward=outward, uv=uv) -> np.ndarray:
                u, height = (np.clip(part, 0.0, 1.0) for part in uv(rays))
                if kind == codes.WALL:
                    return looks.hazed(looks.wall(face, u, height), depth)
                shade = 1.0 if outward @ forward == -1 else 0.8
                paint = looks.door(looks.PAINT[colour], opening == codes.LOCKED, u, height)
                return looks.hazed(paint, depth) * shade

            u, height = uv(nearest.rays)
            is_hit = (np.abs(u - 0.5) <= 0.5) & (np.abs(height - 0.5) <= 0.5) & (nearest.rays @ normal < 0)
            nearest.offer(depth, is_hit, smooth(colour_of))

    def flat(cell_x: int, cell_y: int, kind: int, colour: int, height: float) -> None:
        normal = np.array([*forward, 0.0])
        half_width, half_height = looks.OBJECT_SIZE / 2, height / 2
        centre = np.array([cell_x, cell_y, half_height])
        level = centre @ normal
        depth = plane(normal, level, nearest.rays)

        def picture(rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            point = plane(normal, level, rays)[:, None] * rays + origin - centre
            u, v = point @ np.array([*right, 0.0]) / half_width, point[:, 2] / half_height
            return PICTURES[kind](looks.PAINT[colour], u, v)

        def painter(which: np.ndarray, depth: np.ndarray) -> np.ndarray:
            parts = [picture(direction(aside[which] + dx, up[which] + dy)) for dx, dy in around]
            inside, colours = np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])
            mean = (colours * inside[..., None]).sum(0) / inside.sum(0)[:, None]
            return looks.hazed(mean, depth)

        nearest.offer(depth, picture(nearest.rays)[0], painter)

    def slab(low: np.ndarray, high: np.ndarray, colour: int) -> None:
        """A post or a beam: six faces, each shaded by its direction relative to the viewer."""
        for axis in range(3):
            for level in (low[axis], high[axis]):
                normal = np.eye(3)[axis]
                depth = plane(normal, level, nearest.rays)
                point = np.where(np.isfinite(depth), depth, 0.0)[:, None] * nearest.rays + origin
                others = [other for other in range(3) if other != axis]
                is_hit = np.isfinite(depth)
                for other in others:
                    is_hit = is_hit & (point[:, other] >= low[other]) & (point[:, other] <= high[other])
                shade = 2 if axis == 2 else 0 if abs(forward[axis]) == 1 else 1
                paint = looks.door_frame(looks.PAINT[colour], np.array(shade))
                nearest.offer(depth, is_hit, lambda _, depth, paint=paint: looks.hazed(paint, depth))

    def door_frame(cell_x: int, cell_y: int, colour: int) -> None:
        thick, half = looks.POST, 0.5
        sides = ((-half, thick - half), (half - thick, half))
        beams = [(side, (-half, half)) for side in sides] + [((-half, half), side) for side in sides]
        for (x0, x1), (y0, y1), z0 in [(a, b, 0.0) for a in sides for b in sides] + [
            (a, b, looks.BEAM_HEIGHT) for a, b in beams
        ]:
            slab(np.array([cell_x + x0, cell_y + y0, z0]), np.array([cell_x + x1, cell_y + y1, 1.0]), colour)

    ground(looks.floor, 0.0)
    ground(looks.ceiling, 1.0)
    haze = np.full(len(aside), geometry.FAR)
    nearest.offer(haze, np.ones(len(haze), bool), lambda _, depth: np.tile(looks.HAZE_COLOUR, (len(depth), 1)))
    for cell_y in range(grid_height):
        for cell_x in range(grid_width):
            code = int(cells[cell_y, cell_x])
            kind, colour, opening = code // 18, code // 3 % 6, code % 3
            if kind == codes.WALL or (kind == codes.DOOR and opening != codes.OPEN):
                solid(cell_x, cell_y, kind, colour, opening)
            elif kind == codes.DOOR:
                door_frame(cell_x, cell_y, colour)
            elif kind in PICTURES:
                flat(cell_x, cell_y, kind, colour, looks.OBJECT_HEIGHTS[opening if has_heights else codes.ORDINARY])

    colour = np.zeros((len(aside), 3))
    for number, painter in enumerate(nearest.painters):
        which = np.flatnonzero(nearest.surface == number)
        if len(which):
            colour[which] = painter(which, nearest.depth[which])
    frame = np.floor(colour + 0.5).astype(np.uint8).reshape(image_height, image_width, 3)
    if state.carried[row] >= 0:
        _hold(frame, state, row, around, step)
    return frame


def _hold(frame: np.ndarray, state: RoomsState, row: int, around: list[tuple[float, float]], step: float) -> None:
    """Draws what the agent carries over a frame: a square at the bottom, in the middle."""
    height, width = frame.shape[:2]
    slot = int(state.carried[row])
    picture = PICTURES[int(state.object_kind[row, slot])]
    paint = looks.PAINT[int(state.object_colour[row, slot])]
    size = max(4, round(HELD_SIZE * min(height, width)))
    for y in range(height - size, height):
        for x in range((width - size) // 2, (width - size) // 2 + size):
            u = 2 * (x - (width - size) // 2 + 0.5) / size - 1
            v = 1 - 2 * (y - (height - size) + 0.5) / size
            if picture(paint, np.array([u]), np.array([v]))[0][0]:
                points = [(u + dx / step * 2 / size, v - dy / step * 2 / size) for dx, dy in around]
                parts = [picture(paint, np.array([a]), np.array([b])) for a, b in points]
                frame[y, x] = np.floor(np.mean([colour[0] for inside, colour in parts if inside[0]], axis=0) + 0.5)
