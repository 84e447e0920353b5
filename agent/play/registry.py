"""`PLAYERS`: who can play an environment, by the name that `--player` takes. A new one is a function and a line here.

What stands behind a colon is the player's own affair: "policy:runs/seek". `PLAYERS.register("mine", make)`, or the
entry-point group `senseweave.players` of an installed package, adds one. Nothing heavy is imported here.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...perception.errors import unknown_name
from ...perception.registry import Registry

if TYPE_CHECKING:
    import gymnasium

    from .players import Player


@dataclasses.dataclass(frozen=True)
class Seat:
    """Where a player plays.

    Args:
        env: the environment.
        env_id: its id, for messages.
        device: of a player's network: auto, cpu, cuda or cuda:N.
        greedy: whether a policy takes the most probable action instead of a sampled one.
    """

    env: "gymnasium.Env[Any, Any]"
    env_id: str
    device: str = "auto"
    greedy: bool = False


PLAYERS: "Registry[Callable[[str, Seat], Player]]" = Registry(
    "player",
    {
        "expert": ".unlearned:make_expert",
        "random": ".unlearned:make_random",
        "policy": "..runs.policies:make_policy_player",
    },
    __package__,
)
"""Name -> what makes the player, given the words behind the colon and its seat."""


def name_of(player: str) -> str:
    """The name in `PLAYERS` of what `--player` says.

    Raises:
        UnknownNameError: there is no such player.
    """
    name = player.partition(":")[0]
    if name not in PLAYERS:
        raise unknown_name("The player", name, PLAYERS.all_names())
    return name


def make_player(player: str, seat: Seat) -> "Player":
    """The player that `--player` says.

    Raises:
        UnknownNameError: there is no such player.
        ConfigError: it cannot play there.
    """
    return PLAYERS[name_of(player)](player.partition(":")[2], seat)
