"""What an exported policy does, beside the policy that it was made of."""

import numpy as np
import pytest
import torch

from kit.exported_models import POLICIES, QUICK, policy_of
from senseweave.perception.errors import ConfigError, ObservationError
from senseweave.policies import SensePolicy
from senseweave.policies.export import ExportedPolicy, load_exported
from senseweave.policies.second_look import Percept

ROWS = 5
quick = ["plain", "numbers", "looking"]
models = [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in POLICIES if name not in quick)]
every_model = pytest.mark.parametrize("name", models)


def observation(spec, seed: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    """Random readings; in some rows senses are absent."""
    numbers, obs = np.random.default_rng(seed), {}
    for name, kind in spec.items():
        if np.issubdtype(kind.dtype, np.integer):
            obs[name] = numbers.integers(0, 200, (rows, *kind.shape)).astype(kind.dtype)
        else:
            obs[name] = numbers.uniform(-1, 1, (rows, *kind.shape)).astype(np.float32)
    return obs | {"present": numbers.integers(0, 2, (rows, len(spec))).astype(np.int8)}


def judged(policy, obs, state, starts):
    """Logits or means, values and the new memory, of the policy itself."""
    tensors = {name: torch.from_numpy(part) for name, part in obs.items()}
    with torch.no_grad():
        if isinstance(policy, SensePolicy):
            percept: Percept = policy.perceive(tensors)
            judgement, state = policy.judge(percept, state, torch.from_numpy(starts)[None])
            return judgement.logits.numpy(), judgement.values.numpy(), state
        distribution = policy.get_distribution(tensors).distribution
        return distribution.logits.numpy(), policy.predict_values(tensors)[:, 0].numpy(), None


@every_model
def test_it_answers_as_torch_does_step_by_step(exported, name):
    model, policy = load_exported(exported(name)), policy_of(name)
    assert isinstance(model, ExportedPolicy)
    assert model.action_space == policy.action_space
    memory = None
    state = policy.first_state(ROWS) if isinstance(policy, SensePolicy) else None
    starts = np.ones(ROWS, bool)
    for step in range(4):
        obs = observation(model.spec, step)
        acted = model.act(obs, memory, start=starts, greedy=True)
        numbers, values, state = judged(policy, obs, state, starts)
        theirs = acted.numbers - (0 if policy_is_own(policy) else log_sum(acted.numbers))
        np.testing.assert_allclose(theirs, numbers, rtol=1e-5, atol=2e-5)
        np.testing.assert_allclose(acted.value, values, rtol=1e-5, atol=2e-5)
        if state is not None:
            np.testing.assert_allclose(acted.memory, state.numpy(), rtol=1e-5, atol=1e-5)
        memory = acted.memory
        starts = np.arange(ROWS) == step


def policy_is_own(policy) -> bool:
    return isinstance(policy, SensePolicy)


def log_sum(logits):
    return np.log(np.exp(logits).sum(axis=1, keepdims=True))


@every_model
def test_greedy_actions_are_those_of_predict(exported, name):
    model, policy = load_exported(exported(name)), policy_of(name)
    ours = theirs = None
    starts = np.ones(ROWS, bool)
    for step in range(3):
        obs = observation(model.spec, 10 + step)
        mine, ours = model.predict(obs, ours, starts, deterministic=True)
        right, theirs = policy.predict(obs, theirs, starts, deterministic=True)
        np.testing.assert_allclose(mine, right, atol=2e-5)
        assert mine.shape == np.asarray(right).shape
        assert mine.dtype == policy.action_space.dtype  # SB3's own are floats where the space is MultiBinary
        starts = np.zeros(ROWS, bool)


@pytest.mark.parametrize("name", ["plain", *(pytest.param(name, marks=pytest.mark.slow) for name in POLICIES)])
def test_sampled_actions_have_the_policys_distribution(exported, name):
    model, policy = load_exported(exported(name)), policy_of(name)
    obs = {key: np.repeat(part, 4000, axis=0) for key, part in observation(model.spec, 3, 1).items()}
    torch.manual_seed(0)
    drawn = model.act(obs, start=np.ones(4000, bool)).action
    right, _ = policy.predict(obs, None, np.ones(4000, bool))
    np.testing.assert_allclose(drawn.mean(axis=0), right.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), right.std(axis=0), atol=0.06)
    again = load_exported(model.folder)
    assert np.array_equal(again.act(obs).action, drawn), "the same seed draws the same"
    assert not np.array_equal(again.act(obs).action, drawn) or drawn.std() == 0


def test_one_observation_has_no_batch_axis_and_what_is_missing_is_absent(exported):
    model = load_exported(exported("plain"))
    whole = model.act({"instruction": "go to the ball", "touch": None}, greedy=True)
    assert whole.action.shape == () and whole.state.shape == (8,) and whole.numbers.shape == (4,)
    assert whole.gates["touch"] == 0.0 and whole.gates["instruction"] > 0.0 and whole.memory is None
    rejected = model.act({"instruction": "go to the ball", "touch": np.full(3, np.nan)}, greedy=True)
    assert np.array_equal(rejected.state, whole.state) and rejected.non_finite.tolist() == [False, True]
    nothing = model.act({}, greedy=True)
    assert np.isfinite(nothing.state).all() and not any(nothing.gates.values())


def test_any_number_of_rows_goes_through_one_file(exported):
    model = load_exported(exported("plain"))
    obs = observation(model.spec, 5, 9)
    alone = [model.act({key: part[row : row + 1] for key, part in obs.items()}, greedy=True).state for row in range(9)]
    np.testing.assert_allclose(np.concatenate(alone), model.act(obs, greedy=True).state, rtol=1e-5, atol=1e-5)


def test_the_probabilities_are_of_numbered_actions_without_memory_alone(exported):
    model = load_exported(exported("plain"))
    shares = model.probabilities(observation(QUICK, 1))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    with pytest.raises(ConfigError, match="numbered actions without a memory"):
        load_exported(exported("looking")).probabilities(observation(QUICK, 1))


def test_memory_of_another_number_of_rows_is_refused(exported):
    model = load_exported(exported("looking"))
    carried = model.act(observation(QUICK, 1, 3)).memory
    assert carried.shape[0] == 3
    with pytest.raises(ConfigError, match="as many rows as the observation"):
        model.act(observation(QUICK, 1, 4), carried)


def test_an_observation_that_does_not_fit_is_refused_in_one_sentence(exported):
    model = load_exported(exported("plain"))
    with pytest.raises(ObservationError, match='unknown key "tuch"; did you mean "touch"'):
        model.act({"tuch": np.zeros(3, np.float32)})
    with pytest.raises(ObservationError, match="float32 of shape"):
        model.act({"touch": np.zeros(4, np.float32)})
