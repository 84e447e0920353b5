"""What release 0.1 wrote is read, used and gone on with, and tells what it told then.

files/ holds what that release wrote with its own commands, and expected.json what it said of it; files/make_golden.py
made both, with the functions below. Everything is reached through paths that the documents name.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import senseweave.envs
from kit.limits import HANG_S
from senseweave.agent.build import load_policy
from senseweave.agent.cli import main
from senseweave.agent.rundir import RunDirectory
from senseweave.envs.live.session import read_session
from senseweave.perception import Perception, Spec
from senseweave.policies import PPO

HERE = Path(__file__).parent
FILES = next(folder for folder in (HERE / "files", HERE) if (folder / "expected.json").exists())
EXPECTED: dict[str, Any] = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))

RUNS = ("trained", "trained_by_sb3", "imitated")
POLICIES = (*RUNS, "saved")
PERCEPTIONS = ("perception", "pretrained")
SESSIONS = ("session", "driven_session")
LATER_STEPS = {"trained": 1900, "trained_by_sb3": 5120, "imitated": 12800}
ONLY_TRAIN = ("--device", "cpu", "--evaluation-episodes", 0, "--no-video")
SEED, DIGITS = 11, 7
ACTIONS = (0, 2, 2, 0, 2, 1, 2, 2, 0, 0, 2, 2)


def rounded(value: Any) -> Any:
    """Plain JSON values, with floats of a few digits."""
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return rounded(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Compares plain JSON values: floats nearly, all else exactly; objects may have got further keys since then."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and expected.keys() <= found.keys(), f"{where}: {expected.keys()}"
        for key, part in expected.items():
            assert_same(found[key], part, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), f"{where}: {len(expected)} values"
        for i, part in enumerate(expected):
            assert_same(found[i], part, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True), where
    else:
        assert found == expected, where


def told(*words: object) -> dict[str, Any]:
    """What a command prints as JSON."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main([*map(str, words), "--json"])
    assert status == 0, words
    return json.loads(printed.getvalue())


def told_by_a_process(*words: object) -> dict[str, Any]:
    """The same, from a process of its own."""
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli", *map(str, words), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_S, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def environment_of(run: RunDirectory) -> Iterator[gymnasium.Env[Any, Any]]:
    """The environment that a run, or a saved model, learned in."""
    env = senseweave.envs.make(run.config.train.env, **run.config.train.env_options)
    yield env
    env.close()


def judge(policy: Any, env: gymnasium.Env[Any, Any]) -> dict[str, Any]:
    """What a policy thinks in episodes whose actions are given, and what it would do and remember."""
    observation, _ = env.reset(seed=SEED)
    thought: dict[str, list[Any]] = {"probabilities": [], "values": [], "actions": [], "memories": []}
    state, memory, is_first = policy.first_state(1), None, True
    for moment, action in enumerate(ACTIONS):
        batch = {name: np.asarray(content)[None] for name, content in observation.items()}
        with torch.no_grad():
            percept = policy.perceive(policy.obs_to_tensor(batch)[0])
            judgement, state = policy.judge(percept, state, torch.tensor([[is_first]]))
        actions, memory = policy.predict(batch, memory, np.array([is_first]), deterministic=True)
        thought["probabilities"].append(judgement.logits[0].softmax(dim=0))
        thought["values"].append(judgement.values[0])
        thought["actions"].append(actions[0])
        thought["memories"].append(None if memory is None else float(np.abs(memory[0]).mean()))
        observation, _, terminated, truncated, _ = env.step(action)
        is_first = terminated or truncated
        if is_first:
            observation, _ = env.reset(seed=SEED + moment)
    return rounded(thought)


def open_policy(name: str) -> dict[str, Any]:
    """The configuration of a run or of a saved model, and what its policy thinks."""
    run = RunDirectory.open(FILES / name)
    with environment_of(run) as env:
        policy, steps = load_policy(run, env, torch.device("cpu"))
        thought = judge(policy, env)
    config = run.config.to_json()
    if name == "saved":  # it does not know how it was trained
        config["train"] = {key: config["train"][key] for key in ("env", "env_options", "steps")}
    return {"config": rounded(config), "steps": steps, "judge": thought}


def load_as_ppo(name: str) -> dict[str, Any]:
    """What the policy thinks that `PPO.load` finds there."""
    model = PPO.load(FILES / name, device="cpu")
    with environment_of(RunDirectory.open(FILES / name)) as env:
        return {"steps": model.num_timesteps, "judge": judge(model.policy, env)}


def evaluate(name: str) -> dict[str, Any]:
    """The figures of `senseweave evaluate`."""
    figures = told("evaluate", FILES / name, "--episodes", 16, "--device", "cpu")
    keys = ("env", "episodes", "trained_steps", "success_rate", "mean_return", "mean_length")
    return rounded({key: figures[key] for key in (*keys, "greedy_success_rate", "greedy_mean_length")})


