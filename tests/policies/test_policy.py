"""`SensePolicy`: SB3's policy where nothing is remembered; with a memory, its state travels with the caller."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy import stats
from stable_baselines3.common.policies import ActorCriticPolicy, MultiInputActorCriticPolicy

from senseweave.perception import Camera, Instruction, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError, UnknownNameError
from senseweave.policies.policy import Choice, SenseMlpPolicy, SensePolicy
from senseweave.policies.presets import policy_settings

SPEC = Spec(camera=Camera(16, 16), instruction=Instruction(6, 20), touch=Vector(2))
CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
SPACE, ACTIONS = SPEC.space(), spaces.Discrete(4)


def policy_of(policy_class=SensePolicy, actions=ACTIONS, **settings):
    torch.manual_seed(0)
    kwargs = policy_settings(SPEC, CONFIG) | {"net_arch": {"pi": [8], "vf": [8]}} | settings
    policy = policy_class(SPACE, actions, lambda _: 1e-3, **kwargs).eval()
    with torch.no_grad():
        for part in policy.parameters():
            part.add_(0.05 * torch.randn_like(part))  # SB3's heads begin at nearly nothing
    return policy


def observations(count, seed=0):
    """Arrays, one row for each environment."""
    space = SPEC.space()
    space.seed(seed)
    rows = [space.sample() for _ in range(count)]
    batch = {name: np.stack([row[name] for row in rows]) for name in space.spaces}
    return batch | {"present": np.ones((count, 3), np.int8)}


def tensors(batch):
    return {name: torch.as_tensor(part) for name, part in batch.items()}


def test_without_a_memory_weights_and_outputs_are_those_of_sb3s_policy():
    own, sb3 = policy_of(), policy_of(MultiInputActorCriticPolicy)
    assert list(own.state_dict()) == list(sb3.state_dict())
    sb3.load_state_dict(own.state_dict())
    batch = tensors(observations(5))
    actions = torch.tensor([0, 1, 2, 3, 0])
    values, log_probs, entropy = sb3.evaluate_actions(batch, actions)
    judgement, state = own.judge(own.perceive(batch))
    distribution = own.distribution(judgement)
    torch.testing.assert_close(judgement.values, values[:, 0])
    torch.testing.assert_close(distribution.log_prob(actions), log_probs)
    torch.testing.assert_close(distribution.entropy(), entropy)
    assert state is None and own.first_state(5) is None and own.state_width == 0
    assert np.array_equal(
        own.predict(observations(5), deterministic=True)[0], sb3.predict(observations(5), deterministic=True)[0]
    )


@pytest.mark.parametrize("actions", [spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([3, 2]), spaces.MultiBinary(3)])
def test_other_actions_have_sb3s_distributions(actions):
    space = spaces.Box(-1, 1, (3,))
    torch.manual_seed(0)
    own = SenseMlpPolicy(space, actions, lambda _: 1e-3)
    torch.manual_seed(0)
    sb3 = ActorCriticPolicy(space, actions, lambda _: 1e-3)
    seen = torch.randn(5, 3)
    torch.manual_seed(1)
    chosen, values, log_probs, _ = own.act(own.perceive({"": seen}), None, torch.ones(5, dtype=torch.bool))
    torch.manual_seed(1)
    expected = sb3(seen)
    for made, wanted in zip((chosen, values, log_probs), expected, strict=True):
        torch.testing.assert_close(made.reshape(wanted.shape), wanted)


def test_a_choice_is_torchs_categorical():
    torch.manual_seed(0)
    logits = 3 * torch.randn(50, 6)
    choice, oracle = Choice(logits), torch.distributions.Categorical(logits=logits)
    actions = torch.randint(6, (50,))
    torch.testing.assert_close(choice.log_prob(actions), oracle.log_prob(actions))
    torch.testing.assert_close(choice.entropy(), oracle.entropy())
    assert torch.equal(choice.mode(), oracle.mode) and torch.equal(choice.get_actions(True), oracle.mode)


def test_a_choice_draws_as_often_as_the_probabilities_say():
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5, -30.0])
    count = 20_000
    drawn = torch.bincount(Choice(logits.expand(count, 5)).get_actions(), minlength=5)
    assert drawn[4] == 0
    expected = torch.softmax(logits[:4].double(), 0) * count
    assert stats.chisquare(drawn[:4].numpy(), expected.numpy()).pvalue > 0.001


def test_carrying_the_state_through_predict_equals_the_whole_sequence():
    policy = policy_of(memory="gru")
    steps = [observations(3, seed) for seed in range(6)]
    starts = np.zeros((6, 3), bool)
    starts[0] = starts[3, 1] = True
    state, carried, chosen = None, [], []
    for batch, is_first in zip(steps, starts, strict=True):
        actions, state = policy.predict(batch, state, is_first, deterministic=True)
        carried.append(state[0])
        chosen.append(actions)
    whole = {name: torch.cat([tensors(batch)[name] for batch in steps]) for name in steps[0]}
    with torch.no_grad():
        judgement, last = policy.judge(policy.perceive(whole), policy.first_state(3), torch.as_tensor(starts))
    assert np.array_equal(np.concatenate(chosen), judgement.logits.argmax(dim=1).numpy())
    np.testing.assert_allclose(state[0][0], last.numpy(), rtol=1e-4, atol=1e-5)
    assert carried[0].shape == (1, 3, policy.state_width)


def test_an_episode_start_takes_the_memory_away_and_its_absence_does_not():
    policy = policy_of(memory="gru")
    first, second = observations(2, 0), observations(2, 1)
    _, state = policy.predict(first, None, np.ones(2, bool))
    _, kept = policy.predict(second, state)
    _, mixed = policy.predict(second, state, np.array([True, False]))
    _, fresh = policy.predict(second, None)
    np.testing.assert_allclose(mixed[0][0, 0], fresh[0][0, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[0][0, 1], kept[0][0, 1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(kept[0], fresh[0])


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_one_observation_gives_one_action_and_a_batch_a_batch(memory):
    policy = policy_of(memory=memory)
    batch = observations(3)
    one = {name: part[0] for name, part in batch.items()}
    action, state = policy.predict(one, deterministic=True)
    actions, states = policy.predict(batch, deterministic=True)
    assert action.shape == () and actions.shape == (3,) and action == actions[0]
    assert (state is None) == (memory == "none") and (state is None or state[0].shape == (1, 1, policy.state_width))
    continuous = policy_of(memory=memory, actions=spaces.Box(-0.01, 0.01, (2,)))
    chosen, _ = continuous.predict(batch)
    assert chosen.shape == (3, 2) and np.abs(chosen).max() == pytest.approx(0.01)
    assert continuous.predict(one)[0].shape == (2,)


def test_what_comes_later_changes_nothing_of_before():
    policy = policy_of(memory="gru")
    batch = tensors(observations(12))
    changed = {name: part.clone() for name, part in batch.items()}
    changed["touch"][6:] += 1.0  # steps 2 and 3 of 4, three environments
    starts = torch.zeros(4, 3, dtype=torch.bool)
    logits = []
    for seen in (batch, changed):
        with torch.no_grad():
            logits.append(policy.judge(policy.perceive(seen), policy.first_state(3), starts)[0].logits)
    assert torch.equal(logits[0][:6], logits[1][:6]) and (logits[0][6:] != logits[1][6:]).any(dim=1).all()


def test_a_policy_with_memory_says_what_it_cannot_do_without_its_state():
    policy = policy_of(memory="gru")
    batch = tensors(observations(2))
    calls = [
        lambda: policy(batch),
        lambda: policy.evaluate_actions(batch, torch.zeros(2)),
        lambda: policy.get_distribution(batch),
        lambda: policy.predict_values(batch),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="works step by step"):
            call()
    with pytest.raises(ConfigError, match="needs its `state` and `starts`"):
        policy.judge(policy.perceive(batch))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(UnknownNameError, match="gru"):
        policy_of(memory="grew")
    for settings in ({"share_features_extractor": False}, {"use_sde": True}):
        with pytest.raises(ConfigError, match="one features extractor and no state-dependent noise"):
            policy_of(**settings)


def test_a_policy_by_itself_is_neither_pickled_nor_unpickled(tmp_path):
    with pytest.raises(ConfigError, match="use `model.save"):
        policy_of().save(str(tmp_path / "policy.pth"))
    with pytest.raises(ConfigError, match="runs no code"):
        SensePolicy.load(str(tmp_path / "policy.pth"))
    assert not list(tmp_path.iterdir())


def test_what_a_policy_is_made_of_holds_its_memory():
    assert policy_of(memory="gru")._get_constructor_parameters()["memory"] == "gru"
