"""What a run's own file may choose of the environment that it is taken to: an allow-list, as a run may be a stranger's.

That are levels of Rooms that come with senseweave, and BabyAI's and MiniGrid's, with options that are plain data.
Whatever can open a device, an address or a file, run a program or import a package has to be named by the user: live
rigs, ViZDoom, Atari, Gymnasium's other ids, levels of installed packages, and every option that is not known here.
"""

import json
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from ...envs.adapters.babyai import BabyAISenses, babyai_ids
from ...envs.live.registration import LIVE_ID
from ...envs.registry import MINIGRID, option_names
from ...envs.rooms.levels.registry import OWN_LEVELS, level_options
from ...envs.rooms.registration import rooms_id
from ...envs.rooms.settings import OPTION_NAMES, SENSES
from ...perception.texts import shown
from ...perception.errors import ConfigError
from ..settings.engines import ENGINE
from .present import UNNAMED

if TYPE_CHECKING:
    from .exported import PolicyFolder

MAX_NUMBER = 1_000_000
"""No number of an option is greater."""

_WORDS = re.compile(r"[A-Za-z0-9_]{1,32}(,[A-Za-z0-9_]{1,32}){0,7}")
"""Choices by name, several of them with commas: nothing that could be a path or an address."""

_ANYWHERE = ("max_episode_steps",)


def needs_naming(env_id: str, options: Mapping[str, Any]) -> str:
    """Why the user must name an environment; "" where a file may choose it.

    Args:
        env_id: as the file has it.
        options: the same.
    """
    known = _known_options(env_id)
    if known is None:
        return f'"{shown(env_id, 80)}" is no level that comes with senseweave, nor BabyAI\'s'
    for name, value in options.items():
        if name not in known:
            return f'"{shown(name, 40)}" is no option that a file may choose'
        if not _is_plain(name, value):
            return f"the option {shown(name, 40)}={shown(repr(value), 40)} is not plain data"
    return ""


def naming(env_id: str, options: Mapping[str, Any]) -> str:
    """What a command needs beside the run directory, with a space before it: "" where the file may choose."""
    if env_id == UNNAMED:
        return " --env ID"
    return f" {as_words(env_id, options)}" if needs_naming(env_id, options) else ""


def as_words(env_id: str, options: Mapping[str, Any]) -> str:
    """An environment as the command line is told of it."""
    pairs = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in options.items()]
    return " ".join([f"--env {shlex.quote(env_id)}", *(f"--env-option {shlex.quote(pair)}" for pair in pairs)])


def choose_env(run: "PolicyFolder", env: str | None, options: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The environment for a run, and its options: the run's own unless others are named.

    Args:
        run: whose file may choose as far as it is allowed to.
        env: the user's choice, if any.
        options: the same. Numbers and switches of an environment that is named need not be named again.

    Raises:
        ConfigError: the user must name what the file may not choose.
    """
    trained = run.config.train
    if env is None and trained.env == UNNAMED:
        raise ConfigError(f"`env` must be named, as the environments of {run.path} have no id; add --env ID.")
    is_own = env in (None, trained.env)
    own_options = trained.env_options if is_own else {}
    reason = needs_naming(trained.env, own_options if options is None else {})
    has_numbers_alone = all(isinstance(value, bool) or _is_number(value) for value in own_options.values())
    is_harmless = has_numbers_alone and trained.env.rpartition(":")[2] != LIVE_ID  # whose cameras have numbers
    is_named = env is not None and (options is not None or is_harmless)
    if is_own and reason and not is_named:
        raise ConfigError(
            f"`env` must be named again, as a file may not choose it ({reason}); "
            f"add {shown(as_words(trained.env, trained.env_options), 400)} if you trust it."
        )
    return env or trained.env, dict(own_options if options is None else options)


def refuse_live(env_id: str) -> None:
    """Refuses a live rig where whole episodes are played.

    Raises:
        ConfigError: it is one.
    """
    if env_id.rpartition(":")[2] == LIVE_ID:
        raise ConfigError(
            f"`env` must have episodes that can be played again, and {LIVE_ID} is a live rig; act on it with "
            "`senseweave live --policy DIR`."
        )


def _known_options(env_id: str) -> set[str] | None:
    """The options that a file may choose for an id; None where it may not choose the id."""
    for level in OWN_LEVELS:
        if env_id == rooms_id(level):
            return {*OPTION_NAMES, *level_options(level), *_ANYWHERE} - {"device", "level", "render_mode"}
    if env_id.startswith(MINIGRID) and env_id in babyai_ids():
        entry = gymnasium.registry[env_id].entry_point
        if isinstance(entry, str) and entry.startswith("minigrid."):
            return option_names(BabyAISenses.__init__) | {*_ANYWHERE, ENGINE, "agent_view_size", "see_through_walls"}
    return None


def _is_plain(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 64 and all(not isinstance(part, list) and _is_plain(name, part) for part in value)
    if isinstance(value, dict):  # sense -> number
        return name == "outages" and value.keys() <= set(SENSES) and all(_is_number(part) for part in value.values())
    if isinstance(value, str):
        return _WORDS.fullmatch(value) is not None
    return value is None or isinstance(value, bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= MAX_NUMBER
