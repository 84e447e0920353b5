"""Numbers as labelled bars: what a `Vector` holds, one row a number."""

import numpy as np
from jaxtyping import Float

from ...envs.rooms.render.canvas import FAINT, INK, TRACK, Colour, Picture, write

MAX_ROWS = 12
_EDGE_PX, _NUMBER_PX, _VALUE_PX = 12, 36, 76


def draw_numbers(values: Float[np.ndarray, " n"], side_px: int, colour: Colour) -> Picture:
    """A square picture with a bar for each of the first numbers, to the right where it is positive.

    The longest bar fills its half; a number below 1 in size never does, so that noise looks like noise.

    Args:
        values: any; what is not finite has no bar.
        side_px: of the picture.
        colour: of the bars.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    picture = np.full((side_px, side_px, 3), TRACK, np.uint8)
    shown = values[: MAX_ROWS if len(values) <= MAX_ROWS else MAX_ROWS - 1]
    row_px = min(48, side_px // max(1, min(len(values), MAX_ROWS)))
    size = min(20, max(12, row_px - 8))
    left, right = _EDGE_PX + _NUMBER_PX, side_px - _EDGE_PX - _VALUE_PX
    middle, half = (left + right) // 2, (right - left) // 2
    largest = max(1.0, float(np.abs(np.nan_to_num(shown, posinf=0, neginf=0)).max(initial=0.0)))
    for number, value in enumerate(shown.tolist()):
        top, baseline = number * row_px, number * row_px + row_px // 2 + size // 3
        end = middle + round(half * value / largest) if np.isfinite(value) else middle
        picture[top + row_px // 5 : top + row_px * 4 // 5, min(middle, end) : max(middle, end) + 1] = colour
        write(picture, str(number), _EDGE_PX, baseline, FAINT, size)
        write(picture, f"{value:.3g}", right + 6, baseline, INK, size)
    if len(shown) < len(values):
        baseline = len(shown) * row_px + row_px // 2 + size // 3
        write(picture, f"and {len(values) - len(shown)} more", _EDGE_PX, baseline, FAINT, size)
    return picture
