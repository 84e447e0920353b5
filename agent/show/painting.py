"""Paints one frame of an episode: dark on light, in the colours and proportions of the pages.

Pictures are uint8 (height, width, 3), RGB, large enough to be read when a web page shows them at two thirds of their
size. cv2 is imported when the first one is painted. What is said and where it stands is frame.py's.
"""

import numpy as np

from ...envs.rooms.render.canvas import BOLD, FAINT, INK, PAPER, REGULAR, TRACK, Colour, Picture, fit, measure, write
from ...envs.rooms.render.canvas import printable as without_controls
from ...perception.spec import Spec
from ...perception.texts import shown
from .frame import GATES, PANEL_PX, Ending, Frame, Gate, Layout, Panel, layout

MARGIN_PX = 20
LINE_PX = 34
HEADER_PX = 62
CAPTION_PX = 80
LEGEND_PX = 26
PANELS_TOP = MARGIN_PX + HEADER_PX + CAPTION_PX
"""Where the titles of the panels begin; the pictures are a line lower."""

MAX_LETTERS = 14

_TITLE_PX, _TEXT_PX, _STATE_PX = 20, 17, 38
_BAR_PX = 22
_STATUS_PX = 84
_OUTCOME_SIZES = (72, 60, 48, 36)
_RULE: Colour = (201, 204, 208)
_DARK: Colour = (38, 40, 44)
_WHITE: Colour = (255, 255, 255)


def draw(senses: Spec, frame: Frame) -> Picture:
    """One picture; its size depends on the senses, on whether there are a room and gates, and on nothing else.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    return paint(layout(senses, frame))


def paint(arranged: Layout) -> Picture:
    """The picture of a frame.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    panels, gates = arranged.panels, arranged.gates
    width = max(2, len(panels)) * (PANEL_PX + MARGIN_PX) + MARGIN_PX
    below = PANELS_TOP + (LINE_PX + PANEL_PX + LEGEND_PX if panels else 0) + MARGIN_PX // 2
    status_top = below + (0 if gates is None else LINE_PX * (len(gates) + 1))
    height = status_top + _STATUS_PX
    canvas = np.full((height + height % 2, width + width % 2, 3), PAPER, np.uint8)
    _write_fitted(canvas, arranged.title, MARGIN_PX + 16, INK, 24, BOLD)
    _write_fitted(canvas, arranged.note, MARGIN_PX + 42, FAINT, _TEXT_PX, REGULAR)
    _paint_caption(canvas, arranged)
    for number, panel in enumerate(panels):
        _paint_panel(canvas, panel, MARGIN_PX + number * (PANEL_PX + MARGIN_PX))
    if arranged.ending is not None:
        _paint_outcome(canvas, arranged.ending, arranged.status, below)
        return canvas
    if gates is not None:
        write(canvas, GATES, MARGIN_PX, below + 18, FAINT, _TEXT_PX)
        for number, gate in enumerate(gates, 1):
            _paint_gate(canvas, gate, below + number * LINE_PX)
    write(canvas, arranged.status, MARGIN_PX, status_top + 50, INK, _TITLE_PX)
    left = canvas.shape[1] - MARGIN_PX - measure(arranged.state, _STATE_PX, weight=BOLD)
    write(canvas, arranged.state, left, status_top + 54, INK, _STATE_PX, weight=BOLD)
    return canvas


def _write_fitted(canvas: Picture, text: str, baseline: int, colour: Colour, size: int, weight: int) -> None:
    """One line of text, smaller where it is too long, and cut where it is longer still."""
    width, text = canvas.shape[1] - 2 * MARGIN_PX, without_controls(shown(text, 300))
    while size > 12 and measure(text, size, weight=weight) > width:
        size -= 1
    while text and measure(text, size, weight=weight) > width:
        text = text[:-1]
    write(canvas, text, MARGIN_PX, baseline, colour, size, weight=weight)


def _paint_panel(canvas: Picture, panel: Panel, left: int) -> None:
    """A title, a picture with a rule around it, and its legend."""
    top, line = PANELS_TOP + LINE_PX, canvas[:, left : left + PANEL_PX]
    title = panel.title
    while title and measure(title, _TITLE_PX, weight=BOLD) > PANEL_PX:
        title = title[:-1]
    write(canvas, title, left, top - 10, panel.colour, _TITLE_PX, weight=BOLD)
    line[top - 1 : top + PANEL_PX + 1] = _RULE
    line[top : top + PANEL_PX] = _darkness(panel.title) if panel.picture is None else fit(panel.picture, PANEL_PX)
    size = next((size for size in range(15, 9, -1) if measure(panel.legend, size) <= PANEL_PX), 9)
    write(canvas, panel.legend, left, top + PANEL_PX + 19, FAINT, size)


