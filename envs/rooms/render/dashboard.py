"""`Dashboard`: one moment of an episode as a picture: the instruction, the room from above, what is seen and heard.

For `render`; the parts are drawn by top_view.py and spectrogram.py. Pictures are uint8 (height, width, 3), RGB, of one
size for all rooms. cv2 writes the texts and is imported when the first one is drawn.
"""

import numpy as np
from jaxtyping import Float, UInt8

from ..codes import COLOURS, KINDS
from ..state import RoomsState
from .canvas import FAINT, INK, PAPER, Picture, fit, measure, printable, write
from .spectrogram import spectrogram
from .top_view import TopView

PANEL_PX = 320
HEIGHT_PX, WIDTH_PX = 440, 1040
_MARGIN_PX = 20
_TOP_PX = 88
_LEFT = tuple(_MARGIN_PX + number * (PANEL_PX + _MARGIN_PX) for number in range(3))


class Dashboard:
    """Draws moments in rooms of one size.

    Args:
        height: of the grid in cells.
        width: of the grid in cells.
    """

    def __init__(self, height: int, width: int) -> None:
        self.top_view = TopView(height, width, tile=max(8, PANEL_PX // max(height, width)))

    def draw(
        self,
        state: RoomsState,
        row: int = 0,
        *,
        frame: UInt8[np.ndarray, "h w 3"] | None = None,
        sound: Float[np.ndarray, "channels samples"] | None = None,
        instruction: str = "",
    ) -> Picture:
        """One environment of a batch.

        Args:
            state: the batch, on any device.
            row: which of its rooms.
            frame: what its camera shows; None where it has none.
            sound: what its microphones heard up to now, at 16 kHz, the newest last; the last 2 s are drawn. None where
                it has none.
            instruction: what it was told.

        Returns:
            (440, 1040, 3).

        Raises:
            MissingExtraError: cv2 cannot be imported.
        """
        canvas = np.full((HEIGHT_PX, WIDTH_PX, 3), PAPER, np.uint8)
        _write_widely(canvas, instruction, _MARGIN_PX, 42)
        heard = None if sound is None else spectrogram(sound, PANEL_PX, PANEL_PX)
        panels = (("the room, which it does not see", self.top_view.draw(state, row)), ("it sees", frame))
        for left, (title, picture) in zip(
            _LEFT, (*panels, ("it hears, for 2 s: left ear, right ear", heard)), strict=True
        ):
            write(canvas, title if picture is not None else f"{title.split(',')[0]} nothing", left, 78, FAINT, 14)
            canvas[_TOP_PX : _TOP_PX + PANEL_PX, left : left + PANEL_PX] = fit(picture, PANEL_PX)
        write(canvas, _status(state, row), _MARGIN_PX, HEIGHT_PX - 12, INK, 15)
        return canvas


def _status(state: RoomsState, row: int) -> str:
    held = int(state.carried[row])
    thing = "nothing"
    if held >= 0:
        thing = f"the {COLOURS[int(state.object_colour[row, held])]} {KINDS[int(state.object_kind[row, held])]}"
    return f"step {int(state.step_count[row])} of {int(state.max_steps[row])}    it holds {thing}"


def _write_widely(canvas: Picture, text: str, x: int, baseline: int) -> None:
    """Writes a line as large as the picture's width allows."""
    text = printable(text)[:200]
    room = canvas.shape[1] - 2 * x
    size = next((size for size in (26, 22, 18, 15) if measure(text, size) <= room), 12)
    write(canvas, text, x, baseline, INK, size)
