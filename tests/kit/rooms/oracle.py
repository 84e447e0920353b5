"""minigrid as the oracle of Rooms: its episodes copied into a `RoomsState`, and both stepped with the same actions.

`Duel` plays many minigrid environments of one level beside one batch; after each step `differences` says in words where
the two disagree. Nothing here imports pytest.
"""

import collections
import contextlib
import dataclasses
import io
import random
from typing import Any

import gymnasium
import minigrid  # noqa: F401  registers the levels
import numpy as np
import torch
from minigrid.core.world_object import Box, Wall, WorldObj
from minigrid.envs.babyai.core.verifier import GoToInstr, OpenInstr, PickupInstr, PutNextInstr
from minigrid.utils.baby_ai_bot import BabyAIBot

from senseweave.envs.rooms import codes
from senseweave.envs.rooms.state import CARRIED, GO_TO, GONE, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState
from senseweave.envs.rooms.view import SymbolicView
from senseweave.envs.rooms.world import World

VERBS = {GoToInstr: GO_TO, PickupInstr: PICK_UP, PutNextInstr: PUT_NEXT, OpenInstr: OPEN_DOOR}


def make(level: str) -> Any:
    """minigrid's level of that name, "GoTo" or "GoToObjS6-v1", without wrappers."""
    with quiet():
        return gymnasium.make(f"BabyAI-{level}" if "-v" in level else f"BabyAI-{level}-v0").unwrapped


def quiet() -> contextlib.AbstractContextManager[Any]:
    """minigrid tells of every room that it rejects."""
    return contextlib.redirect_stdout(io.StringIO())


def code_of(thing: WorldObj | None) -> int:
    """Our code of what stands in minigrid's cell."""
    return codes.EMPTY_CODE if thing is None else codes.pack(*thing.encode())


def things_in(env: Any) -> list[WorldObj]:
    """All objects and doors of an episode that has just begun; their order is that of our slots."""
    return [thing for thing in env.grid.grid if thing is not None and not isinstance(thing, Wall)]


def copied(env: Any, slots: int | None = None) -> RoomsState:
    """One row: the episode of a minigrid environment that has just been reset.

    Args:
        env: a BabyAI level of one clause that is not strict.
        slots: how many objects the row has room for; all that there are by default.
    """
    instruction = env.instrs
    verb = VERBS[type(instruction)]
    if getattr(instruction, "strict", False) or env.carrying is not None:
        raise ValueError("Rooms has no strict verifiers, and agents start with empty hands.")
    things = things_in(env)
    if any(isinstance(thing, Box) and thing.contains for thing in things):
        raise ValueError("Boxes are empty in Rooms.")
    cells = [code_of(thing) for thing in env.grid.grid]
    padding = (len(things) if slots is None else slots) - len(things)
    kinds = [codes.KINDS.index(thing.type) for thing in things] + [codes.KEY] * padding
    colours = [codes.COLOURS.index(thing.color) for thing in things] + [0] * padding
    where = [env.grid.grid.index(thing) for thing in things] + [GONE] * padding
    first = instruction.desc_move if verb == PUT_NEXT else instruction.desc
    second = instruction.desc_fixed.obj_set if verb == PUT_NEXT else []
    x, y = (int(part) for part in env.agent_pos)

    def number(value: int) -> torch.Tensor:
        return torch.tensor([value])

    def per_object(values: list[int]) -> torch.Tensor:
        return torch.tensor([values], dtype=torch.int64)

    def among(some: list[WorldObj]) -> torch.Tensor:
        return torch.tensor([[any(thing is one for one in some) for thing in things] + [False] * padding])

    return RoomsState(
        cells=torch.tensor([cells], dtype=torch.uint8),
        agent_cell=number(y * env.width + x),
        heading=number(int(env.agent_dir)),
        previous_pose=number((y * env.width + x) * 4 + int(env.agent_dir)),
        carried=number(-1),
        object_kind=per_object(kinds),
        object_colour=per_object(colours),
        object_sound=per_object([codes.SILENT] * len(kinds)),
        object_phase=per_object([0] * len(kinds)),
        object_cell=per_object(where),
        mission=number(0),
        verb=number(verb),
        is_target=among(first.obj_set),
        is_second=among(second),
        is_wrong=among([]),
        voice=number(0),
        step_count=number(0),
        max_steps=number(int(env.max_steps)),
        seed=number(0),
        index=number(0),
        episode=number(0),
    )


def stacked(rows: list[RoomsState]) -> RoomsState:
    """Many rows as one batch."""
    return RoomsState(**{name: torch.cat([getattr(row, name) for row in rows]) for name in RoomsState.names()})


def repeated(row: RoomsState, times: int) -> RoomsState:
    """One row many times."""
    return row.rows(torch.zeros(times, dtype=torch.int64))


@dataclasses.dataclass
class Player:
    """One minigrid environment and who plays it: BabyAI's bot with slips of the hand, or a busybody.

    Attributes:
        env: minigrid's environment.
        things: its objects and doors, in the order of our slots.
        bare: codes of its cells without them.
        bot: the bot, or None.
        random: whence slips of the hand come.
        last: the action before.
    """

    env: Any
    things: list[WorldObj]
    bare: np.ndarray
    bot: BabyAIBot | None
    random: random.Random
    last: int | None = None

    def act(self) -> int:
        """An action; even the bot does something else now and then."""
        advice = self._advice()
        if advice is None or self.random.random() < 0.15:
            advice = self._impulse()
        self.last = advice
        return advice

    def _advice(self) -> int | None:
        if self.bot is None:
            return None
        try:
            return int(self.bot.replan(self.last))
        except Exception:  # noqa: BLE001  it gives up where a slip of the hand led to what it did not plan for
            self.bot = None
            return None

    def _impulse(self) -> int:
        ahead = self.env.grid.get(*self.env.front_pos)
        if ahead is not None and not isinstance(ahead, Wall) and self.random.random() < 0.5:
            return self.random.choice((codes.PICKUP, codes.TOGGLE, codes.TOGGLE, codes.DROP))
        if ahead is None and self.env.carrying and self.random.random() < 0.2:
            return codes.DROP
        return self.random.choices(range(7), weights=(3, 3, 8, 1, 1, 1, 1))[0]


