"""One update: what is minimised, divided among threads and processes; auxiliary losses beside it."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kit.limits import HANG_S
from senseweave.perception import Perception, Spec, Vector
from senseweave.perception.errors import ConfigError, SpecError, UnknownNameError
from senseweave.policies.auxiliary import make_auxiliary

SCRIPT = Path(__file__).with_name("two_learners.py")
specification = importlib.util.spec_from_file_location("two_learners", SCRIPT)
two_learners = importlib.util.module_from_spec(specification)
specification.loader.exec_module(two_learners)
SETTINGS, gradients, learner, played, update_of = (
    getattr(two_learners, name) for name in ("SETTINGS", "gradients", "learner", "played", "update_of")
)


@pytest.mark.parametrize("memory", ["none", "gru", "looking_gru"])
def test_gradients_do_not_depend_on_how_many_threads_share_them(memory):
    model = played(learner(num_envs=16, memory=memory))
    alone, figures = gradients(model, workers=1)
    for workers in (2, 3):
        made, told = gradients(model, workers)
        again, _ = gradients(model, workers)
        for own, expected, repeated in zip(made, alone, again, strict=True):
            torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-5)
            assert torch.equal(own, repeated)
        torch.testing.assert_close(told, figures, rtol=1e-5, atol=1e-5)
    parts = update_of(model, 3).learner.workers.split(torch.arange(192 if memory == "none" else 16), 1)
    assert len(parts) == 3  # there was something to divide


@pytest.mark.parametrize("memory", ["none", "gru", "looking_gru"])
def test_condensed_views_give_the_gradients_of_whole_ones(memory, monkeypatch):
    model = played(learner(num_envs=32, n_steps=40, memory=memory))
    assert "grid_distinct" in update_of(model).minibatches.samples(torch.arange(2)).readings
    condensed, figures = gradients(model, workers=2)
    monkeypatch.setattr(Perception, "condense", lambda self, seen, samples: dict(seen))
    assert "grid" in update_of(model).minibatches.samples(torch.arange(2)).readings
    whole, told = gradients(model, workers=2)
    for own, expected in zip(condensed, whole, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(figures, told, rtol=1e-5, atol=1e-5)


def test_whole_trainings_with_threads_are_the_same_bit_for_bit():
    ends = []
    for _ in range(2):
        model = learner(workers=3, num_envs=32, memory="none")
        model.learn(2 * 32 * 12)
        ends.append(torch.cat([part.flatten() for part in model.policy.parameters()]))
    assert torch.equal(*ends)


@pytest.mark.parametrize("with_memory", ["none", "gru"])
def test_a_fault_in_a_thread_is_told(with_memory):
    model = played(learner(num_envs=16, memory=with_memory))
    model.rollout.actions[0, -1] = 99
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        gradients(model, 2)


def test_an_auxiliary_loss_changes_the_features_and_neither_head():
    model = played(learner(memory="none"))
    weighed = {weight: dataclasses.replace(SETTINGS, auxiliary={"instruction_words": weight}) for weight in (0.0, 1.0)}
    names = [name for name, _ in model.policy.named_parameters()] + ["guess.weight", "guess.bias"]
    without, told = gradients(model, settings=weighed[0.0])
    beside, told_beside = gradients(model, settings=weighed[1.0])
    changed = {name for name, a, b in zip(names, without, beside, strict=True) if not torch.allclose(a, b, atol=1e-7)}
    assert {"guess.weight", "guess.bias"} < changed
    assert all(name.startswith(("features_extractor", "guess")) for name in changed)
    assert any("embed" in name for name in changed)
    torch.testing.assert_close(told[:3], told_beside[:3])
    torch.testing.assert_close(told_beside[3] - told[3], told_beside[-1])


def test_the_weights_of_an_auxiliary_loss_learn():
    torch.manual_seed(0)
    model = played(learner(auxiliary={"instruction_words": 1.0}, learning_rate=3e-3))
    update = update_of(model, settings=dataclasses.replace(SETTINGS, auxiliary={"instruction_words": 1.0}, epochs=1))
    before = [part.clone() for part in model.auxiliary.parameters()]
    losses = [update.run()["auxiliary/instruction_words"] for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]
    assert all((a != b).any() for a, b in zip(before, model.auxiliary.parameters(), strict=True))


def test_the_mission_can_be_told_from_the_features():
    torch.manual_seed(0)
    model = played(learner(auxiliary={"mission": 1.0}, learning_rate=3e-3))
    assert model.rollout.missions.unique().numel() > 1
    update = update_of(model, settings=dataclasses.replace(SETTINGS, auxiliary={"mission": 1.0}))
    losses = [update.run()["auxiliary/mission"] for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]


def test_auxiliary_losses_that_do_not_fit_are_refused():
    with pytest.raises(UnknownNameError, match="instruction_words"):
        learner(auxiliary={"instruction_word": 1.0})
    with pytest.raises(ConfigError, match='`weight` of "mission" must be at least 0; got -1'):
        learner(auxiliary={"mission": -1})
    with pytest.raises(SpecError, match="needs an instruction among the senses; got touch"):
        make_auxiliary({"instruction_words": 1.0}, Spec(touch=Vector(2)), 16, 0)
    with pytest.raises(ConfigError, match="numbers its instructions"):
        make_auxiliary({"mission": 1.0}, Spec(touch=Vector(2)), 16, 0)
    with pytest.raises(ConfigError, match="PerceptionExtractor"):
        make_auxiliary({"mission": 1.0}, None, 16, 5)


def test_a_minibatch_of_one_sample_is_not_normalised():
    model = played(learner(memory="none"))
    update = update_of(model, settings=dataclasses.replace(SETTINGS, batch_size=1))
    update.gradients(torch.tensor([3]))
    assert all(part.grad.isfinite().all() for part in update.learner.parameters if part.grad is not None)


def test_two_processes_make_the_gradients_of_one_with_all_their_rows(tmp_path):
    """With 4 and 8 environments: what counts is each sample, not each process."""
    processes = [subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path), str(rank)]) for rank in range(2)]
    try:
        assert [process.wait(timeout=HANG_S) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()  # one waits for the other for half an hour where that one failed
            process.wait()
    told = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for key in ("before", "after", "gradients"):
        assert all(torch.equal(a, b) for a, b in zip(told[0][key], told[1][key], strict=True)), key
    assert any((a != b).any() for a, b in zip(told[0]["before"], told[0]["after"], strict=True))
    model = learner(num_envs=12, seed=1)
    with torch.no_grad():
        for parameter, value in zip(model.policy.parameters(), told[0]["before"], strict=True):
            parameter.copy_(value)
    rollout = model.rollout
    joint = {name: (told[0]["rollout"][name], told[1]["rollout"][name]) for name in told[0]["rollout"]}
    rollout.length = rollout.steps
    for name, parts in joint.items():
        if name.startswith("seen "):
            rollout._observations[name.removeprefix("seen ")] = torch.cat(parts, dim=1)
        else:
            setattr(rollout, name, torch.cat(parts, dim=0 if name == "memory" else 1))
    assert not torch.equal(joint["rewards"][0].sum(), joint["rewards"][1].sum())
    expected, figures = gradients(model)
    for own, wanted in zip(told[0]["gradients"], expected, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(told[0]["figures"], figures, rtol=1e-5, atol=1e-5)
    assert sum(part.abs().sum() for part in expected) > 0.1
