"""Values after a time limit go to the right step and environment, whether they are judged at once or many together."""

import threading

import pytest
import torch

from kit.worlds.cue import SPEC, CueWorld
from senseweave.perception import PerceptionConfig
from senseweave.policies.policy import SensePolicy
from senseweave.policies.ppo.rollout import Rollout
from senseweave.policies.ppo.sources import StepOutcome
from senseweave.policies.ppo.time_limits import TimeLimits
from senseweave.policies.ppo.workers import Workers
from senseweave.policies.presets import policy_settings

ENVS, STEPS, GAMMA = 3, 4, 0.5
CUTS = {0: [1], 1: [0, 2], 3: [2]}
"""Step -> environments whose episode the time limit cut off."""


def seen(rows, step):
    touch = torch.stack([torch.tensor([row + 0.1, step, 1.0]) for row in rows])
    return {"touch": touch, "present": torch.ones(len(rows), 1, dtype=torch.int8)}


def outcome(step):
    rows = CUTS.get(step)
    cut, final = (None, None) if rows is None else (torch.tensor(rows), seen(rows, step))
    nothing = torch.zeros(ENVS)
    return StepOutcome(seen(range(ENVS), step), nothing, nothing > 0, cut, final, None, None, None, [])


@pytest.mark.parametrize("memory", ["none", "gru"])
@pytest.mark.parametrize("together", [1, 2, 100])
def test_the_value_of_what_would_have_come_is_added_where_it_belongs(memory, together):
    torch.manual_seed(0)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
    kwargs = policy_settings(SPEC, config) | {"net_arch": [8], "memory": memory}
    policy = SensePolicy(SPEC.space(), CueWorld.single_action_space, lambda _: 1e-3, **kwargs).eval()
    rollout = Rollout(STEPS, ENVS, torch.device("cpu"), policy.perception)
    rollout.begin(policy.first_state(ENVS))
    limits = TimeLimits(policy, rollout, rollout.rewards, GAMMA, policy.perceive)
    memories = torch.randn(STEPS, ENVS, policy.state_width) if memory == "gru" else None
    expected = torch.arange(STEPS * ENVS).float().view(STEPS, ENVS)
    ones, starts = torch.ones(ENVS), torch.zeros(ENVS, dtype=torch.bool)
    with torch.no_grad():
        for step in range(STEPS):
            told = outcome(step)
            rollout.store_observation(told.observation)
            rollout.add(ones, ones, ones, starts, expected[step].clone())
            limits.note(told, None if memories is None else memories[step])
            limits.settle(together)
        limits.settle()
        limits.settle()  # nothing is left to add
        for step, rows in CUTS.items():
            for row in rows:
                state = None if memories is None else memories[step, row : row + 1]
                judged, _ = policy.judge(policy.perceive(seen([row], step)), state, starts[None, :1])
                expected[step, row] += GAMMA * judged.values[0]
    torch.testing.assert_close(rollout.rewards, expected)


def test_as_many_are_judged_at_a_time_as_act():
    kwargs = policy_settings(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)) | {"net_arch": [8]}
    policy = SensePolicy(SPEC.space(), CueWorld.single_action_space, lambda _: 1e-3, **kwargs).eval()
    rollout = Rollout(STEPS, ENVS, torch.device("cpu"), policy.perception)
    asked = []
    limits = TimeLimits(
        policy, rollout, rollout.rewards, GAMMA, lambda seen: asked.append(len(seen["touch"])) or policy.perceive(seen)
    )
    with torch.no_grad():
        for step in (0, 1, 1):
            rollout.store_observation(outcome(step).observation)
            limits.note(outcome(step), None)
        limits.settle()
    assert asked == [ENVS, ENVS]  # five episodes were cut off


def test_work_of_a_new_shape_is_done_by_one_thread_after_the_other():
    inside, most = [], []
    together = threading.Barrier(2, timeout=20)

    def work(part):
        inside.append(part)
        most.append(len(inside))
        if part == "together":
            together.wait()
        inside.pop()

    workers = Workers(2, alone_at_first=True)
    for shape in ((1,), (2,)):
        workers.map(work, ["alone", "alone"], shape)
        assert most == [1, 1]
        workers.map(work, ["together", "together"], shape)  # breaks the barrier where they are not
        most.clear()
    workers.map(work, ["together", "together"])
    Workers(2).map(work, ["together", "together"], (3,))


def test_rows_that_several_threads_work_on_come_back_in_their_order():
    tensors = {"a": torch.arange(10), "b": torch.randn(10, 2)}
    pieces = []

    def work(part):
        pieces.append(len(part["a"]))
        return {"sum": part["b"].sum(dim=1) + part["a"], "a": part["a"]}

    made = Workers(3).over_rows(work, tensors, min_rows=2)
    assert sorted(pieces) == [2, 4, 4] and torch.equal(made["a"], tensors["a"])
    torch.testing.assert_close(made["sum"], tensors["b"].sum(dim=1) + tensors["a"])
    pieces.clear()
    assert torch.equal(Workers(3).over_rows(work, tensors, min_rows=6)["a"], tensors["a"]) and pieces == [10]
