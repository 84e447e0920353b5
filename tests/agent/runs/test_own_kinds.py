"""A run that senses a kind of a user's own: naming the environment's package is enough to use the run again."""

import json
import os
import subprocess
import sys
from pathlib import Path

SMELL = """
import dataclasses
from typing import ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from senseweave.perception import Kind, Spec, TokenGroup, register_encoder, register_kind


@register_kind
@dataclasses.dataclass(frozen=True)
class Scent(Kind):
    receptors: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def space(self):
        return spaces.Box(0.0, 1.0, (self.receptors,), np.float32)


class ScentEncoder(torch.nn.Module):
    def __init__(self, kind, width):
        super().__init__()
        self.receptors = torch.nn.Parameter(torch.randn(kind.receptors, width))

    def forward(self, scents):
        return TokenGroup.of(scents[..., None] * self.receptors)


register_encoder(Scent, ScentEncoder)


class SmellEnv(gymnasium.Env):
    senses = Spec(nose=Scent(3))
    observation_space = senses.space()
    action_space = spaces.Discrete(2)
    action_names = ("left", "right")
    step_s = 0.1

    def _sense(self):
        return {"nose": np.ones(3, np.float32), "present": np.ones(1, np.int8)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._sense(), {}

    def step(self, action):
        self.steps += 1
        return self._sense(), float(action), self.steps >= 4, False, {"is_success": bool(action)}


gymnasium.register("Smell-v0", entry_point=SmellEnv)
"""


COMMANDS = """
import json, os, sys
import senseweave.agent.evaluate.evaluate, senseweave.agent.train.train
from senseweave.agent.cli.main import main

for words in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        sys.exit(main([*words, "--env", "smell_env:Smell-v0", "--json"]))
    assert os.waitpid(child, 0)[1] == 0
"""
"""Each in a process that has not imported the user's package, and all of them after one import of ours."""


def senseweave(folder: Path, *commands: tuple[str, ...]) -> list[dict]:
    environment = os.environ | {"PYTHONPATH": str(folder), "SENSEWEAVE_SHAPE_CHECKS": "0"}
    command = [sys.executable, "-P", "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_run_with_a_kind_of_ones_own_is_evaluated_and_resumed_by_naming_its_environment(tmp_path):
    (tmp_path / "smell_env.py").write_text(SMELL, encoding="utf-8")
    few = ("--evaluation-episodes", "0", "--no-video", "--device", "cpu")
    train, evaluate, resume = senseweave(
        tmp_path,
        ("train", "--steps", "32", "--num-envs", "2", "--out", "run", *few),
        ("evaluate", "run", "--episodes", "2", "--device", "cpu"),
        ("train", "--resume", "run", "--steps", "64", *few),
    )
    assert train["steps"] >= 32 and evaluate["episodes"] == 2 and resume["steps"] >= 64
