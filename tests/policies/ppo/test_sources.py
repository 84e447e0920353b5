"""Where experience comes from: SB3's, Gymnasium's and batched environments as tensors, with all that an end tells."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from kit.worlds.cue import CueWorld
from kit.worlds.noise import Noise, noises
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError
from senseweave.policies.policy import ONLY
from senseweave.policies.ppo.sources import ArrayEnvironments, TensorEnvironments, environments_of
from senseweave.policies.ppo.tally import EpisodeTally
from senseweave.policies.ppo.vec_env import GymnasiumVecEnv

CPU = torch.device("cpu")
ROOMS = {"level": "GoToObj", "num_envs": 6, "device": "cpu", "senses": ("grid", "instruction"), "max_steps": 5}


def vector(kind=SyncVectorEnv, mode=AutoresetMode.SAME_STEP, number=4):
    return kind([Noise] * number, autoreset_mode=mode)


def steps(source, count=20, seed=0):
    """Outcomes of random actions."""
    random = np.random.default_rng(seed)
    source.reset(5)
    return [source.step(torch.as_tensor(random.integers(3, size=source.num_envs))) for _ in range(count)]


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_gymnasiums_vector_environments_tell_what_sb3s_tell(kind):
    """Rewards, ends, last observations where a time limit cut off, success, sums and lengths."""
    env = vector(kind)
    source = environments_of(env, CPU)
    pairs = list(zip(steps(source), steps(ArrayEnvironments(noises(), CPU)), strict=True))
    env.close()
    for own, expected in pairs:
        for name in ("reward", "is_over", "success", "returns", "lengths", "cut_rows"):
            a, b = getattr(own, name), getattr(expected, name)
            assert (a is None) == (b is None), name
            if a is not None:
                torch.testing.assert_close(a, b, equal_nan=True, rtol=1e-5, atol=1e-5, check_dtype=name != "reward")
        assert torch.equal(own.observation[ONLY], expected.observation[ONLY])
        if own.final is not None:
            assert torch.equal(own.final[ONLY], expected.final[ONLY])
    assert any(own.final is not None for own, _ in pairs)
    told = torch.cat([own.success for own, _ in pairs if own.success is not None])
    assert set(told[~told.isnan()].tolist()) == {0.0, 1.0}


def test_a_batch_of_rooms_tells_what_its_view_for_sb3_tells():
    env, view = RoomsVectorEnv(**ROOMS), RoomsSB3VecEnv(**ROOMS)
    direct, through = environments_of(env, CPU), environments_of(view, CPU)
    assert isinstance(direct, TensorEnvironments) and isinstance(through, ArrayEnvironments)
    pairs = list(zip(steps(direct), steps(through), strict=True))
    seeds = {"direct": direct.reset(5), "through": through.reset(5)}
    assert not torch.equal(seeds["direct"]["grid"], seeds["through"]["grid"])  # (5, i) and (5 + i, 0)
    env.set_state(view.env.get_state())
    pairs = [(direct.step(torch.full((6,), step % 3)), through.step(torch.full((6,), step % 3))) for step in range(12)]
    for own, expected in pairs:
        assert torch.equal(own.reward, expected.reward) and torch.equal(own.is_over, expected.is_over)
        assert (own.final is None) == (expected.final is None)
        for name, part in own.observation.items():
            assert torch.equal(part, expected.observation[name])
        if own.final is not None:
            assert torch.equal(own.cut_rows, expected.cut_rows)
            assert all(torch.equal(part, expected.final[name]) for name, part in own.final.items())
        for info, wanted in zip(own.infos, expected.infos, strict=True):
            assert ("terminal_observation" in info) == ("terminal_observation" in wanted)
            for key in ("TimeLimit.truncated", "is_success"):
                assert info.get(key) == wanted.get(key)
    assert any(own.final is not None for own, _ in pairs)


def test_infos_of_a_batch_hold_sums_and_last_observations_of_plain_tensors_too():
    class Plain(CueWorld):
        """The same without a dict."""

        single_observation_space = spaces.Box(-1, 1, (3,), np.float32)

        def reset(self, **options):
            return super().reset(**options)[0]["touch"], {}

        def step(self, actions):
            observation, *rest, infos = super().step(actions)
            if "final_obs" in infos:
                infos["final_obs"] = infos["final_obs"]["touch"]
            return observation["touch"], *rest, infos

    source = environments_of(Plain(6), CPU)
    assert list(source.reset(0)) == [ONLY]
    outcomes = [source.step(torch.zeros(6, dtype=torch.int64)) for _ in range(6)]
    ends = [info for outcome in outcomes for info in outcome.infos if info]
    assert len(ends) >= 6 and all(info["terminal_observation"][1] == 1.0 for info in ends)
    assert not any(info["TimeLimit.truncated"] for info in ends) and {info["is_success"] for info in ends} <= {0, 1}
    arrays = GymnasiumVecEnv(Plain(6))
    arrays.seed(0)
    arrays.reset()
    told = [info for _ in range(6) for info in arrays.step(np.zeros(6, np.int64))[3] if info]
    assert [info["is_success"] for info in told] == [info["is_success"] for info in ends]
    assert all((a["terminal_observation"] == b["terminal_observation"]).all() for a, b in zip(told, ends, strict=True))


def test_infos_are_made_when_somebody_looks(monkeypatch):
    source = environments_of(CueWorld(4), CPU)
    source.reset(0)
    made = []
    monkeypatch.setattr("senseweave.policies.ppo.sources._as_dicts", lambda *given: made.append(1) or [{}] * 4)
    infos = source.step(torch.zeros(4, dtype=torch.int64)).infos
    assert len(infos) == 4 and not made
    assert infos[2] == {} and list(infos) == [{}] * 4 and made == [1]


def test_a_vector_environment_that_resets_in_another_step_is_refused_in_one_sentence():
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED):
        with pytest.raises(ConfigError, match=r"must begin its next episode in the step that ends one; got .* Make it"):
            environments_of(vector(mode=mode), CPU)


def test_a_vector_environment_needs_to_take_no_more_than_one_number_as_a_seed():
    """Gymnasium promises no more; its own add the number of the environment, as SB3 does."""
    env, cues = GymnasiumVecEnv(CueWorld(32)), []
    for seed in (3, None, 3):
        if seed is not None:
            env.seed(seed)
        env.reset()
        cues.append(env.env.cue.tolist())
    assert cues[0] == cues[2] != cues[1]
    ours, theirs = GymnasiumVecEnv(vector()), noises()
    for each in (ours, theirs):
        each.seed(9)
    assert np.array_equal(ours.reset(), theirs.reset())


def test_options_are_for_the_next_reset_alone_and_the_same_everywhere():
    env, given = GymnasiumVecEnv(vector()), []
    reset = env.env.reset
    env.env.reset = lambda **told: given.append(told["options"]) or reset(**told)
    env.set_options({"door": "open"})
    env.reset()
    env.reset()
    assert given == [{"door": "open"}, None]
    env.set_options([{"door": "open"}] + [{}] * (env.num_envs - 1))
    with pytest.raises(ConfigError, match="same options everywhere"):
        env.reset()


def test_evaluate_policy_knows_sums_and_lengths_of_whole_episodes():
    """Without a warning that a Monitor is missing, which would be an error here."""

    class First:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.full(len(observation), 1), None

    ours, theirs = GymnasiumVecEnv(vector()), noises()
    told = []
    for env in (ours, theirs):
        env.seed(2)
        told.append(evaluate_policy(First(), env, n_eval_episodes=12, return_episode_rewards=True))
    np.testing.assert_allclose(told[0][0], told[1][0], rtol=1e-4)
    assert told[0][1] == told[1][1]
    assert ours.env_is_wrapped(Monitor) == [True] * 4 and not any(ours.env_is_wrapped(gymnasium.wrappers.TimeLimit))


def test_methods_and_attributes_reach_the_vector_environment():
    env = GymnasiumVecEnv(CueWorld(3))
    env.reset()
    assert env.get_attr("senses", [0, 1]) == [env.env.senses] * 2
    env.set_attr("place", torch.zeros(3, dtype=torch.int64))
    assert env.env_method("expert_actions", indices=[0])[0].shape == (3,) and env.get_images() == [None] * 3


def test_success_that_is_not_defined_for_all_is_left_out():
    class Silent(Noise):
        def step(self, action):
            *rest, infos = super().step(action)
            return *rest, {"is_success": None if self.is_silent else infos["is_success"]}

    env = DummyVecEnv([Silent] * 4)
    for number, part in enumerate(env.envs):
        part.unwrapped.is_silent = number % 2 == 0
    told = [part.success for part in steps(ArrayEnvironments(env, CPU)) if part.success is not None]
    assert told and all(part[[0, 2]].isnan().all() for part in told)
    assert any(not part[[1, 3]].isnan().all() for part in told)


def test_the_tally_counts_episodes_as_a_monitor_does():
    source = ArrayEnvironments(DummyVecEnv([Noise] * 4), CPU)  # nobody else counts here
    tally = EpisodeTally(4, CPU)
    outcomes = steps(source)
    expected = []
    returns, lengths = np.zeros(4), np.zeros(4)
    for outcome in outcomes:
        tally.note(outcome)
        returns, lengths = returns + outcome.reward.numpy(), lengths + 1
        for row in outcome.is_over.nonzero()[:, 0].tolist():
            expected.append((pytest.approx(returns[row], rel=1e-4), lengths[row], bool(outcome.success[row])))
            returns[row] = lengths[row] = 0
    assert [ended[:3] for ended in tally.read()] == expected and len(expected) > 8
    assert tally.read() == []


def test_the_tally_goes_on_from_its_state_and_forgets_at_a_restart():
    outcomes = steps(environments_of(CueWorld(4), CPU), 8)
    tallies = [EpisodeTally(4, CPU) for _ in range(3)]
    for outcome in outcomes[:4]:
        tallies[0].note(outcome)
        tallies[2].note(outcome)
    tallies[0].read()
    tallies[1].restore(tallies[0].state())
    tallies[2].restart()
    for outcome in outcomes[4:]:
        for tally in tallies:
            tally.note(outcome)
    read = [tally.read() for tally in tallies]
    assert read[0] == read[1] and read[0] and max(ended.steps for ended in read[2]) <= 4


def test_rewards_that_are_normalised_do_not_change_the_sums_that_are_told():
    source = ArrayEnvironments(VecNormalize(noises(), norm_reward=True), CPU)
    plain = ArrayEnvironments(noises(), CPU)
    for own, expected in zip(steps(source), steps(plain), strict=True):
        if expected.returns is not None:
            torch.testing.assert_close(own.returns, expected.returns)
        assert not torch.equal(own.reward, expected.reward)
