"""What was recorded is sensed again: the same arrays, masks and ages at every tick, from files whole and cut off."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.live.sessions import ACTIONS, MAX_AGE_S, SENSES, Player, make_rig, play, record
from senseweave.envs.live.clock import SystemClock, VirtualClock
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.envs.live.sessions.replay import OF_THE_RIG, Replay
from senseweave.envs.live.sessions.session import DamagedRecording, Session, SessionError, read_session, read_ticks
from senseweave.envs.live.tick import Tick
from senseweave.perception.spec import PRESENT


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Tick]]:
    path = tmp_path_factory.mktemp("sessions") / "session.mcap"
    return path, record(path)


def assert_same(observation: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert observation.keys() == wanted.keys()
    for name, content in wanted.items():
        assert observation[name].dtype == content.dtype
        assert observation[name].tobytes() == content.tobytes(), name


def replay_rig(replay: Replay, **options: Any) -> LiveRig:
    options = {"clock": replay.clock(), "start_up_s": 0.0} | options
    return LiveRig(replay.senses, replay.sensors(), action_names=ACTIONS, step_s=0.1, **options)


def test_the_recorded_session_has_every_kind_of_trouble(recorded) -> None:
    _, ticks = recorded
    shares = np.mean([tick.moment.observation[PRESENT] for tick in ticks], axis=0)
    assert {name for name, share in zip(SENSES, shares, strict=True) if 0 < share < 1} >= {"audio", "camera", "view"}
    assert {event.kind for tick in ticks for event in tick.moment.events} >= {"absent", "back", "failed", "dropped"}


def test_a_replay_on_the_recorded_clock_gives_the_same_observations_ages_and_events(recorded) -> None:
    path, ticks = recorded
    again = play(replay_rig(Replay(path)), 5.0)
    assert len(again) == len(ticks) == 50
    for new, old in zip(again, ticks, strict=True):
        assert new.moment.time_ns == old.moment.time_ns
        assert_same(new.moment.observation, old.moment.observation)
        assert new.moment.ages_s == old.moment.ages_s
        assert new.moment.instruction == old.moment.instruction
        assert [event for event in new.moment.events if event.sense] == [
            event for event in old.moment.events if event.sense
        ]


def test_read_session_gives_the_same_observations_actions_and_gates(recorded) -> None:
    path, ticks = recorded
    steps = list(read_session(path))
    assert len(steps) == len(ticks)
    for (observation, action, info), tick in zip(steps, ticks, strict=True):
        assert_same(observation, tick.moment.observation)
        assert info["ages_s"] == tick.moment.ages_s
        assert tick.sent is not None and tick.move is not None
        assert (action, info["name"]) == (tick.sent.action, ACTIONS[action])
        assert info["gates"] == tick.move.gates
        assert info["lost"] == ()
    told = [event for _, _, info in steps for event in info["events"]]
    assert told == [event for tick in ticks for event in tick.moment.events]


def test_read_ticks_gives_what_observers_of_the_loop_saw(recorded) -> None:
    path, ticks = recorded
    again = list(read_ticks(Session(path)))
    assert len(again) == len(ticks)
    for new, old in zip(again, ticks, strict=True):
        assert_same(new.moment.observation, old.moment.observation)
        for field in ("time_ns", "ages_s", "events", "instruction", "absent"):
            assert getattr(new.moment, field) == getattr(old.moment, field), field
        for name, reading in old.moment.readings.items():
            other = new.moment.readings[name]
            assert (other is None) == (reading is None)
            if reading is not None:
                assert (other.captured_ns, other.number, other.text) == (
                    reading.captured_ns,
                    reading.number,
                    reading.text,
                )
        assert (new.move, new.sent.to_json()) == (old.move, old.sent.to_json())
        assert (new.safe_reason, new.is_safe, new.actuator) == (old.safe_reason, old.is_safe, old.actuator)


def test_a_folder_of_sessions_is_read_in_the_order_of_names(tmp_path) -> None:
    for name in ("b.mcap", "a.mcap"):
        record(tmp_path / name, 0.5)
    files = [info["session"].path.name for _, _, info in read_session(tmp_path)]
    assert files == ["a.mcap"] * 5 + ["b.mcap"] * 5
    with pytest.raises(SessionError, match="2 recordings"):
        Replay(tmp_path)


def test_the_session_describes_itself(recorded) -> None:
    session = Session(recorded[0])
    assert session.spec == SENSES
    assert session.action_names == ACTIONS
    assert (session.step_s, session.period_s) == (0.1, 0.1)
    assert session.max_age_s == MAX_AGE_S
    assert session.policy == {"run": "abc"}
    assert session.anchor_ns == 5_000_000_000 and session.wall_ns > 1.7e18


def test_readings_between_the_ticks_are_recorded_too(recorded) -> None:
    path, ticks = recorded
    session = Session(path)
    stored = [part for part in session if hasattr(part, "reading") and part.decoder.name == "audio"]
    used = {part["audio"].captured_ns for part in (tick.moment.readings for tick in ticks) if part["audio"]}
    assert len(stored) > 3 * len(used)
    assert used <= {part.captured_ns for part in stored}
    assert session.damage == ""


def test_sound_that_overlaps_is_stored_once(recorded) -> None:
    messages = [part for part in Session(recorded[0]) if hasattr(part, "reading") and part.decoder.name == "audio"]
    whole = [part for part in messages if len(part.message["data"]) > 4 / 3 * 4 * 321]
    assert len(messages) > 150 and len(whole) < 10
    assert all(part.message["format"] == "pcm-s16" for part in messages)


def test_a_replay_at_another_rate_senses_what_was_there_then(recorded) -> None:
    path, ticks = recorded
    replay = Replay(path)
    rig = replay_rig(replay, clock=VirtualClock(10**12), rate_hz=40.0)
    again = play(rig, 4.9)
    assert len(again) == 196
    for new, old in zip(again[::4], ticks, strict=False):
        assert_same(new.moment.observation, old.moment.observation)
    between = [tick.moment.readings["camera"] for tick in again]
    assert len({part.captured_ns for part in between if part}) > 55  # more than 10 Hz of them


def test_a_replay_in_real_time_takes_its_time(recorded) -> None:
    path, ticks = recorded
    clock = SystemClock()
    before_ns = clock.now_ns()
    again = play(replay_rig(Replay(path), clock=clock), 0.35)
    assert clock.now_ns() - before_ns > 0.3e9
    assert_same(again[0].moment.observation, ticks[0].moment.observation)
    assert all(age_s < 0.5 or age_s == math.inf for age_s in again[2].moment.ages_s.values())


def test_after_the_end_every_sense_becomes_absent_and_says_so_once(recorded) -> None:
    rig = replay_rig(Replay(recorded[0]))
    again = play(rig, 6.0)
    assert again[-1].moment.absent == ("audio", "camera", "compass", "unplugged", "view")  # a text holds for ever
    ends = [event.sense for tick in again for event in tick.moment.events if event.kind == "ended"]
    assert sorted(ends) == ["audio", "camera", "compass", "instruction", "view"]


def test_a_replay_can_be_recorded_and_replayed(recorded, tmp_path) -> None:
    path, ticks = recorded
    rig = replay_rig(Replay(path))
    with Recorder.of(rig, tmp_path / "again.mcap") as recorder:
        play(rig, 5.0, recorder.on_tick)
    for (observation, _, info), tick in zip(read_session(tmp_path / "again.mcap"), ticks, strict=True):
        assert_same(observation, tick.moment.observation)
        assert info["ages_s"] == tick.moment.ages_s


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_read_up_to_there(recorded, tmp_path, share) -> None:
    path, ticks = recorded
    data = path.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: int(len(data) * share)])
    session = Session(tmp_path / "cut.mcap")
    steps = list(session.ticks())
    whole = list(Session(path).ticks())
    assert steps == whole[: len(steps)]
    assert session.damage == "It was cut off." or session.damage.startswith("It is damaged")
    assert 0 < session.share_read <= 1
    with pytest.warns(DamagedRecording, match="were read"):
        list(read_session(tmp_path / "cut.mcap"))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + bytes(1000)])
def test_what_is_no_session_is_refused_in_one_sentence(tmp_path, content) -> None:
    (tmp_path / "x.mcap").write_bytes(content)
    with pytest.raises(SessionError, match="no recorded session"):
        Session(tmp_path / "x.mcap")


def test_a_session_that_is_not_there_or_a_folder_without_one_is_one_sentence(tmp_path) -> None:
    with pytest.raises(SessionError, match="There is no recording"):
        Session(tmp_path / "x.mcap")
    with pytest.raises(SessionError, match="holds no recording"):
        Replay(tmp_path)


def test_what_the_rig_finds_out_is_not_told_twice() -> None:
    kinds = {event.kind for tick in play(make_rig(), 3.0) for event in tick.moment.events}
    assert kinds >= OF_THE_RIG - {"unsteady"}


def test_the_player_of_these_tests_uses_all_actions() -> None:
    player = Player()
    player.start(0)
    assert {player.act(None).action for _ in range(9)} == {0, 1, 2}
