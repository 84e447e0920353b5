"""What one frame of an episode says and shows: every word and picture in its place, before a pixel is painted.

`layout` arranges; painting.py paints; files and time are video.py's.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

import numpy as np

from ...envs.rooms.render.canvas import FAINT, INK, Colour, Picture
from ...perception.spec import PRESENT, Camera, Depth, Grid, Kind, Microphone, Spec, Vector
from .palette import FAILURE, SUCCESS, sense_colours
from .readings import draw_reading, is_minigrid

PANEL_PX = 320
MAX_PANELS = 4
GATES = "gates: how far each sense is let in, 0 (shut out) to 1"
ROOM, OWN_PICTURE = "the room, which it does not see", "the environment's own picture"
"""What the picture of everything there is is called: of ours, and of other worlds."""


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
    """One moment of an episode.

    Args:
        observation: one observation, without a batch axis.
        instruction: the raw instruction; None where there is none.
        gates: by sense, 0..1; None where no policy plays, and no gates are drawn then.
        room: a picture of everything there is; None where there is none.
        status: short texts such as "step 3", side by side.
        state: what is done now, in a word.
        ending: how it ended; None while it goes on.
        room_title: what the room's picture is.
        absence: by sense, in a word why it is absent; "absent" for those that are not named.
        title: what is to be seen in this episode.
        note: its seed, and how it was chosen.
    """

    observation: Mapping[str, np.ndarray]
    instruction: str | None
    gates: Mapping[str, float] | None
    room: Picture | None
    status: Sequence[str]
    state: str = ""
    ending: Ending | None = None
    room_title: str = OWN_PICTURE
    absence: Mapping[str, str] = dataclasses.field(default_factory=dict)
    title: str = ""
    note: str = ""

    def is_here(self, senses: Spec, name: str) -> bool:
        """Whether a sense is present."""
        return PRESENT not in self.observation or bool(self.observation[PRESENT][senses.names.index(name)])


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture of a frame.

    Args:
        title: above it.
        legend: below it: what it shows and how to read it.
        colour: of the title.
        picture: of any size; None is darkness, with the title in it.
    """

    title: str
    legend: str
    colour: Colour
    picture: Picture | None


@dataclasses.dataclass(frozen=True)
class Gate:
    """One bar below the pictures; `is_here` tells whether its sense is."""

    name: str
    value: float
    colour: Colour
    is_here: bool


@dataclasses.dataclass(frozen=True)
class Layout:
    """A whole frame, from top to bottom. `heading` names the sense by which the instruction comes, and its colour."""

    title: str
    note: str
    heading: tuple[str, Colour]
    instruction: str
    is_told: bool
    panels: Sequence[Panel]
    gates: Sequence[Gate] | None
    status: str
    state: str
    ending: Ending | None


def layout(senses: Spec, frame: Frame) -> Layout:
    """Arranges one frame.

    Raises:
        MissingExtraError: a sense's picture takes cv2, which cannot be imported.
    """
    colours = sense_colours(senses)
    name = next(iter(senses.texts()), None)
    heading = ("instruction" if frame.instruction else "", FAINT)
    if name is not None:
        heading = _titled(senses, frame, name), colours[name]
    return Layout(
        title=frame.title,
        note=frame.note,
        heading=heading,
        instruction=frame.instruction or "",
        is_told=name is None or frame.is_here(senses, name),
        panels=_panels(senses, frame, colours),
        gates=None
        if frame.gates is None
        else [Gate(name, frame.gates.get(name, 0.0), colours[name], frame.is_here(senses, name)) for name in senses],
        status="    ".join(frame.status),
        state=frame.state,
        ending=frame.ending,
    )


def _titled(senses: Spec, frame: Frame, name: str) -> str:
    """A sense's name, and why it is absent: "camera unplugged"."""
    return name if frame.is_here(senses, name) else f"{name} {frame.absence.get(name, 'absent')}"


def _panels(senses: Spec, frame: Frame, colours: Mapping[str, Colour]) -> list[Panel]:
    """The senses that can be drawn, then the room."""
    panels = []
    for name, kind in senses.items():
        picture = draw_reading(kind, frame.observation[name], PANEL_PX, colours[name])
        if picture is not None:
            shown = picture if frame.is_here(senses, name) else None
            panels.append(Panel(_titled(senses, frame, name), legend_of(kind), colours[name], shown))
    if frame.room is None:
        return panels[:MAX_PANELS]
    legend = ROOM_LEGEND if frame.room_title == ROOM else "how it looks to people"
    return [*panels[: MAX_PANELS - 1], Panel(frame.room_title, legend, FAINT, frame.room)]


ROOM_LEGEND = "from above: lit = in view, line = its way, green = meant"

LEGENDS: dict[type[Kind], str] = {
    Camera: "what it sees",
    Depth: "how far things are: the nearer, the brighter",
    Grid: "the cells that it is shown",
    Microphone: "how loud it is",
    Vector: "its numbers as bars, from 0 in the middle",
}
"""How to read the picture of a kind, in a line."""


def legend_of(kind: Kind) -> str:
    """How to read a sense's picture."""
    if isinstance(kind, Microphone) and kind.channels == 2:
        return "lobe: direction; bars: loudness at each ear"
    if isinstance(kind, Grid) and is_minigrid(kind):
        return "the cells in view; it stands below and looks up"
    known = (text for known, text in LEGENDS.items() if isinstance(kind, known))
    return next(known, f"what this {type(kind).__name__} gives")
