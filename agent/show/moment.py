"""Draws one moment of an episode: what each sense gave, the room, the instruction, the gates, the step and the return.

Pictures are uint8 (height, width, 3), RGB. cv2 is imported when the first one is drawn. Files and time are video.py's.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from ...envs.rooms.render.canvas import FAINT, INK, PAPER, TRACK, Picture, fit, measure, printable, write
from ...perception.spec import PRESENT, Camera, Grid, Microphone, Spec
from .palette import sense_colours

PANEL_PX = 320
MARGIN_PX = 20
LINE_PX = 26
LARGEST_PANELS = 4


@dataclasses.dataclass(frozen=True)
class Moment:
    """What is drawn.

    Args:
        observation: one observation, without a batch axis.
        instruction: the raw instruction; None where there is none.
        gates: by sense, 0..1; None where no policy plays, and no gates are drawn then.
        room: the environment's own picture; None where it draws none.
        status: short texts such as "step 3", drawn side by side.
    """

    observation: Mapping[str, np.ndarray]
    instruction: str | None
    gates: Mapping[str, float] | None
    room: Picture | None
    status: Sequence[str]


def draw(senses: Spec, moment: Moment) -> Picture:
    """One picture; its size depends on the senses, on whether there are a room and gates, and on nothing else.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    panels = _panels(senses, moment)
    width = max(2, len(panels)) * (PANEL_PX + MARGIN_PX) + MARGIN_PX
    top = MARGIN_PX + 2 * LINE_PX
    bars_top = top + (LINE_PX + PANEL_PX if panels else 0) + MARGIN_PX
    status_top = bars_top + (0 if moment.gates is None else LINE_PX * (len(senses) + 1) + MARGIN_PX // 2)
    height = status_top + LINE_PX + MARGIN_PX // 2
    canvas = np.full((height + height % 2, width + width % 2, 3), PAPER, np.uint8)
    _draw_caption(canvas, moment.instruction)
    for number, (title, picture) in enumerate(panels):
        left = MARGIN_PX + number * (PANEL_PX + MARGIN_PX)
        write(canvas, title, left, top + 16, FAINT, 14)
        canvas[top + LINE_PX : top + LINE_PX + PANEL_PX, left : left + PANEL_PX] = picture
    if moment.gates is not None:
        _draw_gates(canvas, senses, moment, moment.gates, bars_top)
    write(canvas, "    ".join(moment.status), MARGIN_PX, status_top + 18, INK, 16)
    return canvas


def _panels(senses: Spec, moment: Moment) -> list[tuple[str, Picture]]:
    panels: list[tuple[str, Picture]] = []
    for number, (name, kind) in enumerate(senses.items()):
        reading = moment.observation[name]
        if isinstance(kind, Camera):
            picture = reading
        elif isinstance(kind, Grid):
            picture = grid_picture(kind, reading)
        elif isinstance(kind, Microphone):
            picture = _sound_picture(reading)
        else:
            continue
        is_here = PRESENT not in moment.observation or bool(moment.observation[PRESENT][number])
        panels.append(
            (name, fit(picture, PANEL_PX)) if is_here else (f"{name} (absent)", fit(picture, PANEL_PX) // 8 + 200)
        )
    if moment.room is not None:
        panels.append(("the whole room, which it does not see", fit(moment.room, PANEL_PX)))
    return panels[:LARGEST_PANELS]


def is_minigrid(kind: Grid) -> bool:
    """Whether the cells are minigrid's, whose first axis runs from left to right and whose second runs down."""
    try:
        from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
    except ImportError:
        return False
    known = (max(OBJECT_TO_IDX.values()) + 1, max(COLOR_TO_IDX.values()) + 1)
    return len(kind.sizes) == 3 and kind.sizes[:2] == known


def grid_picture(kind: Grid, cells: UInt8[np.ndarray, "height width channels"]) -> Picture:
    """A grid as coloured cells; with minigrid's own tiles where the cells are minigrid's."""
    if is_minigrid(kind):
        from minigrid.core.grid import Grid as MiniGridGrid

        grid, is_seen = MiniGridGrid.decode(cells)
        agent = (kind.height // 2, kind.width - 1)
        return grid.render(32, agent_pos=agent, agent_dir=3, highlight_mask=is_seen)
    shares = cells.astype(np.float32) / np.maximum(np.asarray(kind.sizes, np.float32) - 1, 1)
    channels = [shares[..., i % shares.shape[-1]] for i in range(3)]
    return (255 * np.stack(channels, axis=-1)).astype(np.uint8)


def _sound_picture(sound: Float[np.ndarray, "channels samples"]) -> Picture:
    """Each channel's waveform as its range in every pixel column, the first channel on top."""
    picture = np.full((PANEL_PX, PANEL_PX, 3), TRACK, np.uint8)
    row_px = PANEL_PX // len(sound)
    columns = np.linspace(0, sound.shape[1], PANEL_PX + 1).astype(int)
    for channel, wave in enumerate(np.nan_to_num(np.clip(sound, -1, 1))):
        middle, half = channel * row_px + row_px // 2, 0.46 * row_px
        for x, (start, end) in enumerate(zip(columns[:-1], np.maximum(columns[1:], columns[:-1] + 1), strict=True)):
            part = wave[start:end] if start < len(wave) else wave[-1:]
            upper, lower = round(middle - half * float(part.max())), round(middle - half * float(part.min()))
            picture[upper : lower + 1, x] = sense_colours(["audio"])["audio"]
    return picture


def _draw_caption(canvas: Picture, instruction: str | None) -> None:
    """The instruction in at most two lines, as large as fits."""
    text = " ".join(printable(instruction or "").split())[:1000]
    width = canvas.shape[1] - 2 * MARGIN_PX
    for size in (24, 20, 17):
        lines = _wrap(text, width, size)
        if len(lines) <= (1 if size == 24 else 2):
            break
    if len(lines) > 2:
        while lines[1] and measure(lines[1] + " ...", 17) > width:
            lines[1] = lines[1][:-1]
        lines = [lines[0], lines[1] + " ..."]
    for number, line in enumerate(lines):
        write(canvas, line, MARGIN_PX, MARGIN_PX + 22 + number * LINE_PX, INK, size)


def _wrap(text: str, width: int, size: int) -> list[str]:
    """Breaks a text into lines between words, and inside words that are longer than a line."""
    lines, line = [], ""
    for word in text.split(" "):
        while measure(word, size) > width and len(word) > 1:
            fitting = max(1, int(len(word) * width / measure(word, size)) - 1)
            lines, line, word = [*lines, *([line] if line else []), word[:fitting]], "", word[fitting:]
        longer = f"{line} {word}".strip()
        if measure(longer, size) > width:
            lines, line = [*lines, line], word
        else:
            line = longer
    return [*lines, line] if line else lines


def _draw_gates(canvas: Picture, senses: Spec, moment: Moment, gates: Mapping[str, float], top: int) -> None:
    write(canvas, "gates: how far each sense is let in", MARGIN_PX, top + 14, FAINT, 14)
    for number, name in enumerate(senses):
        is_here = bool(moment.observation[PRESENT][number]) if PRESENT in moment.observation else True
        gate = gates.get(name, 0.0)
        _draw_gate(canvas, name, gate, is_here, top + (number + 1) * LINE_PX, sense_colours(senses)[name])


def _draw_gate(canvas: Picture, name: str, gate: float, is_here: bool, top: int, colour: tuple[int, int, int]) -> None:
    name_px, value_px = 150, 90
    left, right = MARGIN_PX + name_px, canvas.shape[1] - MARGIN_PX - value_px
    write(canvas, name if len(name) <= 16 else name[:15] + ".", MARGIN_PX, top + 18, INK, 16)
    canvas[top + 6 : top + 20, left:right] = TRACK
    canvas[top + 6 : top + 20, left : left + round((right - left) * min(1.0, max(0.0, gate)))] = colour
    write(canvas, f"{gate:.2f}" if is_here else "absent", right + 14, top + 18, INK if is_here else FAINT, 16)
