"""What a film shows: which of some dozens of episodes, and which of their steps."""

import gymnasium
import numpy as np
import pytest
import torch

from senseweave.agent.play.environments import make_vector_env
from senseweave.agent.play.experts import expert_for
from senseweave.agent.play.players import ExpertPlayer, PolicyPlayer, RandomPlayer
from senseweave.agent.play.takes import BATCHED_TAKES, TAKES, Take, take_many, take_one
from senseweave.agent.show.programme import (
    Part,
    Programme,
    choose,
    deciding,
    first_episodes,
    fitted,
    for_player,
    for_policy,
    shown_steps,
)
from senseweave.agent.show.video import record
from senseweave.envs import make
from senseweave.perception import Camera, Instruction, Microphone, PerceptionConfig, Spec
from senseweave.policies import PPO
from senseweave.policies.presets import ppo_settings

SEEK = "senseweave/Seek-v0"
SENSES = Spec(audio=Microphone(2, 1600, 16000), camera=Camera(32, 32), instruction=Instruction(8, 64))


def take(steps, is_success, *, kind=None, late=False, total=0.0, seed=0):
    return Take(seed, [0] * steps, total, is_success, late, kind)


def untrained(env_id):
    vector, facts = make_vector_env(env_id, {}, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    return PPO("MultiInputPolicy", vector, seed=3, device="cpu", **ppo_settings(facts.senses, config)).policy


@pytest.fixture(scope="module")
def policy():
    """One that knows nothing of Seek: it goes right in some rooms, and wrong in most."""
    return untrained(SEEK)


def test_a_success_of_each_kind_comes_first_and_then_what_went_wrong():
    takes = [take(9, False, kind="look", late=True), take(4, True, kind="sound"), take(5, False, kind="sound")]
    takes += [take(steps, True, kind="look") for steps in (1, 3, 5, 7, 30)]
    chosen = choose(takes)
    assert [(one.title, one.take.kind, one.take.steps, one.is_good) for one in chosen] == [
        ("a success", "look", 7, True),
        ("a success", "sound", 4, True),
        ("a failure", "sound", 5, False),
    ]


def test_a_failure_out_of_time_is_shown_where_none_was_wrong():
    chosen = choose([take(4, True), take(64, False, late=True)])
    assert [one.take.steps for one in chosen] == [4, 64] and not chosen[1].is_good


def test_where_nothing_fails_that_is_told_and_no_failure_is_shown(capsys):
    chosen = choose([take(4, True), take(5, True)])
    assert [one.title for one in chosen] == ["a success"]
    assert capsys.readouterr().err == "None of 2 held-out episodes is a failure, so the video shows none.\n"


def test_where_success_is_not_defined_the_best_and_the_worst_are_shown():
    takes = [take(4, None, total=total, seed=seed) for seed, total in enumerate((3.0, 9.0, -1.0))]
    assert [(one.take.seed, one.title) for one in choose(takes)] == [
        (1, "the best of 3 by return"),
        (2, "the worst of 3 by return"),
    ]
    assert [one.is_good for one in choose([take(4, None)] * 3)] == [True]


def test_the_sense_that_decides_is_the_one_without_which_most_is_lost():
    takes = [take(4, True, kind=kind) for kind in ("look", "sound") * 4]

    def without(gone):
        lost = {"camera": {"look": 1, "sound": 4}, "audio": {"look": 3, "sound": 2}}[gone[0]]
        left = dict.fromkeys(("look", "sound"), 0)
        ends = []
        for one in takes:
            left[one.kind] += 1
            ends.append(take(4, left[one.kind] > lost[one.kind], kind=one.kind))
        return ends

    good = [one.take for one in choose(takes)]
    sense, chosen = deciding(SENSES, takes, good, without)
    assert (sense, chosen.kind) == ("camera", "sound")


def test_a_single_sense_beside_the_instruction_needs_no_measurement():
    def never(gone):
        raise AssertionError("it was played without a sense")

    grid = Spec(camera=Camera(32, 32), instruction=Instruction(8, 64))
    assert deciding(grid, [], [take(4, True)], never)[0] == "camera"
    assert deciding(Spec(instruction=Instruction(8, 64)), [], [take(4, True)], never)[0] == "instruction"


@pytest.mark.parametrize(
    ("last", "count", "moments", "steps"),
    [
        (5, 6, (), [0, 1, 2, 3, 4, 5]),
        (100, 6, (), [0, 1, 2, 98, 99, 100]),
        (100, 7, (50,), [0, 1, 49, 50, 51, 99, 100]),
        (100, 1, (50,), [0, 50, 100]),
        (100, 4, (0, 200), [0, 1, 99, 100]),
    ],
)
def test_of_a_long_episode_the_begin_the_moments_and_the_end_are_shown(last, count, moments, steps):
    assert shown_steps(last, count, moments) == steps


def test_short_episodes_are_whole_and_leave_their_time_to_long_ones():
    parts = [Part(seed, "", [0] * steps) for seed, steps in enumerate((500, 9, 300))]
    shown = [len(part.steps) for part in fitted(Programme(parts), 180, 10).parts]
    assert shown[1] == 10 and shown[0] == shown[2] == (180 - 30 - 10) // 2
    live = first_episodes(0, 3, {})
    assert fitted(live, 10, 10) == live, "nobody knows how long they will be"


def test_takes_in_a_batch_are_those_that_a_room_alone_plays_again(policy):
    takes = take_many(policy, SEEK, {})
    assert len(takes) == BATCHED_TAKES and {one.kind for one in takes} == {"look", "sound"}
    assert {one.is_success for one in takes} == {True, False}
    env, player = make(SEEK), PolicyPlayer(policy)
    for one in takes[:6]:
        again = take_one(player, env, one.seed, opening=one.actions)
        assert (again.steps, again.is_success, again.kind) == (one.steps, one.is_success, one.kind)
        assert (again.is_out_of_time, again.total_return) == (one.is_out_of_time, pytest.approx(one.total_return))


def test_a_film_of_seek_shows_both_kinds_a_failure_and_a_sense_unplugged(policy, tmp_path):
    env = make(SEEK)
    before = torch.get_rng_state()
    programme = for_policy(policy, env, SEEK, {})
    assert torch.equal(torch.get_rng_state(), before)
    takes = {one.seed: one for one in programme.takes}
    good = [takes[part.seed] for part in programme.parts[:2]]
    assert [one.kind for one in good] == ["look", "sound"] and all(one.is_success for one in good)
    wrong, unplugged = takes[programme.parts[2].seed], programme.parts[3]
    assert wrong.is_success is False and not wrong.is_out_of_time
    ((sense, step),) = unplugged.gone_from.items()
    of = takes[unplugged.seed]
    assert of in good and sense in ("audio", "camera") and step == max(1, of.steps // 2)
    assert [int(action) for action in unplugged.actions[:step]] == [int(action) for action in of.actions[:step]]
    assert programme.note.startswith(f"chosen of {BATCHED_TAKES} held-out episodes: ")
    filmed = record(PolicyPlayer(policy), env, tmp_path / "film.mp4", programme)
    assert [one.is_success for one in filmed[:3]] == [True, True, False] and all(one.is_whole for one in filmed)
    assert [one.steps for one in filmed] == [len(part.actions) for part in programme.parts]
    assert filmed[3].unplugged == {sense: step} and filmed[0].title == "1 of 4: a success"


def test_what_is_gone_throughout_is_gone_in_every_take_and_nothing_else_is_unplugged(policy):
    programme = for_policy(policy, make(SEEK), SEEK, {}, without=["camera"])
    assert all(part.gone_from == {"camera": 0} for part in programme.parts)
    assert [one.steps for one in programme.takes] != [one.steps for one in take_many(policy, SEEK, {})]


def test_an_expert_who_never_fails_is_shown_without_a_failure(capsys):
    env = make(SEEK)
    programme = for_player(ExpertPlayer(expert_for(env, SEEK)), env)
    assert [part.title for part in programme.parts] == ["1 of 2: a success", "2 of 2: a success"]
    assert programme.note == f"chosen of {TAKES} held-out episodes: all right, no failure to show"
    assert "so the video shows none" in capsys.readouterr().err


def test_a_world_without_success_kinds_and_instructions_has_a_film_too(tmp_path):
    policy, env = untrained("CartPole-v1"), make("CartPole-v1", render_mode="rgb_array")
    programme = for_policy(policy, env, "CartPole-v1", {})
    best, worst, unplugged = programme.parts
    assert len(best.actions) > len(worst.actions) and best.seed == unplugged.seed
    assert list(unplugged.gone_from) == ["vector"] and "returns" in programme.note
    filmed = record(PolicyPlayer(policy), env, tmp_path / "film.mp4", programme)
    assert [one.is_success for one in filmed] == [None] * 3 and all(one.is_whole for one in filmed)


def test_chance_in_a_long_world_is_not_played_for_ever():
    class Endless(gymnasium.Wrapper):
        def step(self, action):
            observation, reward, _, _, info = self.env.step(action)
            return observation, reward, False, False, info

    env = Endless(make("MountainCar-v0"))
    programme = for_player(RandomPlayer(env), env)
    assert sum(one.steps for one in programme.takes) == 5000 and np.isfinite(programme.takes[0].total_return)
