"""`Belief`: what an agent has found out about its room since the episode began, as a state that a plan can be made on.

In a belief, a cell that was never seen is what the house has there without doors and things: free floor, or wall. A
thing that was never seen is nowhere, unless it is heard: then its place is known, but not what it looks like.

b environments, c cells, m objects, p poses (heading, cell) in the order of field.py
"""

import dataclasses
from collections.abc import Collection, Mapping

import torch
from jaxtyping import Bool, Float, Int, Int16
from torch import Tensor

from ..levels.level import Level
from ..state import CARRIED, GONE, PUT_NEXT, RoomsState
from .field import FAR, HEADING_ORDER
from .sight import Sight

_EAGERNESS = 16.0
"""How many steps a pose is worth that shows a whole room, more than one that shows next to nothing."""


class Belief:
    """Remembers what was seen, room by room; it forgets a room when another episode has begun in its place.

    Args:
        level: of the rooms.
        senses: of the agent.
        camera_size: height and width of the camera's frames, in pixels.

    Attributes:
        sight: what is in view.
        seen: (b, c), the cells that were in view since the episode began.
        visited: (b, p), the poses that were taken.
        heard: (b,), whether the things were heard, so that it is known where they are.
    """

    def __init__(self, level: Level, senses: Collection[str], camera_size: tuple[int, int]) -> None:
        self.sight = Sight(level, senses, camera_size)
        self._walls, self._plan = level.walls, level.plan
        self._by_look = level.is_decided_by_look
        self._hears = "audio" in senses and self._by_look is not None and not level.has_doors
        self._room = float(level.plan.room_cells.shape[1])
        self._order = torch.tensor([HEADING_ORDER.index(heading) for heading in range(4)], device=level.device)
        self.set_tensors(self.nothing(0))

    seen: Bool[Tensor, "b c"]
    visited: Bool[Tensor, "b p"]
    heard: Bool[Tensor, " b"]
    _episode: Int[Tensor, "b 3"]

    def nothing(self, b: int) -> dict[str, Tensor]:
        """What `tensors` gives where nothing was found out, of rooms that never were."""
        cells, device = len(self._walls), self._walls.device
        seen = torch.zeros(b, cells, dtype=torch.bool, device=device)
        episode = torch.full((b, 3), -1, dtype=torch.int64, device=device)
        return {"seen": seen, "visited": seen.repeat(1, 4), "heard": seen[:, 0].clone(), "episode": episode}

    def tensors(self) -> dict[str, Tensor]:
        """Copies of all that is remembered, by name, b rows each."""
        parts = {"seen": self.seen, "visited": self.visited, "heard": self.heard, "episode": self._episode}
        return {name: part.clone() for name, part in parts.items()}

    def set_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from what `tensors` gave."""
        self.seen, self.visited, self.heard = (tensors[name] for name in ("seen", "visited", "heard"))
        self._episode = tensors["episode"]

    def look(self, state: RoomsState, here: Mapping[str, Bool[Tensor, " b"]]) -> None:
        """Adds what is in view and what is heard now; looking twice at one moment changes nothing.

        Args:
            state: the truth.
            here: sense -> where it is not gone; those that are not named always are here.
        """
        episode = torch.stack((state.seed, state.index, state.episode), dim=1)
        if len(self._episode) != len(state):
            self.set_tensors(self.nothing(len(state)))
        goes_on = (self._episode == episode).all(dim=1)
        self._episode = episode
        self.heard = (self.heard & goes_on) | here.get("audio", torch.ones_like(goes_on)) & self._hears
        self.seen = (self.seen & goes_on[:, None]) | self.sight(state, here)
        self.visited = self.visited & goes_on[:, None]
        pose = self._order.index_select(0, state.heading) * state.cells.shape[1] + state.agent_cell
        self.visited.scatter_(1, pose[:, None], True)

    def believed(self, state: RoomsState) -> RoomsState:
        """The room as it is believed to be; tensors that do not differ are shared with `state`."""
        seen = self.seen.gather(1, state.object_cell.clamp(min=0)) & (state.object_cell >= 0)
        is_known = seen | (state.object_cell == CARRIED)
        believed = dataclasses.replace(
            state,
            cells=torch.where(self.seen, state.cells, self._walls),
            object_cell=torch.where(is_known, state.object_cell, GONE),
        )
        if not self._hears or self._by_look is None:
            return believed
        # What is heard stands where it is; by its look it may be anything, so that it must not be faced.
        heard, by_look = self.heard[:, None], self._by_look.index_select(0, state.mission)[:, None]
        is_told = seen | ~by_look
        return dataclasses.replace(
            believed,
            object_cell=torch.where(heard, state.object_cell, believed.object_cell),
            is_target=state.is_target & is_told,
            is_wrong=torch.where(is_told, state.is_wrong, state.is_wrong.any(dim=1, keepdim=True)),
        )

    def must_look(self, believed: RoomsState) -> Bool[Tensor, " b"]:
        """Where nothing of the kind is known that the mission speaks of: what is meant, or what it belongs next to."""
        is_there = believed.object_cell != GONE
        has_target = (believed.is_target & is_there).any(dim=1)
        has_second = (believed.is_second & is_there).any(dim=1) | (believed.verb != PUT_NEXT)
        return ~(has_target & has_second)

    def looks(self, state: RoomsState) -> Int16[Tensor, "2 2 c b"]:
        """What it costs to go and look, by the pose: less where more is shown that was never seen; FAR where nothing.

        A pose that was taken already shows nothing new, so that every search ends.
        """
        shown = (self._missing(state) @ self.sight.shows.t()).clamp(max=self._room)  # b p
        price = (1.0 + _EAGERNESS * (1.0 - shown / self._room)).to(torch.int16)
        price.masked_fill_(self.visited | (shown <= 0), FAR)
        return price.t().contiguous().view(2, 2, -1, len(state))

    def _missing(self, state: RoomsState) -> Float[Tensor, "b c"]:
        """What it is worth to see each cell that was never seen."""
        worth = torch.where(self.seen, 0.0, self.sight.worth)
        if self._hears:  # where it is known where the things are, only they need a look
            things = torch.zeros_like(worth).scatter_(1, state.object_cell.clamp(min=0), 1.0)
            things = torch.where(self.seen, 0.0, things) * (self._room / state.object_cell.shape[1])
            return torch.where(self.heard[:, None], things, worth)
        doors = self._plan.door_cells  # e n
        if len(doors):
            # A wall has one door: where that is known, the rest of the wall is of no interest.
            is_door = self.seen & (state.cells != self._walls) & (self.sight.worth < 1.0)
            has_door = is_door[:, doors].any(dim=2, keepdim=True)
            worth[:, doors.flatten()] *= (~has_door).expand(-1, -1, doors.shape[1]).flatten(1)
        return worth
