"""From an address to a body: `open_actuator` for where actions are only sent, `open_body` for one that senses too."""

from typing import Any

from ....perception.errors import ConfigError
from ..scheme import split_scheme
from .actuators import Actuator, Body
from .registry import BODIES


def open_actuator(address: str | None) -> Actuator:
    """Makes what takes actions; nothing is opened yet.

    Args:
        address: a file or a named pipe for JSON lines, "udp:9000", or a scheme of `BODIES`; None drops all actions.

    Raises:
        ConfigError: the address cannot be.
    """
    if address is None:
        return Actuator()
    scheme, rest = split_scheme(address, BODIES)
    return BODIES[scheme or "jsonl"].at(rest)


def open_body(address: str, **options: Any) -> Body:
    """Makes a body that senses.

    Args:
        address: the id of an environment, "package:Id" of one of your own, or a scheme of `BODIES`.
        **options: of that environment or body.

    Raises:
        SenseweaveError: there is no such body or environment, it senses nothing, or an option is wrong.
    """
    scheme, rest = split_scheme(address, BODIES)
    body = BODIES[scheme or "env"].at(rest, **options)
    if not isinstance(body, Body):
        raise ConfigError(f'"{address}" takes actions but senses nothing, so it is no body; give it to --actions.')
    return body
