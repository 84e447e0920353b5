"""Environments travel: pickled and copied by what they are made of and their state, and made again from their specs."""

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import senseweave.envs
from senseweave.envs import SensorOutages, WithoutSenses, adapt, make
from senseweave.envs.live import LiveRig
from senseweave.envs.rooms.array_vector_env import RoomsArrayVectorEnv
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Instruction, Spec
from senseweave.perception.tokenizer import Tokenizer, default_tokenizer

GRID = {"senses": ["grid", "instruction"]}
SMALL_BYTES = 400_000


def same(one, other):
    """Whether two observations or infos are bit-equal."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray) and one.dtype != object:
        return np.array_equal(one, other)
    if isinstance(one, (list, tuple, np.ndarray)):
        return len(one) == len(other) and all(same(part, its) for part, its in zip(one, other, strict=True))
    return one == other


def play_on(env, twin, steps=40, **reset):
    """Both live the same life from here on, over ends of episodes."""
    for step in range(steps):
        action = (2, 2, 1, 3, 0)[step % 5] % int(env.action_space.n)
        mine, its = env.step(action), twin.step(action)
        assert same(mine, its), step
        if mine[2] or mine[3]:
            mine, its = env.reset(**reset), twin.reset(**reset)
            assert same(mine, its)


def travelled(env):
    """A copy that went through a small pickle."""
    packed = pickle.dumps(env)
    assert len(packed) < SMALL_BYTES
    return pickle.loads(packed)


@pytest.mark.parametrize("level", list(LEVELS.names))
def test_every_level_plays_on_bit_for_bit_after_a_pickle_in_the_middle_of_an_episode(level):
    env = gymnasium.make(f"senseweave/{level}-v0", **({} if LEVELS[level].spoken else GRID))
    env.reset(seed=3)
    for action in (2, 1, 4, 4, 4):  # dropping what is not held does nothing
        if any(env.step(action)[2:4]):
            env.reset()
    play_on(env, travelled(env), 25)


@pytest.mark.parametrize("copied", [travelled, copy.deepcopy])
def test_sound_pictures_outages_and_drawings_travel_too(copied):
    options = {"outages": 0.3, "compass": True, "max_steps": 6}
    env = gymnasium.make("senseweave/Seek-v0", render_mode="rgb_array", **options).unwrapped
    env.reset(seed=1)
    env.step(2)
    twin = copied(env)
    assert np.array_equal(env.render(), twin.render())
    play_on(env, twin, 20)
    assert np.array_equal(env.render(), twin.render()) and twin.expert_action() == env.expert_action()


def test_an_environment_travels_before_its_first_reset_and_draws_the_same_life():
    env = gymnasium.make("senseweave/GoToObj-v0", **GRID)
    twin = travelled(env)
    assert same(env.reset(seed=4)[0], twin.reset(seed=4)[0])
    fresh = gymnasium.make("senseweave/GoToObj-v0", **GRID)
    fresh.unwrapped.np_random  # noqa: B018  (drawn now, so that both have the same)
    assert same(fresh.reset()[0], travelled(fresh).reset()[0]) is False  # the next episode of a life that went on
    env.unwrapped.note = "kept"
    assert travelled(env).unwrapped.note == "kept" and travelled(env).unwrapped.senses == env.unwrapped.senses


@pytest.mark.parametrize("kind", [RoomsVectorEnv, RoomsArrayVectorEnv])
def test_a_batch_travels_small_however_large_it_is(kind):
    env = kind(level="GoToObj", num_envs=64, device="cpu", max_steps=5, **GRID)
    env.reset(seed=2)
    assert env.observation_space is not None  # megabytes, once somebody has looked
    env.step(np.full(64, 2))
    twin = travelled(env)
    for step in range(12):
        actions = np.arange(step, step + 64) % 3
        assert same(env.step(actions), twin.step(actions))
    assert same(env.reset()[0], twin.reset()[0])


def test_the_view_of_stable_baselines3_travels():
    env = RoomsSB3VecEnv(level="GoToObj", num_envs=3, device="cpu", max_steps=4, **GRID)
    env.seed(1)
    env.reset()
    twin = travelled(env)
    for _ in range(6):
        assert same(env.step(np.full(3, 2)), twin.step(np.full(3, 2)))


class Told(gymnasium.Env):
    """A text and some numbers."""

    observation_space = gymnasium.spaces.Dict(
        {"goal": gymnasium.spaces.Text(40), "body": gymnasium.spaces.Box(-1, 1, (3,))}
    )
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def _look(self):
        body = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return {"goal": f"go to {self.np_random.integers(9)}", "body": body}

    def step(self, action):
        return self._look(), 0.0, False, False, {}


@pytest.mark.parametrize(
    "made",
    [
        lambda: adapt(Told(), hold_instruction=True),
        lambda: make("BabyAI-GoToLocal-v0"),
        lambda: make("BabyAI-GoToLocal-v0", view="camera"),
        lambda: make("CartPole-v1"),
        lambda: SensorOutages(gymnasium.make("senseweave/GoToObj-v0", **GRID), 0.3),
        lambda: WithoutSenses(gymnasium.make("senseweave/GoToObj-v0", **GRID), "instruction"),
    ],
    ids=["text", "babyai", "babyai-camera", "cart-pole", "outages", "without"],
)
def test_adapted_and_wrapped_environments_travel(made):
    env = made()
    env.reset(seed=5)
    env.step(0)
    play_on(env, pickle.loads(pickle.dumps(env)), seed=7)


def test_the_tokenizer_travels_as_the_one_of_the_process_it_arrives_in(tmp_path):
    assert pickle.loads(pickle.dumps(default_tokenizer())) is default_tokenizer()
    assert copy.deepcopy(default_tokenizer()) is default_tokenizer() and len(pickle.dumps(default_tokenizer())) < 500
    packaged = senseweave.perception.tokenizer._DEFAULT_FILE.read_text(encoding="utf-8")
    (tmp_path / "own.json").write_text(packaged.replace('"truncation": null', '"truncation":null'), encoding="utf-8")
    own = Tokenizer(tmp_path / "own.json")
    again = pickle.loads(pickle.dumps(own))
    assert (
        again.identity == own.identity
        and again.encode("go to the red ball")[0].tolist() == own.encode("go to the red ball")[0].tolist()
    )


def test_a_live_rig_says_why_it_stays_where_it_is():
    rig = LiveRig(Spec(instruction=Instruction(4, 9)), {}, action_names=("go",), step_s=0.1)
    for attempt in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(ConfigError, match="holds devices and threads, so it can be neither pickled nor copied"):
            attempt(rig)
    rig.close()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: WithoutSenses(env, "instruction"),
        lambda env: WithoutSenses(env, names=["instruction"]),
        lambda env: SensorOutages(env, {"instruction": 0.5}),
    ],
)
def test_wrappers_are_made_again_from_their_spec(wrap):
    env = wrap(gymnasium.make("senseweave/GoToObj-v0", **GRID))
    again = gymnasium.make(env.spec)
    assert type(again) is type(env) and again.spec == env.spec
    assert gymnasium.make(type(env.spec).from_json(env.spec.to_json())).spec == env.spec
    assert same(env.reset(seed=3), again.reset(seed=3))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*is different from the unwrapped version")
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("options", [{}, {"max_steps": 7}])
def test_the_time_limit_stands_in_the_spec_and_no_wrapper_keeps_it(options):
    env = gymnasium.make("senseweave/GoToObj-v0", **GRID, **options)
    limit = env.unwrapped.simulation.level.max_steps
    assert env.spec.max_episode_steps == limit and limit == options.get("max_steps", limit)
    assert not isinstance(env, gymnasium.wrappers.TimeLimit) and gymnasium.spec(env.spec.id).max_episode_steps is None
    timed = gymnasium.wrappers.TimeAwareObservation(env, flatten=False)
    assert timed.reset(seed=0)[0]["time"] == [0]
    again = gymnasium.make(env.spec)
    assert again.spec == env.spec
    env.reset(seed=2)
    again.reset(seed=2)
    play_on(env, again, 30)
    batch = gymnasium.make_vec(env.spec, num_envs=2, device="cpu")
    assert batch.simulation.level.max_steps == limit
    with pytest.raises(ConfigError, match="`max_episode_steps` must be the level's own, .*; got 3. .* by `max_steps`"):
        gymnasium.make_vec(env.spec, num_envs=2, max_episode_steps=3)
    assert gymnasium.make("senseweave/GoToObj-v0", max_episode_steps=3).spec.max_episode_steps == 3
