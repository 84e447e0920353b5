"""The hard level of grounding: the instruction decides, every word of it, and nothing else does."""

import collections

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from senseweave.envs.rooms.codes import COLOURS, HEIGHTS, KEY, KINDS, SHORT, TALL
from senseweave.envs.rooms.expert.planner import Planner
from senseweave.envs.rooms.levels.registry import make_level
from senseweave.envs.rooms.levels.seek_grounded import INSTRUCTIONS, SeekGrounded, held_out_instructions
from senseweave.envs.rooms.state import RoomsState
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError

HELD_OUT = {
    *("short green key", "short yellow key", "tall key", "green ball", "blue ball", "tall red ball"),
    *("short box", "short red box", "tall blue box", "red object", "short green object", "tall yellow object"),
    *("yellow one", "short red one", "short yellow one"),
}
"""A policy that was trained on one version is tested on the same by another."""

SPLITS = (None, "train", "test")


def made(count: int, seed: int = 11, **options: object) -> tuple[SeekGrounded, RoomsState]:
    level = make_level("SeekGrounded", **options)
    assert isinstance(level, SeekGrounded)
    zeros = torch.zeros(count, dtype=torch.int64)
    return level, level.generate(zeros + seed, torch.arange(count), zeros)


def heights(state: RoomsState) -> torch.Tensor:
    return state.cells.gather(1, state.object_cell).long() % 3


def meant_by(words: str, state: RoomsState) -> torch.Tensor:
    """Which objects of every room the words mean, however many they are: (b, m)."""
    height, fits = heights(state), torch.ones_like(state.is_target)
    for word in words.split():
        if word in HEIGHTS:
            fits &= height == HEIGHTS.index(word)
        elif word in COLOURS:
            fits &= state.object_colour == COLOURS.index(word)
        elif word in KINDS:
            fits &= state.object_kind == KINDS.index(word)
    return fits


def near(rate: float, chance: float, count: int) -> bool:
    """Within 4.5 standard errors."""
    return abs(rate - chance) < 4.5 * (chance * (1 - chance) / count) ** 0.5


def test_there_are_70_instructions_of_14_adjectives_and_5_nouns() -> None:
    assert len(set(INSTRUCTIONS)) == 70
    assert {text.split()[-1] for text in INSTRUCTIONS} == {"key", "ball", "box", "object", "one"}
    assert {"go to the tall red ball", "go to the short key", "go to the green ball", "go to the tall one"} <= {
        *INSTRUCTIONS
    }


@pytest.mark.parametrize("split", SPLITS)
def test_the_instruction_fits_one_object_alone_and_all_others_are_wrong(split) -> None:
    level, state = made(2_000, split=split)
    assert torch.equal(state.is_wrong, ~state.is_target)
    for mission in range(70):
        here = state.rows(state.mission == mission)
        assert torch.equal(meant_by(level.missions[mission], here), here.is_target)
    assert set(heights(state).flatten().tolist()) == {SHORT, TALL}


def test_15_instructions_are_held_out_and_training_shows_their_words_and_pairs_of_words_in_others() -> None:
    is_held_out = held_out_instructions().tolist()
    chosen = [text.removeprefix("go to the ") for text, is_out in zip(INSTRUCTIONS, is_held_out, strict=True) if is_out]
    assert len(chosen) == 15 and set(chosen) == HELD_OUT
    shown = [text.removeprefix("go to the ").split() for text in INSTRUCTIONS]
    shown = [words for words in shown if " ".join(words) not in HELD_OUT]
    for words in map(str.split, HELD_OUT):
        for one in words:
            for other in words:
                assert any(one in text and other in text for text in shown), words


def test_training_shows_all_other_instructions_and_the_test_all_that_are_held_out() -> None:
    is_held_out = held_out_instructions()
    for split, expected in ((None, torch.ones(70)), ("train", ~is_held_out), ("test", is_held_out)):
        _, state = made(12_000, split=split)
        assert torch.equal(torch.bincount(state.mission, minlength=70) > 0, expected.bool())


def features(state: RoomsState, level: SeekGrounded) -> tuple[np.ndarray, ...]:
    """All that is true in a room but the instruction, of each object and in common: symbols as numbers."""
    width, agent = level.width, state.agent_cell[:, None]
    dx, dy = state.object_cell % width - agent % width, state.object_cell // width - agent // width
    height, colour, kind = heights(state), state.object_colour, state.object_kind
    shared = [(part[:, :, None] == part[:, None]).sum(dim=2) for part in (height, colour, kind, state.object_sound)]
    twins = ((colour * 10 + kind)[:, :, None] == (colour * 10 + kind)[:, None]).sum(dim=2)
    own = [height == TALL, *(colour == value for value in range(6)), *(kind == value for value in (KEY, KEY + 1))]
    own += [state.object_sound, state.object_phase, *shared, twins, dx, dy, dx.abs() + dy.abs()]
    return torch.stack([part.float() for part in own], dim=2).numpy(), state.is_target.numpy()


