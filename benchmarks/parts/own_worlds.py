"""Six environments such as somebody might bring: pixels and numbers, continuous and discrete, with a text or without.

    PYTHONPATH=benchmarks/parts senseweave train --env own_worlds:Reach-v0

`Reach-v0` and `ReachDiscrete-v0` are made here, `FetchSeen-v0` is minigrid's Fetch seen as a picture; the others are
Gymnasium's. None of them knows anything of senseweave: `adapt` reads them as it would read anybody's.
"""

import dataclasses
import string
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 200, 60),
    "blue": (50, 80, 230),
    "yellow": (230, 210, 40),
    "purple": (170, 50, 200),
    "grey": (150, 150, 150),
}
MISSIONS = tuple(f"reach the {colour} disc" for colour in COLOURS)
TEXT = spaces.Text(40, charset=string.ascii_lowercase + " ")
SIDE_PX = 64
DISC_RADIUS, OWN_RADIUS = 0.25, 0.08
"""The floor goes from -1 to 1."""
DISCS, MAX_STEPS = 3, 40
DRAG, THRUST = 0.7, 0.1
MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], np.float32)
_AXIS = (np.arange(SIDE_PX, dtype=np.float32) + 0.5) * (2 / SIDE_PX) - 1


class Reach(gymnasium.Env[dict[str, Any], Any]):
    """Reach the disc of the colour that is named; to touch another one ends the episode.

    Each step costs a tenth of the distance to the disc that is meant, and reaching it gives 1. A text, a picture of the
    floor from above, and the own position and velocity are all there is to know.

    Args:
        moves: whether one of five moves is chosen, and not a push of two numbers.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, moves: bool = False) -> None:
        self._moves = moves
        self.observation_space = spaces.Dict(
            numbers=spaces.Box(-2, 2, (4,), np.float32),
            picture=spaces.Box(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8),
            text=TEXT,
        )
        self.action_space = spaces.Discrete(len(MOVES)) if moves else spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict]:
        super().reset(seed=seed)
        self._place, self._velocity, self._steps = np.zeros(2, np.float32), np.zeros(2, np.float32), 0
        self._colours = self.np_random.permutation(len(COLOURS))[:DISCS]
        while True:
            drawn = self.np_random.uniform(-0.85, 0.85, (DISCS + 1, 2)).astype(np.float32)
            apart = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)[np.triu_indices(DISCS + 1, 1)]
            if apart.min() > 0.6:
                break
        self._place, self._discs = drawn[0], drawn[1:]
        self._meant = int(self.np_random.integers(DISCS))
        self._floor = np.full((SIDE_PX, SIDE_PX, 3), 20, np.uint8)
        for disc, colour in zip(self._discs, self._colours, strict=True):
            _paint(self._floor, disc, DISC_RADIUS, tuple(COLOURS.values())[colour])
        return self._seen(), {}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        push = MOVES[int(action)] if self._moves else np.clip(np.asarray(action, np.float32), -1, 1)
        self._velocity = DRAG * self._velocity + THRUST * push
        self._place = np.clip(self._place + self._velocity, -1, 1)
        self._steps += 1
        distances = np.linalg.norm(self._discs - self._place, axis=1)
        touched = int(distances.argmin()) if distances.min() < DISC_RADIUS else None
        reached = touched == self._meant
        reward = -0.1 * float(distances[self._meant]) + float(reached)
        is_over = touched is not None
        return self._seen(), reward, is_over, self._steps >= MAX_STEPS and not is_over, {"success": reached}

    def _seen(self) -> dict[str, Any]:
        picture = self._floor.copy()
        _paint(picture, self._place, OWN_RADIUS, (255, 255, 255))
        numbers = np.concatenate([self._place, self._velocity]).astype(np.float32)
        return {"numbers": numbers, "picture": picture, "text": MISSIONS[self._colours[self._meant]]}


def _paint(picture: NDArray[np.uint8], place: NDArray[np.float32], radius: float, colour: tuple[int, int, int]) -> None:
    """Paints a disc, in place."""
    across, down = (_AXIS - place[0]) ** 2, (_AXIS - place[1]) ** 2
    picture[across[None] + down[:, None] < radius**2] = colour


class FetchSeen(gymnasium.Env[dict[str, Any], int]):
    """minigrid's Fetch: pick up what the text names, and nothing else; the agent's view is a picture of 56 x 56."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self) -> None:
        import minigrid  # noqa: F401  (registers it)
        from minigrid.wrappers import RGBImgPartialObsWrapper

        self._inner = RGBImgPartialObsWrapper(gymnasium.make("MiniGrid-Fetch-5x5-N2-v0").unwrapped)  # type: ignore[arg-type]
        picture = spaces.Box(0, 255, (56, 56, 3), np.uint8)
        self.observation_space = spaces.Dict(picture=picture, text=TEXT)
        self.action_space = spaces.Discrete(7)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict]:
        super().reset(seed=seed)
        return _named(self._inner.reset(seed=seed)[0]), {}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        seen, reward, terminated, truncated, _ = self._inner.step(int(action))
        return _named(seen), float(reward), terminated, truncated, {"success": reward > 0}


def _named(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {"picture": seen["image"], "text": seen["mission"]}


def fetch_missions() -> tuple[str, ...]:
    """Every text of Fetch."""
    from minigrid.core.constants import COLOR_NAMES

    begins = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")
    return tuple(f"{begin} {colour} {kind}" for begin in begins for colour in COLOR_NAMES for kind in ("key", "ball"))


@dataclasses.dataclass(frozen=True)
class OwnWorld:
    """One of the six.

    Args:
        id: for `senseweave.envs.make`.
        senses: what it has, in words.
        missions: every text that it gives; none where it gives none.
        has_success: whether it says what success is; otherwise returns are compared.
    """

    id: str
    senses: str
    missions: tuple[str, ...] = ()
    has_success: bool = True


HERE = __name__
WORLDS = {
    "reach": OwnWorld(f"{HERE}:Reach-v0", "picture, text, 4 numbers; Box(2)", MISSIONS),
    "reach, 5 moves": OwnWorld(f"{HERE}:ReachDiscrete-v0", "picture, text, 4 numbers; Discrete(5)", MISSIONS),
    "fetch": OwnWorld(f"{HERE}:FetchSeen-v0", "picture, text; Discrete(7)", fetch_missions()),
    "cart-pole": OwnWorld("CartPole-v1", "4 numbers; Discrete(2)", has_success=False),
    "acrobot": OwnWorld("Acrobot-v1", "6 numbers; Discrete(3)", has_success=False),
    "pendulum": OwnWorld("Pendulum-v1", "3 numbers; Box(1)", has_success=False),
}

REGISTERED = {"Reach-v0": (Reach, {}), "ReachDiscrete-v0": (Reach, {"moves": True}), "FetchSeen-v0": (FetchSeen, {})}

for _id, (_world, _options) in REGISTERED.items():
    if _id not in gymnasium.registry:  # this file is `own_worlds` for a run and `parts.own_worlds` here
        gymnasium.register(_id, _world, kwargs=_options)  # type: ignore[arg-type]
