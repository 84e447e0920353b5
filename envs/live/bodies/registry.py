"""`BODIES`: where actions can go, by what an address names before its colon, "udp:9000"; imported when it is used.

An address without a scheme is a file of JSON lines (`--actions`), or the id of an environment (`--body`); see open.py.
"""

from ....perception.registry import Registry
from .actuators import Actuator

BODIES: Registry[type[Actuator]] = Registry(
    "body",
    {
        "udp": ".actuators:UdpActuator",
        "jsonl": ".actuators:JsonLinesActuator",
        "env": ".simulated:BodyActuator",
    },
    __package__,
)
"""Scheme -> class: "jsonl:actions.jsonl" is a file, as "actions.jsonl" is where actions are to be written."""


def register_body(scheme: str, target: type[Actuator] | str) -> None:
    """Adds a body of your own: `--actions arm:10.0.0.7` reaches it, and `--body arm:10.0.0.7` if it senses as well.

    An installed package can declare it instead, as an entry point in the group `senseweave.bodies`; the command line
    finds it then.

    Args:
        scheme: what stands before the colon, "arm" of "arm:10.0.0.7".
        target: the class, or "module:Class": an `Actuator`, a `Body` if it senses. It is made by `Actuator.at`.

    Raises:
        ConfigError: there is another body of that name.
    """
    BODIES.register(scheme, target)
