"""Draws one frame of an episode: the instruction, what each sense gave, the room, the gates, and how it goes or ended.

Pictures are uint8 (height, width, 3), RGB, large enough to be read when a web page shows them at two thirds of their
size. cv2 is imported when the first one is drawn. Files and time are video.py's.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

import numpy as np

from ...envs.rooms.render.canvas import (
    BOLD,
    FAINT,
    INK,
    PAPER,
    TRACK,
    Colour,
    Picture,
    fit,
    measure,
    printable,
    write,
)
from ...perception.spec import PRESENT, Spec
from ...perception.texts import shown
from .palette import FAILURE, SUCCESS, sense_colours
from .readings import draw_reading

PANEL_PX = 320
MARGIN_PX = 20
LINE_PX = 34
CAPTION_PX = 80
MAX_PANELS = 4
MAX_LETTERS = 14

_TITLE_PX, _TEXT_PX, _STATE_PX = 20, 18, 38
_BAR_PX = 22
_STATUS_PX = 60
_WHITE: Colour = (255, 255, 255)


class Ending(enum.Enum):
    """How an episode ended: in a word, and the colour of it."""

    SUCCESS = "SUCCESS", SUCCESS
    WRONG = "WRONG", FAILURE
    OUT_OF_TIME = "OUT OF TIME", FAILURE
    OVER = "OVER", INK

    @classmethod
    def of(cls, is_success: bool | None, *, is_out_of_time: bool) -> "Ending":
        """From what an environment says: success (None where it does not tell), and whether the time limit ended it."""
        if is_success is None:
            return cls.OVER
        return cls.SUCCESS if is_success else cls.OUT_OF_TIME if is_out_of_time else cls.WRONG

    @property
    def is_success(self) -> bool | None:
        """None where that is not defined."""
        return None if self is Ending.OVER else self is Ending.SUCCESS


@dataclasses.dataclass(frozen=True)
class Frame:
    """What is drawn.

    Args:
        observation: one observation, without a batch axis.
        instruction: the raw instruction; None where there is none.
        gates: by sense, 0..1; None where no policy plays, and no gates are drawn then.
        room: a picture of everything there is; None where there is none.
        status: short texts such as "step 3", drawn side by side.
        state: what is done now, in a word, drawn large.
        ending: how it ended, drawn larger still; None while it goes on.
        room_title: what the room's picture is.
        absence: by sense, in a word why it is absent; "absent" for those that are not named.
    """

    observation: Mapping[str, np.ndarray]
    instruction: str | None
    gates: Mapping[str, float] | None
    room: Picture | None
    status: Sequence[str]
    state: str = ""
    ending: Ending | None = None
    room_title: str = "the environment's own picture"
    absence: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def is_here(self, senses: Spec, name: str) -> bool:
        """Whether a sense is present."""
        return PRESENT not in self.observation or bool(self.observation[PRESENT][senses.names.index(name)])


def draw(senses: Spec, frame: Frame) -> Picture:
    """One picture; its size depends on the senses, on whether there are a room and gates, and on nothing else.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    colours = sense_colours(senses)
    panels = _panels(senses, frame, colours)
    width = max(2, len(panels)) * (PANEL_PX + MARGIN_PX) + MARGIN_PX
    top = MARGIN_PX + CAPTION_PX
    bars_top = top + (LINE_PX + PANEL_PX if panels else 0) + MARGIN_PX
    status_top = bars_top + (0 if frame.gates is None else LINE_PX * (len(senses) + 1) + MARGIN_PX // 2)
    height = status_top + _STATUS_PX
    canvas = np.full((height + height % 2, width + width % 2, 3), PAPER, np.uint8)
    _draw_caption(canvas, *_instruction_title(senses, frame, colours), frame.instruction)
    for number, (title, colour, picture) in enumerate(panels):
        left = MARGIN_PX + number * (PANEL_PX + MARGIN_PX)
        write(canvas, title, left, top + 24, colour, _TITLE_PX, weight=BOLD)
        canvas[top + LINE_PX : top + LINE_PX + PANEL_PX, left : left + PANEL_PX] = picture
    if frame.gates is not None:
        _draw_gates(canvas, senses, frame, frame.gates, colours, bars_top)
    _draw_status(canvas, frame, status_top)
    return canvas


def _panels(senses: Spec, frame: Frame, colours: Mapping[str, Colour]) -> list[tuple[str, Colour, Picture]]:
    """Title, colour and picture of each panel: the senses that can be drawn, then the room."""
    panels = []
    for name, kind in senses.items():
        picture = draw_reading(kind, frame.observation[name], PANEL_PX, colours[name])
        if picture is not None:
            is_here = frame.is_here(senses, name)
            panel = fit(picture, PANEL_PX) if is_here else _draw_absence(name, frame, colours[name])
            panels.append((name, colours[name], panel))
    if frame.room is not None:
        room = frame.room_title, FAINT, fit(frame.room, PANEL_PX)
        return [*panels[: MAX_PANELS - 1], room]
    return panels[:MAX_PANELS]


def _instruction_title(senses: Spec, frame: Frame, colours: Mapping[str, Colour]) -> tuple[str, Colour]:
    """What stands above the instruction: the sense by which it comes, if there is one, and whether that is there."""
    name = next(iter(senses.texts()), None)
    if name is None:
        return "instruction", FAINT
    reason = "" if frame.is_here(senses, name) else f", {frame.absence.get(name, 'absent')}"
    return name + reason, colours[name]


def _draw_absence(name: str, frame: Frame, colour: Colour) -> Picture:
    """An empty panel that says why."""
    panel = np.full((PANEL_PX, PANEL_PX, 3), (206, 208, 211), np.uint8)
    for line, (text, ink) in enumerate(((name, colour), (frame.absence.get(name, "absent"), INK))):
        size = next((size for size in (34, 26, 20) if measure(text, size, weight=BOLD) < PANEL_PX - 20), 16)
        left = (PANEL_PX - measure(text, size, weight=BOLD)) // 2
        write(panel, text, left, PANEL_PX // 2 - 6 + 40 * line, ink, size, weight=BOLD)
    return panel


def _draw_caption(canvas: Picture, title: str, colour: Colour, instruction: str | None) -> None:
    """The instruction in at most two lines, as large as fits, under the name of the sense."""
    text = " ".join(printable(shown(instruction or "", 1000)).split())
    width = canvas.shape[1] - 2 * MARGIN_PX
    for size in (36, 24):
        lines = _wrap(text, width, size)
        if len(lines) == 1:
            break
    if len(lines) > 2:
        while lines[1] and measure(lines[1] + " ...", size, weight=BOLD) > width:
            lines[1] = lines[1][:-1]
        lines = [lines[0], lines[1] + " ..."]
    write(canvas, title, MARGIN_PX, MARGIN_PX + 14, colour, _TITLE_PX, weight=BOLD)
    baseline = MARGIN_PX + LINE_PX + (22 if size == 36 else 10)
    for number, line in enumerate(lines):
        write(canvas, line, MARGIN_PX, baseline + number * 28, INK, size, weight=BOLD)


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


def _draw_gates(
    canvas: Picture,
    senses: Spec,
    frame: Frame,
    gates: Mapping[str, float],
    colours: Mapping[str, Colour],
    top: int,
) -> None:
    write(canvas, "gates: how far each sense is let in", MARGIN_PX, top + 18, FAINT, _TEXT_PX)
    for number, name in enumerate(senses):
        gate = gates.get(name, 0.0)
        ink = INK if frame.is_here(senses, name) else FAINT
        _draw_gate(canvas, name, gate, ink, colours[name], top + (number + 1) * LINE_PX)


def _draw_gate(canvas: Picture, name: str, gate: float, ink: Colour, colour: Colour, top: int) -> None:
    name_px, value_px = 150, 70
    left, right = MARGIN_PX + name_px, canvas.shape[1] - MARGIN_PX - value_px
    shown = name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "."
    write(canvas, shown, MARGIN_PX, top + 18, ink, _TITLE_PX)
    canvas[top : top + _BAR_PX, left:right] = TRACK
    canvas[top : top + _BAR_PX, left : left + round((right - left) * min(1.0, max(0.0, gate)))] = colour
    write(canvas, f"{gate:.2f}", right + 14, top + 18, INK, _TITLE_PX, weight=BOLD)


def _draw_status(canvas: Picture, frame: Frame, top: int) -> None:
    """The last line: small texts at the left, the state or the ending at the right, on its colour where it is over."""
    text, ink, state = INK, INK, frame.state
    if frame.ending is not None:
        state, ground = frame.ending.value
        canvas[top:] = ground
        text = ink = _WHITE
    baseline = top + 42
    write(canvas, "    ".join(frame.status), MARGIN_PX, baseline - 3, text, _TITLE_PX)
    left = canvas.shape[1] - MARGIN_PX - measure(state, _STATE_PX, weight=BOLD)
    write(canvas, state, left, baseline, ink, _STATE_PX, weight=BOLD)
