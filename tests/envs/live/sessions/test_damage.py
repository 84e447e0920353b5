"""Damaged and hostile recordings: the description is sealed, a bad chunk costs itself, and everybody is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from kit.live.sessions import record
from senseweave.envs.live.sessions import file as recording_file
from senseweave.envs.live.sessions.format import SessionError, seal
from senseweave.envs.live.sessions.replay import Replay
from senseweave.envs.live.sessions.session import DamagedRecording, Session, read_session, read_ticks
from senseweave.perception.spec import Camera, Microphone, Spec, Vector

MARK = b"\x04\x00\x00\x00zstd"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """5 s in small chunks, as a live session of a minute has them."""
    path = tmp_path_factory.mktemp("sessions") / "session.mcap"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_file, "CHUNK_BYTES", 8192)
        record(path)
    return path


def everything(path: Path) -> dict[int, tuple]:
    """Tick -> what was read of it."""
    return {
        info["time_ns"]: (observation, action, info["ages_s"], info["instruction"], info["lost"])
        for observation, action, info in read_session(path)
    }


def same(one: tuple, other: tuple) -> bool:
    return all(np.array_equal(one[0][name], other[0][name]) for name in one[0]) and one[1:4] == other[1:4]


def chunk_starts(data: bytes) -> list[int]:
    starts, at = [], data.find(MARK)
    while at >= 0:
        if data[at - 37] == 6:  # a chunk, and not what the summary says of one
            starts.append(at - 37)
        at = data.find(MARK, at + 1)
    return starts


def test_a_new_recording_is_sealed_and_whole(recorded):
    session = Session(recorded)
    list(session)
    assert session.is_sealed and session.damage == "" == session.damage_told and session.share_read == 1.0
    assert len(chunk_starts(recorded.read_bytes())) > 8, "the tests below need several chunks"


def test_a_recording_of_an_earlier_release_is_read_and_says_that_it_has_no_seal():
    session = Session(Path(__file__).parents[3] / "golden" / "session" / "session.mcap")
    assert not session.is_sealed and len(list(session)) > 0 and session.damage == ""


def test_every_bit_of_the_description_is_guarded(recorded, tmp_path):
    data, whole = recorded.read_bytes(), Session(recorded)
    start = data.index(b'{"spec"')
    end = data.index(b"sha256", start)
    for at in range(start - 60, end + 80, 5):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        (tmp_path / "x.mcap").write_bytes(flipped)
        try:
            session = Session(tmp_path / "x.mcap")
        except SessionError as error:
            assert "\n" not in str(error)
            continue
        assert session.spec == whole.spec and session.step_s == whole.step_s and session.policy == whole.policy, at
        list(session)
        assert session.damage, f"bit {at % 8} of byte {at} was not told"


@pytest.mark.parametrize("where", ["content", "length", "checksum"])
def test_a_damaged_chunk_costs_itself_and_is_told(recorded, tmp_path, where):
    data = bytearray(recorded.read_bytes())
    starts = chunk_starts(bytes(data))
    begin = starts[len(starts) // 2]
    data[begin + {"content": 60, "length": 2, "checksum": 33}[where]] ^= 0x40
    (tmp_path / "x.mcap").write_bytes(data)
    whole = everything(recorded)
    with pytest.warns(DamagedRecording, match=r"damaged.*\d\d\.\d % of its bytes were read"):
        read = everything(tmp_path / "x.mcap")
    assert 0.7 * len(whole) < len(read) < len(whole) and list(read)[-1] == list(whole)[-1]
    sound = [time_ns for time_ns, part in read.items() if not part[4]]
    assert all(same(read[time_ns], whole[time_ns]) for time_ns in sound) and len(sound) > 0.6 * len(whole)
    for part in read.values():
        for name in part[4]:
            assert not part[0][name].any(), "what is lost is absent, not wrong"
    session = Session(tmp_path / "x.mcap")
    list(session)
    assert 0.5 < session.share_read < 1.0 and "missing" in session.damage


def test_the_first_chunk_can_be_missing_too(recorded, tmp_path):
    data = bytearray(recorded.read_bytes())
    data[chunk_starts(bytes(data))[0] + 60] ^= 1
    (tmp_path / "x.mcap").write_bytes(data)
    with pytest.warns(DamagedRecording):
        assert len(everything(tmp_path / "x.mcap")) > 0.7 * len(everything(recorded))


def test_a_chunk_that_stands_there_twice_is_read_once_and_told(recorded, tmp_path):
    data = recorded.read_bytes()
    first, second = chunk_starts(data)[2:4]
    (tmp_path / "x.mcap").write_bytes(data[:second] + data[first:second] + data[second:])
    with pytest.warns(DamagedRecording, match="twice"):
        read = everything(tmp_path / "x.mcap")
    whole = everything(recorded)
    assert read.keys() == whole.keys() and all(same(read[time_ns], whole[time_ns]) for time_ns in whole)


@pytest.mark.parametrize("behind", ["another recording", "noise"])
def test_what_stands_behind_the_end_is_told(recorded, tmp_path, behind):
    data, whole = recorded.read_bytes(), everything(recorded)
    (tmp_path / "x.mcap").write_bytes(data + (data if behind == "another recording" else bytes(range(200))))
    with pytest.warns(DamagedRecording, match=r"something else stands behind its end"):
        read = everything(tmp_path / "x.mcap")
    assert read.keys() == whole.keys() and all(same(read[time_ns], whole[time_ns]) for time_ns in whole)


def test_random_damage_is_never_silent(recorded, tmp_path):
    whole, data = everything(recorded), recorded.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(15):
        flipped = bytearray(data)
        flipped[generator.integers(len(data) - 200)] ^= 1 << int(generator.integers(8))
        (tmp_path / "x.mcap").write_bytes(flipped)
        try:
            session = Session(tmp_path / "x.mcap")
            list(session)
        except SessionError:
            continue
        if not session.damage:
            read = everything(tmp_path / "x.mcap")
            assert read.keys() == whole.keys() and all(same(read[time_ns], whole[time_ns]) for time_ns in whole)


DESCRIBED = {
    "spec": Spec(compass=Vector(3), audio=Microphone(1, 160, 16000), camera=Camera(16, 16)).to_json(),
    "action_names": ["left"],
    "step_s": 0.1,
    "period_s": 0.1,
    "max_age_s": {"compass": 0.3},
    "policy": {},
    "anchor_ns": 0,
    "wall_ns": 0,
}
TICK = {
    "time_ns": 10**9,
    "captured_ns": {"compass": 5},
    "ages_s": {"compass": 0.1},
    "action": 0,
    "name": "left",
    "tick": 0,
    "sent_ns": 10**9,
    "is_safe": False,
    "safe_reason": "",
    "chosen": 0,
    "gates": {"compass": 0.5},
    "instruction": "",
    "actuator": {},
}


def write(path: Path, monkeypatch, description: str, messages: list[tuple[str, str]]) -> None:
    """Any texts, with every checksum right, as somebody who wants to hurt would write them."""

    def seal_of(metadata):
        try:
            return seal(metadata)
        except ValueError:
            return "0"

    with monkeypatch.context() as patch:
        patch.setattr(recording_file, "as_json", lambda value: description.encode("utf-8", "surrogatepass"))
        patch.setattr(recording_file, "seal", seal_of)
        file = recording_file.RecordingFile(path, Spec(compass=Vector(3)), {})
    for topic, text in messages:
        file.add(topic, text.encode("utf-8", "surrogatepass"), 10**9, 10**9)
    file.finish()


def changed(content: dict, **changes: object) -> str:
    """JSON in which some values are texts that stand there as they are."""
    text = json.dumps({**content, **dict.fromkeys(changes)})
    for name, value in changes.items():
        text = text.replace(f'"{name}": null', f'"{name}": {value}')
    return text


DESCRIPTIONS = {
    "a huge vector": changed(DESCRIBED, spec='{"compass": {"kind": "Vector", "size": 500000000}}'),
    "a huge camera": changed(DESCRIBED, spec='{"camera": {"kind": "Camera", "height": 100000, "width": 100000}}'),
    "a camera of 2**70": changed(DESCRIBED, spec=f'{{"camera": {{"kind": "Camera", "height": {2**70}, "width": 64}}}}'),
    "many large senses": changed(
        DESCRIBED, spec=json.dumps({f"s{i}": {"kind": "Vector", "size": 2**22} for i in range(20)})
    ),
    "a period of 0": changed(DESCRIBED, period_s="0"),
    "a period of 1e308": changed(DESCRIBED, period_s="1e308"),
    "a period of 1e400": changed(DESCRIBED, period_s="1e400"),
    "an infinite step": changed(DESCRIBED, step_s="Infinity"),
    "a step of nothing": changed(DESCRIBED, step_s='""'),
    "deep brackets": "[" * 100_000 + "]" * 100_000,
    "deep inside": changed(DESCRIBED, policy="[" * 100_000 + "]" * 100_000),
    "a list": "[]",
    "nothing": "",
    "a time of 1e308": changed(DESCRIBED, wall_ns="1e308"),
    "two of one key": '{"step_s": 1, ' + json.dumps(DESCRIBED)[1:],
    "numbers for actions": changed(DESCRIBED, action_names=json.dumps([0] * 100_000)),
    "many actions": changed(DESCRIBED, action_names=json.dumps(["a"] * 100_000)),
    "ages that are a list": changed(DESCRIBED, max_age_s="[1]"),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_hostile_description_is_one_sentence_before_anything_large_is_made(name, tmp_path, monkeypatch):
    write(tmp_path / "x.mcap", monkeypatch, DESCRIPTIONS[name], [])
    monkeypatch.setattr(np, "zeros", lambda *_, **__: pytest.fail("an array was made"))
    with pytest.raises(SessionError) as caught:
        Session(tmp_path / "x.mcap")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


READING = {"data": "AAAAAAAAAAAAAAAA", "format": "<f4", "captured_ns": 5, "number": 0}
MESSAGES = {
    "an infinite time": ("/senses/compass", changed(READING, captured_ns="Infinity")),
    "a time of 1e308": ("/senses/compass", changed(READING, captured_ns="1e308")),
    "a time of 2**80": ("/senses/compass", changed(READING, captured_ns=str(2**80))),
    "deep brackets": ("/senses/compass", "[" * 100_000),
    "a reading that is a list": ("/senses/compass", "[]"),
    "no JSON": ("/ticks", "\x00"),
    "half a character": ("/ticks", "\ud800"),
    "gates that are a text": ("/ticks", changed(TICK, gates='"wide"')),
    "a gate that is a text": ("/ticks", changed(TICK, gates='{"compass": "wide"}')),
    "no is_safe": ("/ticks", json.dumps({name: value for name, value in TICK.items() if name != "is_safe"})),
    "no time": ("/ticks", json.dumps({name: value for name, value in TICK.items() if name != "time_ns"})),
    "a tick of 2**80": ("/ticks", changed(TICK, time_ns=str(2**80))),
    "an instruction that is a number": ("/ticks", changed(TICK, instruction="3")),
    "an actuator that is a text": ("/ticks", changed(TICK, actuator='"arm"')),
    "ages of 1e400": ("/ticks", changed(TICK, ages_s='{"compass": 1e400}')),
    "times that are a text": ("/ticks", changed(TICK, captured_ns='"now"')),
    "an event of a list": ("/events", '{"kind": ["absent"], "time_ns": 1, "sense": "", "detail": ""}'),
    "an event of no time": ("/events", '{"kind": "absent", "time_ns": NaN, "sense": "", "detail": ""}'),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_hostile_message_is_one_sentence_for_whoever_reads(name, tmp_path, monkeypatch):
    described = changed(DESCRIBED, spec='{"compass": {"kind": "Vector", "size": 3}}')
    write(tmp_path / "x.mcap", monkeypatch, described, [MESSAGES[name], ("/ticks", json.dumps(TICK))])
    for read in (
        lambda path: list(read_session(path)),
        lambda path: list(read_ticks(Session(path))),
        lambda path: Replay(path),
    ):
        with pytest.raises(SessionError) as caught:
            read(tmp_path / "x.mcap")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_reading_that_does_not_fit_is_one_sentence_when_it_is_looked_at(tmp_path, monkeypatch):
    described = changed(DESCRIBED, spec='{"compass": {"kind": "Vector", "size": 3}}')
    for data in ('"AAAA"', '"!!"', "7", '"AAAAAAAAAAAAAMB/"'):
        path = tmp_path / "x.mcap"
        path.unlink(missing_ok=True)
        messages = [("/senses/compass", changed(READING, data=data)), ("/ticks", json.dumps(TICK))]
        write(path, monkeypatch, described, messages)
        with pytest.raises(SessionError, match='A reading of "compass" in the recording is damaged'):
            list(read_session(path))


def test_a_folder_a_fifo_and_a_device_are_one_sentence(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo.mcap")
    (tmp_path / "zero.mcap").symlink_to("/dev/zero")
    for name in ("fifo.mcap", "zero.mcap"):
        with pytest.raises(SessionError, match="it is a (FIFO|device), not a file"):
            Session(tmp_path / name)
