"""Rollouts: advantages, packed observations, and what the policy reads back."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from senseweave.perception import Grid, Instruction, Microphone, Perception, PerceptionConfig, Spec, Vector
from senseweave.policies import PPO
from senseweave.policies.ppo.minibatch import Minibatches
from senseweave.policies.ppo.rollout import Rollout
from senseweave.policies.ppo.workers import Workers
from senseweave.policies.presets import policy_settings

CPU = torch.device("cpu")
SPEC = Spec(audio=Microphone(2, 64, 16000), instruction=Instruction(12, 50), touch=Vector(2))
STEPS, ROWS, GAMMA, LAMBDA = 9, 4, 0.97, 0.9


def played(seed=0):
    """A rollout of random numbers, and those as a dict of arrays."""
    random = np.random.default_rng(seed)
    told = {name: random.normal(size=(STEPS, ROWS)).astype(np.float32) for name in ("rewards", "values", "log_probs")}
    told["starts"] = random.random((STEPS, ROWS)) < 0.3
    told["last_values"] = random.normal(size=ROWS).astype(np.float32)
    told["last_starts"] = np.array([False, True, False, True])
    rollout = Rollout(STEPS, ROWS, CPU)
    rollout.begin(None)
    for step in range(STEPS):
        rollout.store_observation({"touch": torch.full((ROWS, 2), float(step))})
        parts = (torch.as_tensor(told[name][step]) for name in ("log_probs", "values", "starts", "rewards"))
        rollout.add(torch.arange(ROWS), *parts)
    rollout.finish(torch.as_tensor(told["last_values"]), torch.as_tensor(told["last_starts"]), GAMMA, LAMBDA)
    return rollout, told


def test_advantages_are_those_of_a_float64_loop():
    rollout, told = played()
    expected = np.zeros((STEPS, ROWS))
    for row in range(ROWS):
        for step in range(STEPS):
            weight = 1.0  # the sum of equation 16, term by term, until the episode or the rollout ends
            for later in range(step, STEPS):
                is_last = later == STEPS - 1
                ends = told["last_starts"][row] if is_last else told["starts"][later + 1, row]
                following = told["last_values"][row] if is_last else told["values"][later + 1, row]
                error = told["rewards"][later, row] - np.float64(told["values"][later, row])
                expected[step, row] += weight * (error + (0.0 if ends else GAMMA * following))
                weight *= GAMMA * LAMBDA
                if ends:
                    break
    np.testing.assert_allclose(rollout.advantages.numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rollout.returns.numpy(), expected + told["values"], rtol=1e-5, atol=1e-5)


def test_advantages_are_those_of_stable_baselines3():
    rollout, told = played(1)
    space = spaces.Box(-1, 1, (2,))
    buffer = RolloutBuffer(STEPS, space, spaces.Discrete(ROWS), "cpu", LAMBDA, GAMMA, ROWS)
    for step in range(STEPS):
        values, log_probs = (torch.as_tensor(told[name][step]) for name in ("values", "log_probs"))
        buffer.add(
            np.zeros((ROWS, 2)), np.zeros((ROWS, 1)), told["rewards"][step], told["starts"][step], values, log_probs
        )
    buffer.compute_returns_and_advantage(torch.as_tensor(told["last_values"]), told["last_starts"])
    np.testing.assert_allclose(rollout.advantages.numpy(), buffer.advantages, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rollout.returns.numpy(), buffer.returns, rtol=1e-6, atol=1e-6)


def sounds(seed=0):
    whole = torch.randint(-(2**15), 2**15, (ROWS, 2, 64), generator=torch.Generator().manual_seed(seed))
    return whole / 2.0**15


def perceiving(spec=SPEC):
    return Perception(spec, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))


def observation(**changed):
    tokens = torch.zeros(ROWS, 12, dtype=torch.int32)
    tokens[:, :3] = torch.arange(1, 4)
    tokens[2, :7] = torch.arange(1, 8)
    whole = {"audio": sounds(), "instruction": tokens, "touch": torch.randn(ROWS, 2)}
    return whole | {"present": torch.ones(ROWS, 3, dtype=torch.int8)} | changed


def test_sounds_are_kept_as_features_that_give_the_same_state():
    perception = perceiving()
    rollout = Rollout(1, ROWS, CPU, perception)
    packed = rollout.pack(observation())
    assert "audio" not in packed and packed["audio_features"].shape[0] == ROWS
    seen = observation(instruction=observation()["instruction"])
    seen["touch"] = packed["touch"]
    assert torch.equal(perception(packed).embedding, perception(seen).embedding)


@pytest.mark.parametrize("is_told", [True, False], ids=["with present", "without present"])
@pytest.mark.parametrize("content", [np.nan, np.inf, -np.inf])
def test_a_sound_that_is_not_finite_is_absent_as_the_perception_has_it(content, is_told):
    torch.manual_seed(0)
    perception = perceiving()
    seen = observation()
    seen["audio"][1, 1, 5] = content
    if not is_told:
        del seen["present"]
    rollout = Rollout(1, ROWS, CPU, perceiving())
    state = perception(rollout.pack(seen))
    assert state.present[:, 0].tolist() == [True, False, True, True] and state.present[:, 1:].all()
    torch.testing.assert_close(state.embedding, perception(seen).embedding)


def test_padding_that_is_cut_off_changes_no_embedding():
    torch.manual_seed(0)
    perception = perceiving()
    rollout = Rollout(1, ROWS, CPU, perceiving())
    rollout.begin(None)
    seen = observation()
    read = rollout.store_observation(seen)
    assert read["instruction"].shape == (ROWS, 7)
    torch.testing.assert_close(perception(read).embedding, perception(seen).embedding, rtol=1e-5, atol=1e-5)


def test_a_hole_in_an_instruction_is_no_end():
    tokens = torch.zeros(ROWS, 12, dtype=torch.int32)
    tokens[:, [0, 1, 5]] = 7
    rollout = Rollout(1, ROWS, CPU, perceiving())
    rollout.begin(None)
    read = rollout.store_observation(observation(instruction=tokens))["instruction"]
    assert torch.equal(read, tokens[:, :6].to(read.dtype))
    rollout.length = 1
    assert rollout.longest_instruction() == 6


def test_without_an_instruction_one_token_is_left():
    rollout = Rollout(1, ROWS, CPU, perceiving())
    rollout.begin(None)
    silent = observation(instruction=torch.zeros(ROWS, 12, dtype=torch.int32))
    assert rollout.store_observation(silent)["instruction"].shape == (ROWS, 1)
    rollout.length = 1
    assert rollout.longest_instruction() == 1


def test_a_vocabulary_that_16_bits_do_not_hold_stays_as_it_is():
    spec = Spec(instruction=Instruction(12, 100_000))
    tokens = torch.full((ROWS, 12), 99_999, dtype=torch.int32)
    rollout = Rollout(1, ROWS, CPU, perceiving(spec))
    assert torch.equal(rollout.pack({"instruction": tokens})["instruction"], tokens)


def test_what_is_stored_does_not_follow_the_environments_buffers():
    rollout = Rollout(1, ROWS, CPU)
    rollout.begin(None)
    touch = torch.zeros(ROWS, 2)
    rollout.store_observation({"touch": touch})
    touch += 1.0
    rollout.length = 1
    assert (rollout.observations()["touch"] == 0).all()


def test_minibatches_hold_every_sample_once_with_all_that_belongs_to_it():
    rollout, told = played()
    batches = [Minibatches(rollout, 10).samples(rows) for rows in Minibatches(rollout, 10).shuffled()]
    assert [len(batch.actions) for batch in batches] == [10, 10, 10, 6]
    for name in ("values", "log_probs"):
        got = torch.cat([getattr(batch, name) for batch in batches])
        steps = torch.cat([batch.observations["touch"][:, 0] for batch in batches]).long()
        rows = torch.cat([batch.actions for batch in batches])
        assert torch.equal(got, torch.as_tensor(told[name])[steps, rows])
    assert len(set(zip(steps.tolist(), rows.tolist(), strict=True))) == STEPS * ROWS


def test_minibatches_for_a_memory_are_whole_environments_step_by_step():
    rollout, told = played()
    rollout.memory = torch.arange(float(ROWS))[:, None]
    minibatches = Minibatches(rollout, 2 * STEPS)
    for rows in minibatches.shuffled():
        batch = minibatches.samples(rows)
        assert len(rows) == 2 and batch.state[:, 0].tolist() == rows.tolist()
        assert torch.equal(batch.starts, torch.as_tensor(told["starts"])[:, rows])
        assert torch.equal(batch.values.view(STEPS, 2), torch.as_tensor(told["values"])[:, rows])
        assert torch.equal(batch.observations["touch"].view(STEPS, 2, 2)[:, 0, 0], torch.arange(float(STEPS)))


class TwoShades(gym.Env):
    """A view that stable-baselines3 takes for a picture, so that it moves the channels."""

    spec_of_senses = Spec(view=Grid(7, 7, (256,)))

    def __init__(self):
        self.observation_space, self.action_space = self.spec_of_senses.space(), spaces.Discrete(2)

    def seen(self):
        view = self.np_random.integers(0, 2, (7, 7, 1), dtype=np.uint8)
        return {"view": view, "present": np.ones(1, self.observation_space["present"].dtype)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.seen(), {}

    def step(self, action):
        return self.seen(), 0.0, False, False, {}


def test_a_view_whose_channels_were_moved_is_learned_from_as_it_is():
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
    kwargs = policy_settings(TwoShades.spec_of_senses, config) | {"net_arch": [8]}
    model = PPO(
        "MultiInputPolicy", TwoShades(), n_steps=256, batch_size=256, policy_kwargs=kwargs, device="cpu", seed=0
    )
    model.learn(256)
    seen = model.rollout.observations()
    assert model.policy.moved == ["view"] and seen["view"].shape[2:] == (1, 7, 7)
    assert not any(model.rollout.condensed(seen, 256))


def test_condensing_pays_for_each_thread_or_is_left_out():
    perception = Perception(Spec(view=Grid(7, 7, (2,))), PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    for workers, is_condensed in ((1, True), (2, False)):  # 98 distinct cells count as 256; 49 cells a sample
        rollout = Rollout(40, 1, CPU, perception, Workers(workers))
        rollout.begin(None)
        rollout.store_observation({"view": torch.zeros(1, 7, 7, 1, dtype=torch.uint8)})
        rollout.length = 40
        assert bool(rollout.condensed(rollout.observations(), 1000).rows) is is_condensed
