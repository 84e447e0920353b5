"""A policy taken apart judges as the whole policy does, for every kind of memory and of action."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO

from kit.saved_models import world
from senseweave.agent.explain.choice_values import choice_values
from senseweave.agent.explain.decisions import DecisionLog
from senseweave.agent.explain.policy_head import PolicyHead, divergence, kept
from senseweave.agent.play.episodes import run_episodes
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.perception import PerceptionConfig, Spec, Vector
from senseweave.policies import PPO, ppo_settings
from senseweave.policies.policy import SensePolicy
from senseweave.policies.presets import policy_settings, recurrent_ppo_settings

SMALL = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
IMPUTES = dataclasses.replace(SMALL, imputation="translation")
EPISODES = 3


def new_policy(memory, size=SMALL):
    env = world(max_steps=12)
    torch.manual_seed(0)
    if memory == "lstm":
        settings = recurrent_ppo_settings(env.senses, size)
        policy = RecurrentPPO("MultiInputLstmPolicy", RoomsSB3VecEnv(env), device="cpu", **settings).policy
    else:
        settings = ppo_settings(env.senses, size)
        settings["policy_kwargs"]["memory"] = memory
        policy = PPO("MultiInputPolicy", env, device="cpu", **settings).policy
    with torch.no_grad():  # SB3 begins with choices that are all alike
        policy.action_net.weight.mul_(200.0)
    policy.set_training_mode(False)
    return policy


KINDS = {name: (name, SMALL) for name in ("none", "gru", "looking_gru", "lstm")}
KINDS |= {f"{name}, imputed": (name, IMPUTES) for name in ("none", "looking_gru")}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def watched(request):
    """A policy, what it decided, and by episode the logits of its choices as they were when it made them."""
    memory, size = request.param
    policy, log = new_policy(memory, size), DecisionLog(EPISODES, most=300)
    outputs, logits = [], {episode: [] for episode in range(EPISODES)}
    hook = policy.action_net.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))

    def note(observation, episodes, *others):
        log.note(observation, episodes, *others)
        for row, episode in enumerate(episodes):
            logits[episode].append(outputs[-1][row].log_softmax(dim=-1))

    run_episodes(policy, world(max_steps=12, num_envs=EPISODES), EPISODES, on_choice=note)
    hook.remove()
    return PolicyHead(policy), log.drawn(), torch.stack([row for rows in logits.values() for row in rows])


@pytest.fixture
def played(watched):
    return watched[:2]


def test_every_recorded_decision_is_judged_again_as_it_was(watched):
    head, decisions, logits = watched
    assert len(decisions) == len(logits) > 20 and logits.std(dim=0).max() > 0.02, "all choices would be alike"
    for rows in (slice(None), slice(None, None, -1)):
        perceived = head.perceive(decisions[rows])
        with torch.no_grad():
            again = head.distribution(perceived, perceived.groups).distribution.logits
        torch.testing.assert_close(again, logits.flip(0) if rows.step else logits, rtol=1e-4, atol=1e-4)


def test_a_sense_that_is_taken_from_the_tokens_is_absent_in_the_observation(played):
    head, decisions = played
    perceived = head.perceive(decisions)
    for removed in ("grid", "instruction"):
        place = head.perception.spec.names.index(removed)
        for decision in decisions:
            decision.observation["present"][place] = 0
        without = head.perceive(decisions)
        for decision in decisions:
            decision.observation["present"][place] = 1
        others = frozenset(head.perception.spec.names) - {removed}
        with torch.no_grad():
            told = head.distribution(perceived, kept(perceived.groups, others)).distribution.logits
            asked = head.distribution(without, without.groups).distribution.logits
            all_there = head.distribution(perceived, perceived.groups).distribution.logits
        assert torch.equal(told, asked) and not torch.equal(told, all_there)


def test_all_senses_are_worth_nothing_less_than_themselves(played):
    head, decisions = played
    names = head.perception.spec.names
    values = choice_values(head, decisions, names)
    assert values.decisions == len(decisions)
    assert (values.divergence[frozenset(names)] == 0.0).all()
    assert all(value.shape == (EPISODES,) and (value <= 1e-6).all() for value in values.divergence.values())
    assert values.divergence[frozenset()].max() < -1e-4, "it would not matter whether anything is sensed"
    alone = [decision for decision in decisions if decision.episode == 1]
    for subset, value in choice_values(head, alone, names).log_probability.items():
        np.testing.assert_allclose(value[0], values.log_probability[subset][1], rtol=1e-4, atol=1e-5)


ACTIONS = {
    "Discrete": spaces.Discrete(3),
    "MultiDiscrete": spaces.MultiDiscrete([3, 2]),
    "MultiBinary": spaces.MultiBinary(3),
    "Box": spaces.Box(-1, 1, (2,), np.float32),
}


@pytest.mark.parametrize("actions", ACTIONS)
def test_the_divergence_is_the_mean_of_what_actions_tell_apart(actions):
    """KL(p || q) is the mean over p of log p - log q: against 4,000 sampled actions."""
    torch.manual_seed(1)
    spec = Spec(touch=Vector(3))
    policy = SensePolicy(spec.space(), ACTIONS[actions], lambda _: 1e-3, **policy_settings(spec, SMALL))
    with torch.no_grad():
        policy.action_net.weight.mul_(100.0)
        head, log = PolicyHead(policy), DecisionLog(2)
        touch = np.array([[0.5, -1.0, 0.2], [1.5, 1.0, -2.0]], np.float32)
        seen = {"touch": touch, "present": np.ones((2, 1), np.int8)}
        log.note(seen, [0, 1], np.array([True, True]), None, np.stack([ACTIONS[actions].sample() for _ in range(2)]))
        perceived = head.perceive(log.drawn())
        one = head.distribution(perceived, perceived.groups)
        other = head.distribution(perceived, kept(perceived.groups, frozenset()))
        samples = [one.sample() for _ in range(4000)]
        differences = torch.stack([one.log_prob(sample) - other.log_prob(sample) for sample in samples])
        told = divergence(one, other)
    assert told.shape == (2,) and (told > 0.01).all()
    errors = differences.std(dim=0) / len(samples) ** 0.5
    assert ((told - differences.mean(dim=0)).abs() < 4 * errors).all(), (told, differences.mean(dim=0), errors)


def test_the_divergence_is_finite_where_a_probability_underflows():
    spec = Spec(touch=Vector(3))
    policy = SensePolicy(spec.space(), spaces.Discrete(2), lambda _: 1e-3, **policy_settings(spec, SMALL))
    sure, sure_of_the_other = (
        policy.action_dist.__class__(2).proba_distribution(torch.tensor([logits]))
        for logits in ([0.0, 400.0], [400.0, 0.0])
    )
    assert divergence(sure, sure_of_the_other).item() == pytest.approx(400.0)