def _darkness(label: str) -> Picture:
    """A dark panel that says why."""
    panel = np.full((PANEL_PX, PANEL_PX, 3), _DARK, np.uint8)
    size = next((size for size in (32, 26, 20, 16) if measure(label, size, weight=BOLD) < PANEL_PX - 20), 12)
    left = max(4, (PANEL_PX - measure(label, size, weight=BOLD)) // 2)
    write(panel, label, left, PANEL_PX // 2 + size // 3, _WHITE, size, weight=BOLD)
    return panel


def _paint_caption(canvas: Picture, arranged: Layout) -> None:
    """The instruction in at most two lines, as large as fits, under the name of the sense; pale if it is not told."""
    text = " ".join(without_controls(shown(arranged.instruction, 1000)).split())
    width = canvas.shape[1] - 2 * MARGIN_PX
    for size in (36, 24):
        lines = _wrap(text, width, size)
        if len(lines) == 1:
            break
    if len(lines) > 2:
        while lines[1] and measure(lines[1] + " ...", size, weight=BOLD) > width:
            lines[1] = lines[1][:-1]
        lines = [lines[0], lines[1] + " ..."]
    heading, colour = arranged.heading
    top = MARGIN_PX + HEADER_PX
    write(canvas, heading, MARGIN_PX, top + 10, colour, _TITLE_PX, weight=BOLD)
    baseline, ink = top + LINE_PX + (16 if size == 36 else 2), INK if arranged.is_told else _RULE
    for number, line in enumerate(lines):
        write(canvas, line, MARGIN_PX, baseline + number * 28, ink, size, weight=BOLD)


def _wrap(text: str, width: int, size: int) -> list[str]:
    """Breaks a text into lines between words, and inside words that are longer than a line."""
    lines, line = [], ""
    for word in text.split(" "):
        while measure(word, size, weight=BOLD) > width and len(word) > 1:
            fitting = max(1, int(len(word) * width / measure(word, size, weight=BOLD)) - 1)
            lines, line, word = [*lines, *([line] if line else []), word[:fitting]], "", word[fitting:]
        longer = f"{line} {word}".strip()
        if measure(longer, size, weight=BOLD) > width:
            lines, line = [*lines, line], word
        else:
            line = longer
    return [*lines, line] if line else lines


def _paint_gate(canvas: Picture, gate: Gate, top: int) -> None:
    name_px, value_px = 150, 70
    left, right = MARGIN_PX + name_px, canvas.shape[1] - MARGIN_PX - value_px
    name = gate.name if len(gate.name) <= MAX_LETTERS else gate.name[: MAX_LETTERS - 1] + "."
    write(canvas, name, MARGIN_PX, top + 18, INK if gate.is_here else FAINT, _TITLE_PX)
    canvas[top : top + _BAR_PX, left:right] = TRACK
    end = left + round((right - left) * min(1.0, max(0.0, gate.value)))
    canvas[top : top + _BAR_PX, left:end] = gate.colour
    write(canvas, f"{gate.value:.2f}", right + 14, top + 18, INK, _TITLE_PX, weight=BOLD)


def _paint_outcome(canvas: Picture, ending: Ending, status: str, top: int) -> None:
    """How it ended, as large as fits, on its colour, in the place of the gates and the action."""
    word, ground = ending.value
    canvas[top:] = ground
    height, width = canvas.shape[0] - top, canvas.shape[1]
    room = height - 30
    fits = (size for size in _OUTCOME_SIZES if size <= room and measure(word, size, weight=BOLD) < width - 40)
    size = next(fits, 30)
    middle = top + (height - 26) // 2
    write(canvas, word, (width - measure(word, size, weight=BOLD)) // 2, middle + size // 3, _WHITE, size, weight=BOLD)
    write(canvas, status, (width - measure(status, _TITLE_PX)) // 2, canvas.shape[0] - 12, _WHITE, _TITLE_PX)
