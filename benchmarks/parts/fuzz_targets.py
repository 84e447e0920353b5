"""What file_fuzz.py reads: each sort of file or folder, how a sound one is made, changed from within, and read.

`read` gives a text that stands for everything that was read, so that two readings can be compared.
"""

import dataclasses
import functools
import hashlib
import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from parts.fuzz_files import hostile_json, hostile_tensors, seal_checkpoint, with_hostile_value, write_with_seal

from senseweave.agent.live.report import write as write_report
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.envs import make
from senseweave.envs.live.sessions import file as recording_file
from senseweave.envs.live.sessions.format import seal
from senseweave.envs.live.sessions.replay import Replay
from senseweave.envs.live.sessions.session import Session, read_session
from senseweave.perception.files import digest, read_tensors, write_tensors
from senseweave.perception.perception import Perception
from senseweave.perception.spec import Spec
from senseweave.perception.tokenizer import Tokenizer
from senseweave.policies.ppo.ppo import PPO
from senseweave.policies.saving import checkpoint as checkpoints
from senseweave.policies.saving import optimizer_state

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"

MESSAGES = 160
"""Messages of the recording that is damaged."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One sort of file.

    Args:
        make: puts a sound one into a folder.
        read: reads it; "told" at the beginning of what it gives means that damage was told.
        hostile: changes what it says, with checksums that fit; says what was done.
        files: patterns of the files that are mutated.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], str]
    hostile: Callable[[Path, random.Random], str]
    files: tuple[str, ...] = ("**/*",)


def _read_run(folder: Path) -> str:
    run = RunDirectory.open(folder)
    policy, steps = load_policy(run, _room(), torch.device("cpu"))
    return f"{run.config.to_json()} {steps} {digest(policy.state_dict())}"


@functools.cache
def _room() -> Any:
    """Made by us: which environment a run may name is another test's business."""
    trained = RunDirectory.open(GOLDEN / "trained").config.train
    return make(trained.env, **trained.env_options)


def _hostile_run(folder: Path, draw: random.Random) -> str:
    if draw.random() < 0.7:
        return hostile_json(folder / "config.json", draw)
    return hostile_tensors(folder / "policy.safetensors", draw)


def _make_checkpoint(folder: Path) -> None:
    """The same moment twice, under two numbers of steps, as a run keeps its last two."""
    shutil.copytree(GOLDEN / "trained" / "checkpoints", folder, dirs_exist_ok=True)
    (newest,) = folder.iterdir()
    older = shutil.copytree(newest, folder / "step-000001")
    state = json.loads((older / "state.json").read_text(encoding="utf-8"))
    write_with_seal(older / "state.json", json.dumps({**_unsealed(state), "steps": 1}))
    seal_checkpoint(older)


def _unsealed(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "sha256"}


def _read_checkpoint(folder: Path) -> str:
    told: list[str] = []
    run_id = RunDirectory.open(GOLDEN / "trained").config.run
    held = checkpoints.load_newest(folder, run_id, told.append)
    tensors = [digest(part) for part in (held.policy, held.optimizer, held.random, held.world)]
    return f"{'told ' if told else ''}{held.steps} {tensors} {json.dumps(held.state, sort_keys=True)}"


def _hostile_checkpoint(folder: Path, draw: random.Random) -> str:
    newest = sorted(folder.iterdir())[-1]
    sort = draw.choice(("state.json", "state.json", "manifest.json", "policy", "optimizer", "random", "world"))
    if sort == "manifest.json":
        return hostile_json(newest / sort, draw)
    what = hostile_json(newest / sort, draw) if "." in sort else hostile_tensors(newest / f"{sort}.safetensors", draw)
    seal_checkpoint(newest)
    return what


def _read_perception(folder: Path) -> str:
    perception = Perception.from_pretrained(folder)
    return f"{perception.spec} {perception.config} {digest(perception.state_dict())}"


def _hostile_perception(folder: Path, draw: random.Random) -> str:
    if draw.random() < 0.3:
        return hostile_tensors(folder / "model.safetensors", draw)
    text, what = with_hostile_value(json.loads((folder / "config.json").read_text(encoding="utf-8")), draw)
    tensors, metadata = read_tensors(folder / "model.safetensors")
    metadata.pop("sha256")
    write_tensors(folder / "model.safetensors", tensors, metadata | {"description": text})
    (folder / "config.json").write_text(text, encoding="utf-8")
    return f"config.json: {what}"


def _read_model(folder: Path) -> str:
    model = PPO.load(folder, device="cpu")
    settings = {name: str(getattr(model, name)) for name in ("n_steps", "n_epochs", "gamma", "seed", "batch_size")}
    optimizer, groups = optimizer_state.to_parts(model.policy.optimizer)
    described = RunDirectory.open(folder).config  # as `senseweave evaluate` looks at it
    read = f"{settings} {model.num_timesteps} {digest(model.policy.state_dict())} {digest(optimizer)} {groups}"
    return f"{read} {described.spec} {described.action_names}"


