"""Players that nobody has trained, made for a seat: the environment's own expert, and chance."""

from ...perception.errors import ConfigError
from .experts import expert_for
from .players import ExpertPlayer, Player, RandomPlayer
from .registry import Seat


def make_expert(address: str, seat: Seat) -> Player:
    """The environment's own expert.

    Raises:
        ConfigError: it has none.
    """
    _require_alone("expert", address)
    return ExpertPlayer(expert_for(seat.env, seat.env_id))


def make_random(address: str, seat: Seat) -> Player:
    """Chance."""
    _require_alone("random", address)
    return RandomPlayer(seat.env)


def _require_alone(name: str, address: str) -> None:
    if address:
        raise ConfigError(f'The player "{name}" takes nothing behind a colon; got {address!r}. Leave it out.')
