"""`RoomsCamera`: what the agent sees, as first-person frames; a pure function of the state, made of baked strips.

b environments, c cells, k cells in front of the camera, w image columns, h image rows
"""

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from ....perception.checks import require_whole
from ....perception.errors import ObservationError
from .. import codes
from ..state import RoomsState
from .bake import Strips, seen_cells, strips
from .geometry import HAZE, middle_columns

CHUNK_BYTES = 2**21
"""On a CPU frames are made in parts of about this size, which stay in the cache."""


def _lowest(bits: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest bit that is set, alone, and its number: the exponent of a float64, which is exact."""
    low = bits & -bits
    return low, (low.to(torch.float64).view(torch.int64) >> 52) - 1023


class RoomsCamera:
    """Renders a batch of rooms as the agents see them: 60 degrees wide, RGB.

    Args:
        height: of the rooms' grid, in cells, 3..128.
        width: of the rooms' grid, in cells, 3..128.
        image_height: rows of a frame, 16..512.
        image_width: columns of a frame, 16..512. The tables, shared by all cameras of one image size, take about
            1.8 kB for each pixel: 8 MB at 64 x 64, 120 MB at 256 x 256.
        objects: slots of objects and doors in the states, at most; they bound the work on a GPU.
        device: where the states are and the frames will be.
        has_heights: whether short and tall objects are drawn as such; they look like ordinary ones otherwise. The
            tables are nearly twice as large with them.

    Raises:
        ConfigError: an argument is out of its range.
    """

    def __init__(
        self,
        height: int,
        width: int,
        image_height: int = 64,
        image_width: int = 64,
        objects: int = 3,
        device: torch.device | str = "cpu",
        has_heights: bool = False,
    ) -> None:
        for name, value, least, most in (
            ("height", height, 3, 128),
            ("width", width, 3, 128),
            ("image_height", image_height, 16, 512),
            ("image_width", image_width, 16, 512),
            ("objects", objects, 0, 65536),
        ):
            require_whole(name, value, least, most, of="the camera")
        self.height, self.width = height, width
        self.image_height, self.image_width = image_height, image_width
        self.device = torch.device(device)
        self.strips: Strips = strips(image_height, image_width, self.device, has_heights)
        self.layers = min(objects, self.strips.most_pictures)
        self._seen = seen_cells(height, width, self.device)
        self._middle_column = torch.from_numpy(middle_columns(image_width)).to(self.device)
        self._is_sparse = self.device.type == "cpu"
        self._chunk = max(1, CHUNK_BYTES // (image_height * image_width * 4)) if self._is_sparse else 4096
        self._bit_number = torch.arange(HAZE + 1, device=self.device)
        self._column = torch.arange(image_width, device=self.device)
        self._column_row = self._column * 64
        code = codes.unpacked(self.device).long()
        kind, state = code[:, 0], code[:, 2]
        is_door = kind == codes.DOOR
        self._is_opaque = ((kind == codes.WALL) | (is_door & (state != codes.OPEN))).long()
        is_object = (kind == codes.KEY) | (kind == codes.BALL) | (kind == codes.BOX)
        self._has_picture = (is_object | (is_door & (state == codes.OPEN))).long()

    def __call__(self, state: RoomsState) -> UInt8[Tensor, "b h w 3"]:
        """The frames, in memory of their own.

        Raises:
            ObservationError: the state's rooms are of another size.
        """
        cells = state.cells
        if cells.shape[1] != self.height * self.width:
            raise ObservationError(
                f"The camera was made for rooms of {self.height} x {self.width} cells, got a state with "
                f"{cells.shape[1]} cells; make a camera with the level's height and width."
            )
        batch = len(cells)
        frames = torch.empty((batch, self.image_height, self.image_width, 3), dtype=torch.uint8, device=self.device)
        held = self._held_codes(state)
        pose = state.pose
        for start in range(0, batch, self._chunk):
            part = slice(start, start + self._chunk)
            self._render(cells[part], pose[part], state.heading[part], held[part], frames[part])
        return frames

    def seen_cells(self, state: RoomsState) -> Bool[Tensor, "b c"]:
        """Which cells of the room are in view: the ray through a cell's middle is in the frame, and no wall ends it.

        That things hide each other is left out of account; the corner, cell 0, never counts.
        """
        cells = self._seen.index_select(0, state.pose)
        code = state.cells.gather(1, cells).long()
        opaque = (self._is_opaque.take(code) << self._bit_number).sum(1, keepdim=True)
        last, _ = _lowest(opaque & self.strips.column_cells)  # b w
        shown = self.strips.column_cells & ((last << 1) - 1)
        column = self._middle_column
        seen = shown.index_select(1, column.clamp(min=0)) >> self._bit_number & 1  # b k
        is_seen = (seen > 0) & (column >= 0) & (cells > 0)
        return torch.zeros_like(state.cells, dtype=torch.bool).scatter_(1, cells, is_seen)

    def _held_codes(self, state: RoomsState) -> Int[Tensor, " b"]:
        """The code of what each agent carries, or 0, which has no picture."""
        if state.object_kind.shape[1] == 0:
            return torch.zeros_like(state.carried)
        slot = state.carried.clamp(min=0)[:, None]
        kind, colour = state.object_kind.gather(1, slot), state.object_colour.gather(1, slot)
        code = (kind * codes.SIZES[1] + colour) * codes.SIZES[2]
        return torch.where(state.carried >= 0, code[:, 0], 0)

    def _render(self, cells: Tensor, pose: Tensor, heading: Tensor, held: Tensor, frames: Tensor) -> None:
        """Writes the frames of some environments."""
        strips, batch = self.strips, len(cells)
        code = cells.gather(1, self._seen.index_select(0, pose)).long()  # b k
        opaque = (self._is_opaque.take(code) << self._bit_number).sum(1, keepdim=True)
        pictures = (self._has_picture.take(code) << self._bit_number).sum(1, keepdim=True)

        first, number = _lowest(opaque & strips.column_cells)  # b w: where each column's ray ends
        add = strips.background_add.take(code + heading[:, None] * 256)
        row = strips.background_of.take(number + self._column_row) + add.gather(1, number)
        image = strips.background.index_select(0, row.view(-1))  # (b w) h

        visible = pictures & strips.picture_cells & (first - 1)
        if self._is_sparse:
            self._draw_few(image, visible, code)
        else:
            self._draw_all(image, visible, code)

        image = image.view(batch, self.image_width, self.image_height)
        size = strips.held.shape[1]
        corner = image[:, strips.held_left : strips.held_left + size, strips.held_top :]
        torch.maximum(corner, strips.held.index_select(0, held), out=corner)
        colours = image.view(torch.uint8).view(batch, self.image_width, self.image_height, 4)
        for channel in range(3):
            frames[..., channel] = colours[..., channel].transpose(1, 2)

    def _draw_few(self, image: Tensor, visible: Tensor, code: Tensor) -> None:
        """Draws objects into those columns that show any, the nearest first; how many those are depends on the data."""
        strips = self.strips
        left = visible.view(-1)
        place = left.nonzero().squeeze(1)
        left = left.index_select(0, place)
        add = strips.pictures_add.take(code).view(-1)
        while len(place):
            low, number = _lowest(left)
            environment = place.div(self.image_width, rounding_mode="floor")
            column = place - environment * self.image_width
            row = strips.pictures_of.take(column * 64 + number) + add.take(environment * (HAZE + 1) + number)
            below = image.index_select(0, place)
            image.index_copy_(0, place, torch.maximum(below, strips.pictures.index_select(0, row)))
            left = left ^ low
            rest = left.nonzero().squeeze(1)
            place, left = place.index_select(0, rest), left.index_select(0, rest)

    def _draw_all(self, image: Tensor, visible: Tensor, code: Tensor) -> None:
        """Draws as many layers as a column can have, whatever is there: nothing waits for the device."""
        strips = self.strips
        left = visible | (1 << HAZE)  # the last bit stands for nothing: its strip is transparent
        add = strips.pictures_add.take(code)
        for _ in range(self.layers):
            low, number = _lowest(left)
            row = strips.pictures_of.take(number + self._column_row) + add.gather(1, number)
            torch.maximum(image, strips.pictures.index_select(0, row.view(-1)), out=image)
            left = (left ^ low) | (1 << HAZE)
