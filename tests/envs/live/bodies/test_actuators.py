"""Where actions go, and a simulated room as the body of a rig."""

import json
import os
import socket

import gymnasium as gym
import numpy as np
import pytest

import senseweave.envs  # noqa: F401  registers the rooms
from senseweave.envs.live.bodies.actuators import Actuator, CallbackActuator, Command, JsonLinesActuator, UdpActuator
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.wrappers import SensorOutages
from senseweave.perception.errors import ConfigError, SpecError
from senseweave.perception.spec import PRESENT

GO = Command(np.int64(2), "forward", 1_000, 7, False)
TURN = Command(np.array([0.5, -1.0], np.float32), "", 2_000, 8, True)


def test_a_command_is_plain_json_whatever_its_action() -> None:
    assert GO.to_json() == {"tick": 7, "time_ns": 1_000, "action": 2, "name": "forward", "is_safe": False}
    assert json.loads(json.dumps(TURN.to_json()))["action"] == [0.5, -1.0]
    assert Command(3, "", 0, 0, False).to_json()["action"] == 3


def test_a_function_gets_every_command_and_no_actuator_gets_none() -> None:
    got: list[Command] = []
    actuator = CallbackActuator(got.append)
    actuator.open(VirtualClock())
    actuator.send(GO)
    Actuator().send(GO)
    assert got == [GO]


def test_lines_are_in_the_file_as_soon_as_they_are_sent(tmp_path) -> None:
    path = tmp_path / "actions.jsonl"
    path.write_text("old")
    actuator = JsonLinesActuator(path)
    actuator.open(VirtualClock())
    actuator.send(GO)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [GO.to_json()]
    actuator.send(TURN)
    assert len(path.read_text().splitlines()) == 2
    actuator.close()
    actuator.close()


def test_a_file_that_cannot_be_written_is_refused_in_a_sentence(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(ConfigError, match="Actions cannot be written"):
            JsonLinesActuator(path).open(VirtualClock())


def test_a_pipe_that_is_full_loses_lines_instead_of_holding_the_loop_up(tmp_path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="reader of a pipe first"):
        JsonLinesActuator(path).open(VirtualClock())
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    actuator = JsonLinesActuator(path)
    actuator.open(VirtualClock())
    with pytest.raises(OSError):
        for _ in range(100_000):
            actuator.send(GO)
    assert json.loads(os.read(reader, 1 << 20).splitlines()[0]) == GO.to_json()
    actuator.close()
    os.close(reader)


def test_a_datagram_for_every_command_reaches_the_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        actuator = UdpActuator(receiver.getsockname()[1])
        actuator.open(VirtualClock())
        actuator.send(GO)
        actuator.send(TURN)
        assert [json.loads(receiver.recv(4096)) for _ in range(2)] == [GO.to_json(), TURN.to_json()]
        actuator.close()


def test_nobody_listening_is_no_fault() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    actuator = UdpActuator(port)
    actuator.open(VirtualClock())
    for _ in range(5):
        actuator.send(GO)
    actuator.close()


@pytest.mark.parametrize(("port", "host"), [(0, "127.0.0.1"), (70_000, "127.0.0.1"), ("9", "::1"), (9, "192.0.2.1")])
def test_other_machines_and_impossible_ports_are_refused(port, host: str) -> None:
    with pytest.raises(ConfigError):
        UdpActuator(port, host)


@pytest.fixture
def body() -> BodyActuator:
    return BodyActuator(gym.make("senseweave/GoToLocal-v0", disable_env_checker=True))


def rig_of(body: BodyActuator, **options) -> LiveRig:
    return LiveRig(
        body.senses, body.sensors(), action_names=body.action_names, actuator=body, clock=VirtualClock(), **options
    )


def test_a_room_behind_a_rig_is_the_room_itself(body: BodyActuator) -> None:
    rig = rig_of(body)
    room = gym.make("senseweave/GoToLocal-v0", disable_env_checker=True)
    observation, info = rig.reset(seed=3)
    wanted, told = room.reset(seed=3)
    generator = np.random.default_rng(0)
    for _ in range(40):
        assert info["instruction_text"] == told["instruction_text"]
        for key, content in wanted.items():
            assert np.array_equal(observation[key], content)
        action = int(generator.integers(len(body.action_names)))
        observation, _, _, _, info = rig.step(action)
        wanted, reward, terminated, truncated, told = room.step(action)
        assert info["actuator"]["reward"] == reward
        assert info["actuator"]["terminated"] == terminated
        if terminated or truncated:
            wanted, told = room.reset()
    rig.close()


def test_the_bodys_episodes_go_by_while_the_rigs_goes_on(body: BodyActuator) -> None:
    rig = rig_of(body)
    rig.reset(seed=0)
    for _ in range(200):
        _, reward, terminated, truncated, info = rig.step(rig.unwrapped._actuator.env.unwrapped.expert_action())
        assert (reward, terminated, truncated) == (0.0, False, False)
    report = info["actuator"]
    assert report["episodes"] >= 10
    assert report["successes"] == report["episodes"]


def test_a_rig_may_take_some_senses_of_the_body_and_leave_others_to_devices(body: BodyActuator) -> None:
    rig = LiveRig(
        body.senses, body.sensors(["camera"]), action_names=body.action_names, actuator=body, clock=VirtualClock()
    )
    observation, info = rig.reset(seed=0)
    assert observation[PRESENT].tolist() == [0, 1, 0]
    assert info["instruction_text"] == ""


def test_a_body_that_stands_still_is_not_seen_for_ever(body: BodyActuator) -> None:
    rig = rig_of(body, required=("camera",), safe_action="done")
    rig.reset(seed=0)
    body.send = lambda command: None
    presence = [int(rig.step(2)[0][PRESENT][1]) for _ in range(8)]
    assert presence == [1, 1, 1, 1, 1, 0, 0, 0]


def test_what_the_body_does_not_sense_ages_as_with_a_device() -> None:
    room = SensorOutages(gym.make("senseweave/GoToLocal-v0", disable_env_checker=True), {"camera": 1.0})
    body = BodyActuator(room)
    rig = rig_of(body, start_up_s=0.1)
    assert rig.reset(seed=0)[0][PRESENT].tolist() == [1, 0, 1]


def test_a_body_must_tell_its_senses_and_have_those_that_are_asked_for(body: BodyActuator) -> None:
    with pytest.raises(SpecError, match=r"senseweave\.envs\.adapt"):
        BodyActuator(gym.make("CartPole-v1"))
    with pytest.raises(ConfigError, match='did you mean "camera"'):
        body.sensors(["camra"])