@pytest.mark.parametrize("split", SPLITS)
def test_a_classifier_that_knows_the_room_but_not_the_instruction_can_only_guess(split) -> None:
    level, state = made(6_000, split=split)
    per_object, is_target = features(state, level)
    half = 3_000
    for classifier in (
        LogisticRegression(max_iter=500),
        RandomForestClassifier(40, min_samples_leaf=20, random_state=0),
    ):
        classifier.fit(per_object[:half].reshape(half * 5, -1), is_target[:half].reshape(-1))
        score = classifier.predict_proba(per_object[half:].reshape(half * 5, -1))[:, 1].reshape(half, 5)
        guess = (score + np.random.default_rng(0).random(score.shape) * 1e-9).argmax(axis=1)
        rate = is_target[half:][np.arange(half), guess].mean()
        assert near(rate, 1 / 5, half), rate
    whole = RandomForestClassifier(40, min_samples_leaf=20, random_state=0)
    whole.fit(per_object[:half].reshape(half, -1), is_target[:half].argmax(axis=1))
    rate = (whole.predict(per_object[half:].reshape(half, -1)) == is_target[half:].argmax(axis=1)).mean()
    assert near(rate, 1 / 5, half), rate


@pytest.mark.parametrize("split", SPLITS)
def test_no_odd_one_out_gives_the_target_away(split) -> None:
    level, state = made(6_000, split=split)
    per_object, is_target = features(state, level)
    for column in range(per_object.shape[2]):
        score = per_object[:, :, column] + np.random.default_rng(column).random((6_000, 5)) * 1e-3
        for guess in (score.argmin(axis=1), score.argmax(axis=1)):
            assert near(is_target[np.arange(6_000), guess].mean(), 1 / 5, 6_000), column


@pytest.mark.parametrize("split", SPLITS)
def test_the_instruction_without_the_looks_tells_nothing(split) -> None:
    level, state = made(8_000, split=split)
    slot = state.is_target.long().argmax(dim=1)
    cell, sound, phase = (
        part.gather(1, slot[:, None])[:, 0] for part in (state.object_cell, state.object_sound, state.object_phase)
    )
    for clue in (slot, cell, sound, phase, state.heading):
        table = torch.zeros(70, int(clue.max()) + 1)
        table.index_put_((state.mission, clue), torch.ones(8_000), accumulate=True)
        table = table[table.sum(dim=1) > 0][:, table.sum(dim=0) > 0]
        assert stats.chi2_contingency(table).pvalue > 1e-4


@pytest.mark.parametrize(("deaf_to", "most"), [(HEIGHTS, 0.8), (COLOURS, 0.7), (KINDS, 0.85)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_whoever_does_not_know_one_sort_of_words_is_wrong_often(split, deaf_to, most) -> None:
    level, state = made(6_000, split=split)
    right = 0.0
    for mission in range(70):
        here = state.rows(state.mission == mission)
        fits = meant_by(" ".join(word for word in INSTRUCTIONS[mission].split() if word not in deaf_to), here)
        right += float((here.is_target / fits.sum(dim=1, keepdim=True)).sum())
    assert 0.5 < right / 6_000 < most


def test_rooms_have_twins_lack_a_colour_and_objects_of_a_room_differ() -> None:
    _, state = made(3_000)
    shape = state.object_colour * 10 + state.object_kind
    assert all(max(collections.Counter(row).values()) == 2 for row in shape.tolist())
    assert all(len(set(row)) == 5 for row in (shape * 3 + heights(state)).tolist())
    assert {len(set(row)) for row in state.object_colour.tolist()} == {1, 2, 3}


@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_needs_far_less_than_the_30_actions(split) -> None:
    level, state = made(2_000, split=split)
    assert level.max_steps == 30 and (state.max_steps == 30).all()
    steps = Planner(level.height, level.width).distance(state)
    assert steps.min() >= 1 and steps.max() <= 20


@pytest.mark.nightly
@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_solves_every_one_of_many_episodes(split) -> None:
    env = RoomsVectorEnv("SeekGrounded", 1_000, "cpu", senses=("instruction",), split=split)
    env.reset(seed=1)
    ended = solved = 0
    while ended < 10_000:
        *_, infos = env.step(env.expert_actions())
        ended, solved = ended + int(infos["_is_success"].sum()), solved + int(infos["is_success"].sum())
    assert solved == ended


def test_the_symbolic_view_tells_heights_and_a_wrong_object_ends_the_episode() -> None:
    env = RoomsVectorEnv("SeekGrounded", 200, "cpu", senses=("grid", "instruction"))
    observation, _ = env.reset(seed=0)
    view = observation["grid"]
    assert set(view[..., 2][view[..., 0] >= KEY].tolist()) == {SHORT, TALL}
    failed = 0
    for _ in range(12):
        env.state.is_target.logical_not_()
        env.state.is_wrong.logical_not_()
        actions = env.expert_actions()  # to one of the wrong ones
        env.state.is_target.logical_not_()
        env.state.is_wrong.logical_not_()
        _, reward, terminated, _, _ = env.step(actions)
        failed += int((terminated & (reward == 0)).sum())
    assert failed > 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objects": 6}, "`objects` must be a whole number in 2..5; got 6"),
        ({"split": "valid"}, "`split` must be one of"),
        ({"max_steps": 0}, "`max_steps` must be"),
        ({"size": "small"}, '"SeekGrounded" does not take the option "size"'),
    ],
)
def test_wrong_options_get_one_sentence(options, words) -> None:
    with pytest.raises(ConfigError) as caught:
        make_level("SeekGrounded", **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("objects", [2, 3, 4])
def test_fewer_objects_make_a_curriculum(objects, split) -> None:
    level, state = made(500, objects=objects, split=split)
    assert state.object_cell.shape == (500, objects)
    for mission in state.mission.unique().tolist():
        here = state.rows(state.mission == mission)
        assert torch.equal(meant_by(level.missions[mission], here), here.is_target)
