"""What trainers.py compares: the contenders, what starts them, and the tasks of each section."""

import argparse
import dataclasses
from typing import Any

OURS = "senseweave"
COMPILED = "senseweave-compiled"
BASELINE = "sb3"
MINIGRID, ROOMS, SEEK = "BabyAI-GoToRedBallGrey-v0", "GoToRedBallGrey", "Seek"
Facts = dict[str, Any]

TORCH_THREADS = ({"threads": 1}, {"threads": 2})


@dataclasses.dataclass(frozen=True)
class Contender:
    """A trainer.

    Args:
        script: the file that trains with it.
        venv: its virtual environment, of `VENVS`; None is the one that trainers.py runs in.
        variants: settings of which a short trial chooses the fastest.
    """

    script: str
    venv: str | None
    variants: tuple[Facts, ...] = ({},)


CONTENDERS = {
    OURS: Contender("trainer_sb3.py", None, ({"threads": 1},)),
    COMPILED: Contender("trainer_sb3.py", None, ({"threads": 1},)),
    BASELINE: Contender("trainer_sb3.py", "sb3", TORCH_THREADS),
    "sb3-contrib": Contender("trainer_sb3.py", "sb3", TORCH_THREADS),
    "cleanrl": Contender("trainer_cleanrl.py", "cleanrl", TORCH_THREADS),
    "torchrl": Contender("trainer_torchrl.py", "torchrl", TORCH_THREADS),
    "rllib": Contender("trainer_rllib.py", "rllib", (*TORCH_THREADS, {"threads": 1, "runners": 2})),
    "sample-factory": Contender("trainer_sample_factory.py", "sample-factory"),
}
"""Ours takes one thread of torch, as `senseweave train` does, and its trainer's own number of workers."""

LABELS = {
    OURS: "senseweave PPO",
    COMPILED: "senseweave PPO, compiled",
    BASELINE: "stable-baselines3 PPO",
    "sb3-contrib": "sb3-contrib RecurrentPPO",
    "cleanrl": "one loop, CleanRL's manner",
    "torchrl": "TorchRL",
    "rllib": "RLlib",
    "sample-factory": "Sample Factory",
}


@dataclasses.dataclass(frozen=True)
class Section:
    """One table.

    Args:
        name: of the option that asks for it.
        title: of the table.
        frames: of each run, unless --frames is given.
        baseline: what ratios are taken to.
        tasks: contender -> what its tasks set.
    """

    name: str
    title: str
    frames: int
    baseline: str
    tasks: dict[str, Facts]


TUNED = {"evaluation_episodes": 1000, "last_ent_coef": 0.0}
SHORT = {"frames": 98_304, "schedule": 65_536, "last_learning_rate": 2e-4, "last_ent_coef": 0.001}
"""Chosen with trainer_search.py on seeds of 10 to 21; where rate and entropy fall to 0, some seeds never get there."""
PLAIN = {"network": "plain", "num_envs": 16, "n_steps": 128, "frames": 245_760}
"""SB3's best known settings. The length, too, was chosen on other seeds: 10 to 13 took 168,000 frames to 97 % (median),
with 368,640 in all 211,000; with 122,880 none of three came there."""
UNCOUNTED = {"uncounted": 8192}
"""Inductor compiles in the first two rollouts; two more leave room for what a slower machine compiles later."""
SPEED_IN_ROOMS = {"level": ROOMS} | UNCOUNTED
SPEED_IN_SEEK = {"level": SEEK} | UNCOUNTED
SEQUENCES = {"n_steps": 40, "batch_size": 640}
"""For memories: 64 environments x 40 steps, as in the papers; a minibatch is a quarter of it."""

SECTIONS = {
    section.name: section
    for section in (
        Section(
            "level",
            "GoToRedBallGrey (minigrid; ours in Rooms), our laptop perception in all of them, 64 x 32 frames a rollout",
            204_800,
            BASELINE,
            {name: {"level": MINIGRID} | UNCOUNTED for name in CONTENDERS}
            | {OURS: SPEED_IN_ROOMS, COMPILED: SPEED_IN_ROOMS | {"compile": True}},
        ),
        Section(
            "seek",
            "Seek, small: camera, sound and instruction; all in Rooms, equal network, 64 x 32 frames a rollout",
            20_480,
            BASELINE,
            {OURS: SPEED_IN_SEEK, COMPILED: SPEED_IN_SEEK | {"compile": True}, BASELINE: SPEED_IN_SEEK},
        ),
        Section(
            "tuned",
            "GoToRedBallGrey, each at its best: SB3 with a plain CNN and GRU, 16 x 128 frames; ours 64 x 32",
            122_880,
            BASELINE,
            {
                OURS: TUNED | SHORT | {"level": ROOMS},
                COMPILED: TUNED | SHORT | {"level": ROOMS, "compile": True},
                BASELINE: TUNED | PLAIN | {"level": MINIGRID},
            },
        ),
        Section(
            "memory",
            "GoToRedBallGrey with a memory: RecurrentPPO's LSTM of 128, our GRU of 128; 64 x 40 frames, batches of 640",
            25_600,
            "sb3-contrib",
            {
                OURS: SEQUENCES | {"level": ROOMS, "memory": "gru"},
                "sb3-contrib": SEQUENCES | {"level": MINIGRID, "memory": "gru"},
            },
        ),
    )
}
QUICK = {"num_envs": 8, "n_steps": 16, "batch_size": 64, "epochs": 1, "uncounted": 0}
TRIAL_UPDATES = 4


def task_of(section: Section, contender: str, seed: int, options: argparse.Namespace) -> Facts:
    """The task of one run, without its log."""
    task: Facts = {"contender": contender, "seed": seed, "frames": section.frames} | section.tasks[contender]
    if options.frames:
        task["frames"] = options.frames
    if options.quick:
        task |= QUICK | {"frames": 512}
        task |= {"evaluation_episodes": 8} if "evaluation_episodes" in task else {}
    return task


def trial_of(task: Facts, variant: Facts) -> Facts:
    """A short run that tells how fast a variant is."""
    rollout = task.get("num_envs", 64) * task.get("n_steps", 32)
    return task | variant | {"frames": TRIAL_UPDATES * rollout, "uncounted": 0, "evaluation_episodes": 0}
