"""Made the golden files with release 0.1, in one go; kept for the record.

    PYTHONPATH=tests python -P make_golden.py

Run by the interpreter of a checkout of that release, with its folder `tests` on the path, this replaces everything that
stands beside it. The paths that it imports are those of that release. test_golden.py must stand beside it, or above.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium
import torch
from live_sessions import record

import senseweave.envs
from senseweave.perception import Perception, PerceptionConfig, Spec
from senseweave.policies import PPO, ImitationSettings, imitate, ppo_settings

HERE = Path(__file__).parent
TINY = PerceptionConfig(width=8, heads=2, latents=2, state_dim=16)
SMALL = PerceptionConfig(width=16, heads=2, latents=3, layers=2, state_dim=24, imputation="autoencoder")
FOLDERS = ("trained", "trained_by_sb3", "imitated", "saved", "perception", "pretrained", "session", "driven_session")
SYMBOLS = ("--env-option", "senses=grid,instruction")
SHORT = ("--evaluation-episodes", "0", "--no-video", "--keep-checkpoints", "1", "--device", "cpu")
LEVEL, LOCAL = "senseweave/GoToRedBallGrey-v0", "senseweave/GoToLocal-v0"


def senseweave_command(*words: str) -> None:
    """Runs the command line in this folder, so that files name no other."""
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli", *words]
    subprocess.run(command, check=True, cwd=HERE, env=os.environ | {"OMP_NUM_THREADS": "1"})


def senses_of(env_id: str, **options: object) -> Spec:
    """What an environment gives."""
    env = senseweave.envs.make(env_id, **options)
    senses = env.get_wrapper_attr("senses")
    env.close()
    return senses


def new_perception(senses: Spec, config: PerceptionConfig, folder: Path) -> None:
    """Saves a perception whose weights are all random, also those that begin at zero."""
    torch.manual_seed(3)
    perception = Perception(senses, config)
    with torch.no_grad():
        for part in perception.parameters():
            part.add_(0.1 * torch.randn_like(part))
    perception.save_pretrained(folder)


def train() -> None:
    """Makes a run directory of each trainer, from perceptions that are smaller than any preset."""
    symbols, trimodal = HERE / "start_symbols", HERE / "start_trimodal"
    new_perception(senses_of(LOCAL, senses="grid,instruction"), TINY, symbols)
    new_perception(senses_of("senseweave/Seek-v0", camera_size=16), TINY, trimodal)
    words = ("--recipe", "plain", "--perception", symbols.name, "--seed", "4", *SHORT)
    learning = ("--memory", "gru", "--auxiliary", "mission=0.5", "--modality-dropout", "0.1", "--num-envs", "8")
    lengths = ("--imitation-steps", "16384", "--steps", "1024", "--checkpoint-every", "500")
    senseweave_command("train", "--env", LOCAL, *SYMBOLS, *learning, *lengths, *words, "--out", "trained")
    babyai = ("--env", "BabyAI-GoToRedBallGrey-v0", "--trainer", "sb3", "--steps", "4096", "--num-envs", "4")
    senseweave_command("train", *babyai, "--learning-rate", "0.003", *words, "--out", "trained_by_sb3")
    seek = ("--env", "senseweave/Seek-v0", "--env-option", "camera_size=16", "--perception", trimodal.name)
    lengths = ("--trainer", "imitation", "--steps", "12288", "--num-envs", "16", "--learning-rate", "0.005")
    senseweave_command("train", *seek, *lengths, *SHORT, "--out", "imitated")
    for folder in ("trained", "trained_by_sb3", "imitated"):
        shutil.rmtree(HERE / folder / "tensorboard")
    for folder in (symbols, trimodal):
        shutil.rmtree(folder)


def save() -> None:
    """Makes a folder of `PPO.save`: a memory that looks again, and an objective beside the losses."""
    env = gymnasium.make_vec(LEVEL, num_envs=4, senses=("grid", "instruction"), device="cpu")
    settings = ppo_settings(env.senses, TINY)
    settings |= {"n_steps": 8, "batch_size": 16, "n_epochs": 2, "seed": 5, "device": "cpu", "workers": 2}
    settings["policy_kwargs"]["memory"] = "looking_gru"
    model = PPO("MultiInputPolicy", env, auxiliary={"contrastive": 0.1}, **settings)
    imitate(model.policy, env, None, steps=16_384, settings=ImitationSettings(learning_rate=5e-3))
    model.learn(96)
    model.save(HERE / "saved")


def perceive() -> None:
    """Makes two perceptions: one saved, with an imputation, and one of `senseweave pretrain`."""
    new_perception(senses_of("senseweave/Seek-v0", camera_size=16), SMALL, HERE / "perception")
    source = ("--env", LOCAL, *SYMBOLS, "--num-envs", "16", "--device", "cpu")
    what = ("--fusion", "early", "--objective", "contrastive=1", "--objective", "autoencoder=0.5")
    senseweave_command("pretrain", *source, *what, "--steps", "40", "--batch-size", "64", "--out", "pretrained")
    shutil.rmtree(HERE / "pretrained" / "tensorboard")


def go_live() -> None:
    """Records two sessions: one of failing sensors on a virtual clock, and one of the policy in a simulated body."""
    record(HERE / "session" / "session.mcap", 4.0)
    words = ("--policy", "imitated", "--body", "senseweave/Seek-v0", "--body-option", "camera_size=16", "--greedy")
    senseweave_command("live", *words, "--seconds", "2.5", "--record", "driven_session", "--device", "cpu")


def main() -> None:
    """Makes everything, and what is expected of it."""
    torch.set_num_threads(1)
    for folder in FOLDERS:
        shutil.rmtree(HERE / folder, ignore_errors=True)
    (HERE / "session").mkdir()
    (HERE / "expected.json").write_text("{}\n", encoding="utf-8")
    train()
    save()
    perceive()
    go_live()
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    from test_golden import measure

    with tempfile.TemporaryDirectory() as folder:
        expected = measure(Path(folder))
    sections = (f"{json.dumps(name)}: {in_lines(section)}" for name, section in expected.items())
    (HERE / "expected.json").write_text("{" + ",\n".join(sections) + "}\n", encoding="utf-8")


def in_lines(section: dict[str, object]) -> str:
    """A JSON object with a line for each of its keys."""
    return "{" + ",\n ".join(f"{json.dumps(key)}: {json.dumps(part)}" for key, part in section.items()) + "}"


if __name__ == "__main__":
    main()