def _hostile_model(folder: Path, draw: random.Random) -> str:
    if draw.random() < 0.5:
        return hostile_json(folder / "config.json", draw)
    return _hostile_checkpoint(folder / "checkpoints", draw) if draw.random() < 0.8 else _hostile_run(folder, draw)


def _make_model(folder: Path) -> None:
    shutil.copytree(GOLDEN / "saved", folder, dirs_exist_ok=True)


def _make_tokenizer(folder: Path) -> None:
    shutil.copy(ROOT / "perception" / "data" / "tokenizer.json", folder)


def _read_tokenizer(folder: Path) -> str:
    tokenizer = Tokenizer(folder / "tokenizer.json")
    return f"told {tokenizer.identity} {tokenizer.encode('go to the red ball')[0].tolist()}"  # its identity tells


def _hostile_tokenizer(folder: Path, draw: random.Random) -> str:
    text, what = with_hostile_value(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")), draw)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    return what


def _make_recording(folder: Path) -> None:
    """The beginning of the golden session as this release writes it, in small chunks."""
    described, messages = _content(GOLDEN / "session" / "session.mcap")
    _write_recording(folder / "session.mcap", described, messages[:MESSAGES])


def _content(path: Path) -> tuple[dict[str, Any], list[tuple[str, bytes, int, int]]]:
    from mcap.reader import make_reader

    with path.open("rb") as file:
        reader = make_reader(file)
        described = json.loads(next(iter(reader.iter_metadata())).metadata["session"])
        found = reader.iter_messages(log_time_order=False)
        return described, [(channel.topic, part.data, part.log_time, part.publish_time) for _, channel, part in found]


def _write_recording(path: Path, described: Any, messages: list[tuple[str, bytes, int, int]]) -> None:
    spec = Session(GOLDEN / "session" / "session.mcap").spec
    path.unlink(missing_ok=True)
    if isinstance(described, str):  # a text that the recorder would not write; this process is for this one case
        recording_file.as_json, recording_file.seal = str.encode, _seal_of
    file = recording_file.RecordingFile(path, Spec(**spec), described)
    for number, message in enumerate(messages):
        file.add(*message)
        if number % 20 == 19:
            file.flush()
    file.finish()


def _read_recording(folder: Path) -> str:
    path, total = folder / "session.mcap", hashlib.sha256()
    session = Session(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for observation, action, info in read_session(path):
            plain = {name: value for name, value in info.items() if name not in ("session", "events")}
            total.update(repr((action, plain, info["events"])).encode("utf-8", "backslashreplace"))
            total.update(b"".join(observation[name].tobytes() for name in sorted(observation)))
    replay = Replay(path)
    sensors, clock = replay.sensors(), replay.clock()
    for sensor in sensors.values():
        sensor.start(clock)
    for time_ns in range(replay.start_ns, replay.start_ns + 10**9, 10**8):
        for sensor in sensors.values():
            sensor.newest(time_ns)
    list(session.ticks())
    page = folder / "report.html"
    write_report(page, path)
    if "\x1b" in page.read_text(encoding="utf-8"):
        raise AssertionError("an escape code stands in the page")
    facts = session.spec, session.action_names, session.step_s, session.period_s, session.max_age_s, session.policy
    return f"{'told ' if session.damage else ''}{facts} {session.wall_ns} {total.hexdigest()}"


def _hostile_recording(folder: Path, draw: random.Random) -> str:
    path = folder / "session.mcap"
    described, messages = _content(path)
    if draw.random() < 0.4:
        text, what = with_hostile_value(described, draw)
        _write_recording(path, text, messages)
        return f"description: {what}"
    place = draw.randrange(len(messages))
    topic, data, log_ns, publish_ns = messages[place]
    text, what = with_hostile_value(json.loads(data), draw)
    messages[place] = topic, text.encode("utf-8", "surrogatepass"), log_ns, publish_ns
    _write_recording(path, described, messages)
    return f"{topic}: {what}"


def _seal_of(metadata: Any) -> str:
    try:
        return seal(metadata)
    except ValueError:
        return "0"


TARGETS: dict[str, Target] = {
    "run directory": Target(
        lambda folder: [
            shutil.copy(GOLDEN / "trained" / name, folder) for name in ("config.json", "policy.safetensors")
        ],
        _read_run,
        _hostile_run,
    ),
    "checkpoints": Target(_make_checkpoint, _read_checkpoint, _hostile_checkpoint),
    "perception": Target(
        lambda folder: shutil.copytree(GOLDEN / "perception", folder, dirs_exist_ok=True),
        _read_perception,
        _hostile_perception,
    ),
    "PPO.save": Target(_make_model, _read_model, _hostile_model),
    "tokenizer": Target(_make_tokenizer, _read_tokenizer, _hostile_tokenizer),
    "recording": Target(_make_recording, _read_recording, _hostile_recording),
}
"""What is mutated, by the row of docs/results.md."""