class Duel:
    """minigrid and Rooms side by side.

    Args:
        level: its name without BabyAI- and -v0.
        rooms: how many are played at once.
        seed: of the episodes and of the players.
        limit: actions after which an episode is left unfinished.

    Attributes:
        counts: what happened: episodes, steps, successes, ...
    """

    def __init__(self, level: str, rooms: int, seed: int = 0, limit: int = 10_000) -> None:
        self.level = level
        self.limit = limit
        self.counts: collections.Counter[str] = collections.Counter()
        self._seeds = iter(range(seed, seed + 10**9))
        self._players = [self._player(make(level)) for _ in range(rooms)]
        self._slots = max(40, *(len(player.things) for player in self._players))
        self.state = stacked([copied(player.env, self._slots) for player in self._players])
        env = self._players[0].env
        self.world = World(env.height, env.width)
        self.view = SymbolicView(env.height, env.width)

    def play(self, episodes: int) -> list[str]:
        """Plays at least so many episodes; returns what was different in the first step with differences."""
        while self.counts["episodes"] < episodes:
            if found := self._step():
                return found
        return []

    def _player(self, env: Any) -> Player:
        seed = next(self._seeds)
        with quiet():
            env.reset(seed=seed)
        draw = random.Random(seed)
        bare = [code_of(thing if isinstance(thing, Wall) else None) for thing in env.grid.grid]
        bot = BabyAIBot(env) if draw.random() < 0.6 else None
        return Player(env, things_in(env), np.array(bare, dtype=np.uint8), bot, draw)

    def _step(self) -> list[str]:
        actions = [player.act() for player in self._players]
        truths = [player.env.step(action) for player, action in zip(self._players, actions, strict=True)]
        before = self.state.clone()
        outcome = self.world.step(self.state, torch.tensor(actions))
        self._count(before, outcome)
        views = self.view(self.state).numpy()
        found = []
        for row, (player, truth) in enumerate(zip(self._players, truths, strict=True)):
            observation, *end = truth
            ours = [part[row].item() for part in (outcome.reward, outcome.terminated, outcome.truncated)]
            theirs = [float(np.float32(end[0])), *end[1:3]]
            if ours != theirs:
                found.append(f"reward, terminated, truncated are {ours}, not {theirs}")
            if not np.array_equal(views[row], observation["image"]):
                found.append("the views differ")
            found += differences(self.state, row, player)
            if found:
                return [f"{self.level}, {player.env.mission}, action {actions[row]}: {text}" for text in found]
            if end[1] or end[2] or player.env.step_count >= self.limit:
                self._restart(row)
        return []

    def _restart(self, row: int) -> None:
        self.counts["episodes"] += 1
        self._players[row] = self._player(self._players[row].env)
        self.state.write(torch.tensor([row]), copied(self._players[row].env, self._slots))

    def _count(self, before: RoomsState, outcome: Any) -> None:
        state = self.state
        opened = ((before.cells >= 72) & (before.cells < 90) & (before.cells % 3 > 0)) & (state.cells != before.cells)
        unlocked = opened & (before.cells % 3 == codes.LOCKED)
        events = {
            "steps": torch.ones(len(state)),
            "successes": outcome.reward > 0,
            "truncations": outcome.truncated,
            "pickups": (before.carried < 0) & (state.carried >= 0),
            "drops": (before.carried >= 0) & (state.carried < 0),
            "boxes": (state.object_cell == GONE) & (before.object_cell != GONE),
            "doors": opened,
            "locks": unlocked,
        }
        for name, happened in events.items():
            self.counts[name] += int(happened.sum())


def differences(state: RoomsState, row: int, player: Player) -> list[str]:
    """Where one row is not what minigrid's environment is, in words."""
    env, found = player.env, []
    cell_of = {
        id(thing): cell for cell, thing in enumerate(env.grid.grid) if thing is not None and thing.type != "wall"
    }
    where = [CARRIED if thing is env.carrying else cell_of.get(id(thing), GONE) for thing in player.things]
    cells = player.bare.copy()
    for thing, cell in zip(player.things, where, strict=True):
        if cell >= 0:
            cells[cell] = code_of(thing)  # the state of doors included
    if not np.array_equal(state.cells[row].numpy(), cells):
        found.append("the cells differ")
    if state.object_cell[row, : len(where)].tolist() != where:
        found.append(f"objects are at {state.object_cell[row].tolist()}, not {where}")
    carried = -1 if env.carrying is None else where.index(CARRIED)
    x, y = (int(part) for part in env.agent_pos)
    theirs = (carried, y * env.width + x, int(env.agent_dir), env.step_count)
    ours = tuple(int(part[row]) for part in (state.carried, state.agent_cell, state.heading, state.step_count))
    if ours != theirs:
        found.append(f"carried, cell, heading, step are {ours}, not {theirs}")
    return found
