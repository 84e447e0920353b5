"""BabyAI and MiniGrid in the contract's form: the symbolic view or a camera, the mission as tokens, a compass if asked.

`make_babyai("BabyAI-GoToLocal-v0")` knows all `BabyAI-*` and `MiniGrid-*` ids; `BabyAISenses` wraps a MiniGrid
environment of your own. The rules, rewards and time limits stay minigrid's; only the observation is rewritten. There
is no sound here: `audio` is simply not part of the spec. minigrid is imported when the first environment is made.
"""

import builtins
import logging
from typing import Any, Literal, cast

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ...perception.checks import require_whole
from ...perception.errors import ConfigError, MissingExtraError, unknown_name
from ...perception.spec import Camera, Grid, Kind, Spec, Vector
from ...perception.tokenizer import DEFAULT_MAX_TOKENS, default_tokenizer
from ..contract import ACTIONS, Observation
from .construct import construct

View = Literal["grid", "camera"]

STEP_S = 0.1
"""Nominal duration of a step: MiniGrid renders ten frames a second."""


def make_babyai(
    env_id: str,
    *,
    view: View = "grid",
    compass: bool = False,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    tile_size: int = 8,
    engine: Literal["rooms", "minigrid"] = "minigrid",
    **kwargs: Any,
) -> "BabyAISenses":
    """Makes a BabyAI or MiniGrid environment by its own id.

    Args:
        env_id: "BabyAI-..." or "MiniGrid-...".
        view: "grid", the symbolic view, or "camera", the same view drawn in RGB.
        compass: add the agent's heading as a one-hot vector (right, down, left, up), which the mission never needs.
        max_tokens: length of the tokenised mission.
        tile_size: pixels of a cell's side, for `view="camera"`; 8 gives 56 x 56 pixels.
        engine: where `senseweave train` learns: "rooms" is the batched level with the same rules (`twin_of`). What is
            made here is minigrid's own level, whatever it says.
        **kwargs: for `gymnasium.make`, such as `render_mode`, `max_episode_steps` or `agent_view_size`.

    Raises:
        ConfigError: an option is out of range, or minigrid does not take it.
        MissingExtraError: minigrid is not installed.
        UnknownNameError: there is no such id.
    """
    if engine not in ("rooms", "minigrid"):
        raise ConfigError(f'`engine` must be "rooms" or "minigrid"; got {engine!r}.')
    import_minigrid()
    if env_id not in gym.registry:
        raise unknown_name("The environment", env_id, babyai_ids())
    own_options = {"view", "compass", "max_tokens", "tile_size", "engine"}
    env = construct(env_id, kwargs, own_options)
    return BabyAISenses(env, view=view, compass=compass, max_tokens=max_tokens, tile_size=tile_size)


def babyai_ids() -> list[str]:
    """All ids that `make_babyai` knows, in alphabetical order."""
    import_minigrid()
    return sorted(env_id for env_id in gym.registry if env_id.startswith(("BabyAI-", "MiniGrid-")))


def import_minigrid() -> None:
    """Imports minigrid, which registers its ids, and takes its chatter off standard output.

    While BabyAI looks for a solvable room it prints every rejected attempt, and standard output belongs to our caller.
    Giving that one module a `print` of its own leaves the process's streams alone, costs nothing, and is thread-safe.

    Raises:
        MissingExtraError: minigrid is not installed.
    """
    try:
        import minigrid  # noqa: F401  (registers the ids)
        from minigrid.envs.babyai.core import roomgrid_level
    except ImportError as error:
        raise MissingExtraError(f'BabyAI needs minigrid ({error}); run: pip install "minigrid>=3".') from error
    if getattr(roomgrid_level, "print", builtins.print) is builtins.print:
        setattr(roomgrid_level, "print", _log_attempt)  # noqa: B010  (the module declares no such name)


