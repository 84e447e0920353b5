import numpy as np
import pytest
from gymnasium import spaces

from kit.data.demonstrations import ARM, GOTO, arm, arm_episode, played
from senseweave.envs.datasets import NO_TIME, DatasetError, DatasetFacts, Episode, Episodes, open_dataset, write_dataset
from senseweave.envs.datasets.facts import space_from_json, space_to_json
from senseweave.perception import Instruction, Spec, Vector
from senseweave.perception.errors import UnknownNameError

FACTS = DatasetFacts(Spec(state=Vector(2), instruction=Instruction(4, 1024)), spaces.Discrete(3))
SEEN = {"state": np.zeros((4, 2), np.float32), "instruction": np.ones((4, 4), np.int32)}


def test_what_is_not_said_is_filled_in_and_what_is_absent_is_a_placeholder():
    present = np.array([[1, 1], [1, 0], [1, 1], [1, 1]], np.int8)
    seen = SEEN | {"state": np.full((4, 2), np.nan, np.float32), "present": present}
    episode = Episode.of(FACTS, seen, [0, 1, 2])
    assert len(episode) == 3 and episode.has_final and episode.truncated and not episode.terminated
    assert np.isnan(episode.rewards).all() and episode.success is None and episode.actors == ("", "", "")
    assert episode.times_ns.tolist() == [0, 100_000_000, 200_000_000, 300_000_000]
    assert episode.captured_ns[:, 1].tolist() == [0, NO_TIME, 200_000_000, 300_000_000]
    assert episode.captured_ns[:, 0].tolist() == [0, 0, 0, 0] and episode.ages_s[3, 0] == pytest.approx(0.3)
    assert episode.observations["state"][1].tolist() == [0, 0] and np.isnan(episode.observations["state"][0]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observations": {"state": SEEN["state"]}}, "must be of instruction, state"),
        ({"observations": SEEN | {"state": np.zeros((4, 3), np.float32)}}, '"state" must be float32'),
        ({"observations": SEEN | {"present": np.full((4, 2), 2)}}, "zeros and ones"),
        ({"actions": [0, 1]}, "2 or 3 observations"),
        ({"actions": [0, 1, 3]}, "got 0..3"),
        ({"actions": [0.5, 1, 2]}, "Actions must be rows"),
        ({"rewards": [1.0]}, "`rewards` must be of shape"),
        ({"times_ns": [0, 1, 1, 2]}, "must increase"),
        ({"texts": ["a"]}, "4 texts"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused_in_a_sentence(changes, words):
    with pytest.raises(DatasetError, match=words):
        Episode.of(FACTS, **({"observations": SEEN, "actions": [0, 1, 2]} | changes))


def test_parts_splits_and_shuffles_are_numbers_alone_and_the_generator_decides():
    episodes = played(episodes=6)
    learned, held_out = episodes.split(0.34, np.random.default_rng(0))
    assert len(held_out) == 2 and sorted([*learned.numbers, *held_out.numbers]) == list(range(6))
    assert (episodes.split(0.34, np.random.default_rng(0))[1].numbers == held_out.numbers).all()
    shuffled = episodes.shuffled(np.random.default_rng(3))
    assert sorted(shuffled.numbers) == list(range(6)) and shuffled.numbers.tolist() != list(range(6))
    assert shuffled[0] is episodes[int(shuffled.numbers[0])] and len(episodes[1:3]) == 2
    assert episodes.steps == sum(map(len, episodes)) and episodes.lengths.tolist() == [len(each) for each in episodes]
    assert episodes.split(0.0, np.random.default_rng(0))[0].steps == episodes.steps
    with pytest.raises(DatasetError, match="cannot be split"):
        episodes[:1].split(0.5, np.random.default_rng(0))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(7),
        spaces.MultiDiscrete([2, 5]),
        spaces.MultiBinary(3),
        spaces.Box(np.array([-1, 0.1], np.float32), np.array([1, 0.7], np.float32)),
        spaces.Box(-2.0, 2.0, (2, 3), np.float64),
    ],
)
def test_an_action_space_comes_back_from_json(space):
    assert space_from_json(space_to_json(space)) == space


@pytest.mark.parametrize("space", [spaces.Discrete(2, start=1), spaces.Text(3), spaces.Box(-np.inf, 1.0, (1,))])
def test_actions_that_no_policy_chooses_are_no_dataset(space):
    with pytest.raises(DatasetError, match="A dataset's actions must be"):
        space_to_json(space)


def test_a_folder_in_use_an_unknown_format_and_no_episode_leave_nothing(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="is in use"):
        write_dataset(arm(1), tmp_path / "used", "sessions")
    with pytest.raises(UnknownNameError, match='did you mean "minari"'):
        write_dataset(arm(1), tmp_path / "new", "minary")
    for name in ("sessions", "minari", "lerobot"):
        with pytest.raises(DatasetError, match="at least one episode"):
            write_dataset([], tmp_path / "new", name, facts=ARM)
    with pytest.raises(DatasetError, match="need `facts`"):
        write_dataset([arm_episode(0)], tmp_path / "new", "sessions")
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    with pytest.raises(DatasetError, match="There is no dataset"):
        open_dataset(tmp_path / "new")
    with pytest.raises(DatasetError, match="no dataset of a known format"):
        open_dataset(tmp_path / "used")


def test_what_fails_in_the_middle_leaves_nothing_behind(tmp_path):
    def broken():
        yield arm_episode(0)
        raise OSError(28, "No space left on device")

    for name in ("sessions", "minari", "lerobot"):
        with pytest.raises(DatasetError, match="No space left"):
            write_dataset(broken(), tmp_path / "new", name, facts=ARM)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_says_what_it_is():
    assert repr(played()).startswith("Episodes('memory', format=memory, 4 episodes,") and played().facts.env == GOTO
    assert isinstance(played()[0], Episode) and isinstance(played(), Episodes)
