"""From addresses to bodies: a port, a file, an environment, and a robot of a user's own."""

from pathlib import Path

import pytest

from senseweave.envs.live import Actuator, Body, Command, register_body
from senseweave.envs.live.bodies.actuators import JsonLinesActuator, UdpActuator
from senseweave.envs.live.bodies.open import open_actuator, open_body
from senseweave.envs.live.bodies.registry import BODIES
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.perception.errors import ConfigError, UnknownNameError
from senseweave.perception.spec import Spec, Vector


class Arm(Body):
    """A robot that feels its joints."""

    senses = Spec(joints=Vector(2))
    action_names = ("up", "down")

    def __init__(self, address: str, speed: float = 1.0) -> None:
        self.address, self.speed = address, speed
        self.sent: list[Command] = []

    def send(self, command: Command) -> None:
        self.sent.append(command)


@pytest.fixture(autouse=True)
def arm():
    register_body("arm", Arm)
    yield
    BODIES.pop("arm")


def test_without_an_address_actions_are_dropped_and_with_one_they_go_there() -> None:
    assert type(open_actuator(None)) is Actuator
    port, lines, named = (open_actuator(address) for address in ("udp:9000", "a/b.jsonl", "jsonl:udp.jsonl"))
    assert isinstance(port, UdpActuator) and port._address == ("127.0.0.1", 9000)
    assert isinstance(lines, JsonLinesActuator) and lines.path == Path("a/b.jsonl")
    assert isinstance(named, JsonLinesActuator) and named.path == Path("udp.jsonl")


def test_a_body_is_an_environment_by_its_id_unless_a_scheme_says_otherwise() -> None:
    room = open_body("senseweave/GoToObj-v0", room_size=5)
    assert isinstance(room, BodyActuator) and room.senses.names == ("audio", "camera", "instruction")
    assert isinstance(open_body("env:senseweave/GoToObj-v0"), BodyActuator)
    own = open_body("arm:10.0.0.7", speed=2.0)
    assert isinstance(own, Arm) and (own.address, own.speed) == ("10.0.0.7", 2.0)
    assert isinstance(open_actuator("arm:10.0.0.8"), Arm), "it can be driven without its senses, too"


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        (
            "udp:9000",
            ConfigError,
            '"udp:9000" takes actions but senses nothing, so it is no body; give it to --actions',
        ),
        ("senseweave/GoToObi-v0", UnknownNameError, 'did you mean "senseweave/GoToObj-v0"'),
        ("no_such_package:Thing-v0", UnknownNameError, "cannot be found"),
    ],
)
def test_what_is_no_body_is_refused_in_one_sentence(address: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        open_body(address)


def test_a_port_must_be_a_number() -> None:
    for address in ("udp:", "udp:x", "udp:70000"):
        with pytest.raises(ConfigError, match="`port` must be a whole number"):
            open_actuator(address)
