"""`senseweave train --compile`: the same is learned, and what comes after the training is not compiled anew.

In a process of its own without the shape hook, which dynamo cannot trace. What torch would hand to inductor is run as
it is, for that compiles half a minute; `make nightly` compiles every fusion with inductor.
"""

import os
import subprocess
import sys

PROGRAM = """
import functools, sys
import torch
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train import train as training
from senseweave.perception import Perception
from senseweave.policies.saving.checkpoint import folders, load

graphs, counts = [], []

def run_as_it_is(graph, example, options=None):
    graphs.append(graph)
    return graph.forward

def count(work):
    def counting(*given, **settings):
        counts.append(len(graphs))
        result = work(*given, **settings)
        counts.append(len(graphs))
        return result
    return counting

Perception.compile = functools.partialmethod(torch.nn.Module.compile, backend=run_as_it_is)
training.evaluate_policy = count(training.evaluate_policy)
settings = dict(env="senseweave/GoToRedBallGrey-v0", env_options={"senses": "grid,instruction"}, num_envs=8)
settings |= dict(steps=1000, imitation_steps=160, evaluation_episodes=3, video=False, device="cpu")
ends = []
for is_compiled in (False, True):
    folder = f"{sys.argv[1]}/{is_compiled}"
    run = training.train(TrainConfig(compile=is_compiled, **settings), folder)["run"]
    ends.append(load(folders(training.Path(run) / "checkpoints")[0], training.RunDirectory.open(run).config.run).policy)
assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-4) for name in ends[0]), "other weights"
before, after = counts[2:]
assert counts[:2] == [0, 0], "something was compiled that nobody asked for"
assert before == after > 0, f"{before} graphs after training, {after} after the evaluation"
print("equal")
"""


def test_what_is_compiled_learns_the_same_and_is_judged_uncompiled(tmp_path):
    variables = dict(os.environ, SENSEWEAVE_SHAPE_CHECKS="0", CXX=sys.executable)  # a "compiler" that is there
    words = [sys.executable, "-P", "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