def _log_attempt(*parts: object) -> None:
    logging.getLogger(__name__).debug("%s", " ".join(str(part) for part in parts))


class BabyAISenses(gym.Wrapper[Any, int, Any, int], RecordConstructorArgs):
    """Rewrites a MiniGrid environment's observations as the contract has them.

    `info` holds, at every reset and step, `instruction_text` (the mission) and `instruction_was_truncated`; at the
    last step of an episode, and only there, `is_success`: whether the episode's rewards add up to more than zero.

    Args:
        env: a MiniGrid environment, any observation wrappers left out.
        view: "grid" or "camera".
        compass: add the heading.
        max_tokens: length of the tokenised mission.
        tile_size: pixels of a cell's side.

    Raises:
        ConfigError: an option is out of range or the environment is no MiniGrid.
        SpecError: the view or the tokens are of an impossible size.
    """

    senses: Spec
    action_names: tuple[str, ...]
    step_s: float = STEP_S

    def __init__(
        self,
        env: gym.Env[dict[str, Any], int],
        *,
        view: View = "grid",
        compass: bool = False,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        tile_size: int = 8,
    ) -> None:
        RecordConstructorArgs.__init__(self, view=view, compass=compass, max_tokens=max_tokens, tile_size=tile_size)
        gym.Wrapper.__init__(self, env)
        if view not in ("grid", "camera"):
            raise ConfigError(f'`view` must be "grid" or "camera"; got {view!r}.')
        if not isinstance(compass, bool):
            raise ConfigError(f"`compass` must be true or false; got {compass!r}.")
        require_whole("tile_size", tile_size, 3, 128)
        image = getattr(env.observation_space, "spaces", {}).get("image")
        if not is_minigrid(env) or image is None or len(image.shape) != 3:
            raise ConfigError(
                f"BabyAISenses wraps a MiniGrid environment; got {env}: use senseweave.envs.adapt instead."
            )

        from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

        columns, rows, _ = image.shape
        sizes = tuple(max(index.values()) + 1 for index in (OBJECT_TO_IDX, COLOR_TO_IDX, STATE_TO_IDX))
        self._tokenizer = default_tokenizer()
        kinds: dict[str, Kind] = {"instruction": self._tokenizer.instruction(max_tokens)}
        if view == "grid":
            # minigrid stores the column (to the agent's right) first; it stays so, as published BabyAI agents saw it.
            kinds["grid"] = Grid(columns, rows, sizes)
        else:
            kinds["camera"] = Camera(rows * tile_size, columns * tile_size)
        if compass:
            kinds["compass"] = Vector(4)
        self.senses = Spec(**kinds)
        self.observation_space = self.senses.space()
        self.action_names = ACTIONS[: int(cast(gym.spaces.Discrete, env.action_space).n)]
        self._painter = _Painter(rows, columns, sizes, int(tile_size)) if view == "camera" else None
        self._headings = np.eye(4, dtype=np.float32) if compass else None
        self._max_tokens = max_tokens
        self._all_present = self.senses.present()
        self._episode_return = 0.0
        self._mission: str | None = None
        self._tokens = np.zeros(max_tokens, np.int32)
        self._was_truncated = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; see the class for what `info` holds.

        Raises:
            MissingExtraError: the environment needs a package that is not installed (the WFC mazes do).
        """
        try:
            raw, info = self.env.reset(seed=seed, options=options)
        except gym.error.DependencyNotInstalled as error:
            raise MissingExtraError(f"{self.env} needs a package that is not installed: {error}.") from error
        self._episode_return = 0.0
        return self._sense(raw), self._tell(info)

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Does one action; see the class for what `info` holds."""
        raw, reward, terminated, truncated, info = self.env.step(action)
        reward = float(reward)
        self._episode_return += reward
        observation = self._sense(raw)
        info = self._tell(info)
        if terminated or truncated:
            info["is_success"] = self._episode_return > 0
        return observation, reward, terminated, truncated, info

    def _sense(self, raw: dict[str, Any]) -> Observation:
        mission = raw["mission"]
        if mission != self._mission:  # at most once an episode in minigrid, but nothing forbids it in between
            self._tokens, self._was_truncated = self._tokenizer.encode(mission, self._max_tokens)
            self._mission = mission
        observation: Observation = {}
        if self._painter is not None:
            observation["camera"] = self._painter.paint(raw["image"])
        if self._headings is not None:
            observation["compass"] = self._headings[raw["direction"]].copy()
        if self._painter is None:
            observation["grid"] = raw["image"]  # minigrid makes a new array for every observation
        observation["instruction"] = self._tokens.copy()
        observation["present"] = self._all_present.copy()
        return observation

    def _tell(self, info: dict[str, Any]) -> dict[str, Any]:
        info["instruction_text"] = self._mission
        info["instruction_was_truncated"] = self._was_truncated
        return info