def go_on(name: str, folder: Path) -> dict[str, Any]:
    """A copy of a run, in `folder`, that learned some steps more by the command line."""
    run = Path(shutil.copytree(FILES / name, folder / name))
    words = ("train", "--resume", run, "--steps", LATER_STEPS[name], *ONLY_TRAIN)
    result = told_by_a_process(*words) if name == "trained" else told(*words)
    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    checkpoints = sorted(path.name for path in (run / "checkpoints").iterdir())
    figures = {key: result[key] for key in ("env", "steps", "episodes", "training_success_rate", "was_interrupted")}
    kept = ("steps", "success_rate", "mean_return", "mean_length", "learning_rate")
    newest = {key: rows[-1][key] and float(rows[-1][key]) for key in kept}
    found = {"rows": [row["steps"] for row in rows], "newest_row": newest, "checkpoints": checkpoints}
    return rounded(figures | found | {"weights": sizes_in(run)})


def learn_on() -> dict[str, Any]:
    """The saved model after some steps more, in environments like those that it was saved with."""
    env = gymnasium.make_vec("senseweave/GoToRedBallGrey-v0", num_envs=4, senses=("grid", "instruction"), device="cpu")
    model = PPO.load(FILES / "saved", env, device="cpu")
    before = model.num_timesteps
    model.learn(64, reset_num_timesteps=False)
    weights = {name: part.numpy() for name, part in model.policy.state_dict().items()}
    return rounded({"steps": [before, model.num_timesteps], "weights": sizes_of(weights)})


def sizes_of(weights: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How large each tensor is, by its norm; those that stand there three times, once."""
    copies = ("pi_features_extractor.", "vf_features_extractor.")
    own = {name: part.astype(np.float64) for name, part in sorted(weights.items()) if not name.startswith(copies)}
    return {name: float(np.linalg.norm(part)) for name, part in own.items()}


def sizes_in(run: Path) -> dict[str, float]:
    """The same, of the newest policy of a run."""
    return sizes_of(load_file(run / "policy.safetensors"))


def readings(senses: Spec, count: int) -> dict[str, np.ndarray]:
    """Random but fixed readings of all senses."""
    draw = np.random.default_rng(SEED)
    drawn = {}
    for name, kind in senses.items():
        space: Any = kind.space()
        if np.issubdtype(space.dtype, np.integer):
            shape = (count, *space.shape)
            drawn[name] = draw.integers(space.low, space.high.astype(np.int64) + 1, shape).astype(space.dtype)
        else:
            drawn[name] = draw.uniform(-1.0, 1.0, (count, *space.shape)).astype(space.dtype)
    return drawn


def perceive(name: str) -> dict[str, Any]:
    """What a saved perception makes of fixed readings: of all senses, and with each of them gone."""
    perception = Perception.from_pretrained(FILES / name).eval()
    raw = readings(perception.spec, 4)
    states = {}
    for gone in ("nothing", *perception.spec):
        seen = raw | {"present": np.tile(perception.spec.present(*[gone] if gone in raw else []), (4, 1))}
        with torch.no_grad():
            state = perception.explain(perception.prepare(seen))
        attention = {sense: part.std(dim=2) for sense, part in (state.attention or {}).items()}
        states[gone] = {"embedding": state.embedding, "gates": state.gates, "attention": attention}
    described = {"spec": perception.spec.to_json(), "config": perception.config.to_json()}
    return rounded(described | {"without": states})


def start_from_pretrained(folder: Path) -> dict[str, Any]:
    """A short training that starts from the perception that `senseweave pretrain` wrote."""
    words = ("train", "--recipe", "plain", "--env", "BabyAI-GoToRedBallGrey-v0", "--steps", 32)
    words += ("--perception", FILES / "pretrained")
    result = told(*words, "--num-envs", 2, *ONLY_TRAIN, "--out", folder / "run")
    fusion = RunDirectory.open(folder / "run").config.perception.fusion
    return rounded({"steps": result["steps"], "fusion": fusion, "weights": sizes_in(folder / "run")})


def read(name: str) -> dict[str, Any]:
    """Everything that `read_session` gives of a recording; arrays as checksums of their bytes."""
    steps = list(read_session(FILES / name))
    session = steps[0][2]["session"]
    sums: dict[str, Any] = {}
    for observation, _, _ in steps:
        for sense, content in observation.items():
            heading = f"{content.dtype} {content.shape}".encode()
            sums.setdefault(sense, hashlib.sha256(heading)).update(np.ascontiguousarray(content).tobytes())
    infos = [info for _, _, info in steps]
    described = {"spec": session.spec.to_json(), "damage": session.damage, "policy": session.policy}
    described |= {key: getattr(session, key) for key in ("action_names", "step_s", "period_s")}
    described |= {"max_age_s": {sense: str(age_s) for sense, age_s in session.max_age_s.items()}}
    found = {
        "ticks": len(steps),
        "sha256": {sense: digest.hexdigest() for sense, digest in sorted(sums.items())},
        "actions": [action for _, action, _ in steps],
        "gates": [info["gates"] for info in infos],
        "events": Counter(event.kind for info in infos for event in info["events"]),
        "instructions": sorted({info["instruction_text"] for info in infos}),
        "oldest_s": {sense: max(info["ages_s"][sense] for info in infos[10:]) for sense in session.spec},
        "lost": sum(len(info["lost"]) for info in infos),
        "safe": sum(info["is_safe"] for info in infos),
        "lasted_ns": infos[-1]["time_ns"] - infos[0]["time_ns"],
    }
    found["oldest_s"] = {sense: str(rounded(age_s)) for sense, age_s in found["oldest_s"].items()}
    return rounded(described | found)


def replay(name: str, *words: object) -> dict[str, Any]:
    """What `senseweave live --replay` tells of a recording."""
    figures = told("live", "--replay", FILES / name, "--full-speed", *words)
    return rounded({key: figures[key] for key in ("ticks", "presence", "safe_ticks", "events_by_kind", "instruction")})


def replay_with_its_policy(folder: Path) -> dict[str, Any]:
    """What the policy that was recorded does when it senses the same again; recorded into `folder`."""
    words = ("--policy", FILES / "imitated", "--greedy", "--device", "cpu", "--record", folder / "again")
    figures = replay("driven_session", *words)
    steps = list(read_session(folder / "again"))
    acted = {"actions": [action for _, action, _ in steps], "gates": [info["gates"] for _, _, info in steps]}
    return figures | rounded(acted)


def measure(folder: Path) -> dict[str, Any]:
    """Everything that expected.json holds; `folder` is for what is written meanwhile."""
    names = ("going_on", "starting", "replaying")
    for name in names:
        (folder / name).mkdir()
    return {
        "policies": {name: open_policy(name) for name in POLICIES},
        "evaluated": {name: evaluate(name) for name in POLICIES},
        "gone_on": {name: go_on(name, folder / "going_on") for name in RUNS},
        "learned_on": learn_on(),
        "perceptions": {name: perceive(name) for name in PERCEPTIONS},
        "started": start_from_pretrained(folder / "starting"),
        "sessions": {name: read(name) for name in SESSIONS},
        "replayed": {name: replay(name) for name in SESSIONS},
        "replayed_with_policy": replay_with_its_policy(folder / "replaying"),
    }


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_of_an_earlier_release_thinks_what_it_thought(name):
    assert_same(open_policy(name), EXPECTED["policies"][name])


@pytest.mark.parametrize("name", ["trained", "imitated", "saved"])
def test_the_ppo_of_this_release_loads_a_policy_of_an_earlier_one(name):
    assert_same(load_as_ppo(name), {key: EXPECTED["policies"][name][key] for key in ("steps", "judge")})


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_of_an_earlier_release_is_as_good_as_it_was(name):
    assert_same(evaluate(name), EXPECTED["evaluated"][name])


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_an_earlier_release_resumes_at_its_step_and_learns_what_it_would_have_learned(name, tmp_path):
    before, gone_on = EXPECTED["policies"][name]["steps"], EXPECTED["gone_on"][name]
    assert gone_on["steps"] - before >= 256
    assert_same(go_on(name, tmp_path), gone_on)


def test_a_saved_model_of_an_earlier_release_learns_on_from_its_step():
    assert_same(learn_on(), EXPECTED["learned_on"])


@pytest.mark.parametrize("name", PERCEPTIONS)
def test_a_perception_of_an_earlier_release_perceives_what_it_perceived(name):
    assert_same(perceive(name), EXPECTED["perceptions"][name])


def test_a_perception_that_an_earlier_release_pretrained_is_a_start_for_training(tmp_path):
    assert_same(start_from_pretrained(tmp_path), EXPECTED["started"])


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recording_of_an_earlier_release_is_read_bit_for_bit(name):
    assert_same(read(name), EXPECTED["sessions"][name])


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recording_of_an_earlier_release_is_replayed(name):
    assert_same(replay(name), EXPECTED["replayed"][name])


def test_a_policy_does_the_same_again_when_its_recording_is_replayed(tmp_path):
    found, recorded = replay_with_its_policy(tmp_path), EXPECTED["sessions"]["driven_session"]
    assert_same(found, EXPECTED["replayed_with_policy"])
    assert_same(found, {key: recorded[key] for key in ("ticks", "actions", "gates")})