def is_minigrid(env: gym.Env[Any, Any]) -> bool:
    """Whether the innermost environment is minigrid's, told without importing minigrid."""
    return any(
        base.__module__ == "minigrid.minigrid_env" and base.__name__ == "MiniGridEnv"
        for base in type(env.unwrapped).__mro__
    )


class _Painter:
    """Draws the symbolic view in RGB: what minigrid's own renderer gives, by looking up tiles.

    minigrid draws a cell from nothing but its code (kind, colour, state), whether it is seen, and the agent's arrow,
    so a table of tiles gives the same pixels many times faster. Tiles are drawn, by minigrid, when first needed.
    """

    def __init__(self, rows: int, columns: int, sizes: tuple[int, ...], tile_size: int) -> None:
        from minigrid.core.grid import Grid as MiniGridGrid
        from minigrid.core.world_object import WorldObj

        self._made_of = rows, columns, sizes, tile_size
        self._draw, self._decode = MiniGridGrid.render_tile, WorldObj.decode
        self._sizes, self._tile_size = sizes, tile_size
        self._weights = np.array([sizes[1] * sizes[2], sizes[2], 1], np.int64)
        self._tiles = np.zeros((int(np.prod(sizes)), tile_size, tile_size, 3), np.uint8)
        self._is_drawn = np.zeros(len(self._tiles), bool)
        self._agent_tiles: dict[int, NDArray[np.uint8]] = {}
        self._agent = (columns // 2, rows - 1)
        self._agent_rows = slice((rows - 1) * tile_size, rows * tile_size)
        self._agent_columns = slice(columns // 2 * tile_size, (columns // 2 + 1) * tile_size)
        self._shape = (rows * tile_size, columns * tile_size, 3)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of  # the tiles are drawn again where they are needed

    def paint(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turns codes (columns, rows, 3) into a new picture (rows * tile_size, columns * tile_size, 3)."""
        codes = image.astype(np.int64) @ self._weights  # columns rows
        if not self._is_drawn[codes].all():
            for code in np.unique(codes):
                self._tiles[code] = self._draw_tile(int(code), agent_direction=None)
                self._is_drawn[code] = True
        picture = self._tiles[codes.T].swapaxes(1, 2).reshape(self._shape)  # the reshape copies
        held = int(codes[self._agent])
        if held not in self._agent_tiles:
            self._agent_tiles[held] = self._draw_tile(held, agent_direction=3)
        picture[self._agent_rows, self._agent_columns] = self._agent_tiles[held]
        return picture

    def _draw_tile(self, code: int, agent_direction: int | None) -> NDArray[np.uint8]:
        kind, rest = divmod(code, self._sizes[1] * self._sizes[2])
        is_seen = kind != 0  # unseen cells are drawn empty and not lit
        thing = self._decode(kind, *divmod(rest, self._sizes[2]))
        return self._draw(thing, agent_dir=agent_direction, highlight=is_seen, tile_size=self._tile_size)
