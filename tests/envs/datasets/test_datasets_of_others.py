"""Datasets that somebody else wrote: by Minari's collector's way, and by LeRobot 0.4.4 itself (lerobot_0_4_4/).

That folder was written by LeRobotDataset.create, add_frame and save_episode: three episodes of 7, 8 and 9 frames at
20 Hz, two cameras of one grey each (20 t + episode, and 200 - 20 t), AV1.
"""

import json
import shutil
from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from senseweave.envs.datasets import DatasetError, open_dataset, write_dataset
from senseweave.perception import Camera, Microphone, Vector
from senseweave.perception.errors import SpecError, UnknownOptionError

LEROBOT = Path(__file__).with_name("lerobot_0_4_4")


def minari_dataset(folder, monkeypatch, observation_space, observations, action_space, actions, **more):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    t = len(actions)
    buffer = EpisodeBuffer(
        observations=observations,
        actions=actions,
        rewards=[0.5] * t,
        terminations=[False] * t,
        truncations=[False] * (t - 1) + [True],
        infos={},
        seed=4,
    )
    with pytest.warns(UserWarning):  # of everything that the metadata lack
        minari.create_dataset_from_buffers(
            "theirs-v0", [buffer, buffer], observation_space=observation_space, action_space=action_space, **more
        )
    return folder / "theirs-v0"


def test_a_minari_dataset_of_dicts_texts_and_odd_actions_is_read_as_adapt_reads_an_environment(tmp_path, monkeypatch):
    space = spaces.Dict(
        pixels=spaces.Dict(top=spaces.Box(0, 255, (20, 30, 3), np.uint8)),
        speed=spaces.Box(-np.inf, np.inf, (2,), np.float64),
        mission=spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz "),
        gear=spaces.Discrete(3),
    )
    frames = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 20, 30, 3), np.uint8)
    seen = {
        "pixels": {"top": frames},
        "speed": np.arange(8.0).reshape(4, 2),
        "mission": ["go to it"] * 3 + ["stop"],
        "gear": np.array([0, 2, 1, 0]),
    }
    place = minari_dataset(
        tmp_path, monkeypatch, space, seen, spaces.Discrete(4, start=2), np.array([2, 5, 3]), data_format="hdf5"
    )
    episodes = open_dataset(place)
    assert episodes.spec["camera"] == Camera(20, 30) and episodes.spec["speed"] == Vector(2)
    assert episodes.spec["gear"] == Vector(3) and episodes.action_space == spaces.Discrete(4) and len(episodes) == 2
    (episode, _) = episodes
    assert episode.actions.tolist() == [0, 3, 1] and episode.rewards.tolist() == [0.5] * 3 and episode.seed == 4
    assert episode.texts == ("go to it",) * 3 + ("stop",) and episode.truncated
    assert episode.observations["gear"].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(episode.observations["camera"], frames)
    assert (episode.observations["instruction"][0] != episode.observations["instruction"][3]).any()
    write_dataset(episodes, tmp_path / "ours", "sessions")
    assert open_dataset(tmp_path / "ours").facts == episodes.facts
    assert open_dataset(place, size=(16, 24)).spec["camera"] == Camera(16, 24)


def test_what_is_ambiguous_is_asked_for_in_a_sentence(tmp_path, monkeypatch):
    space = spaces.Dict(noise=spaces.Box(-1, 1, (2, 50), np.float32))
    seen = {"noise": np.zeros((4, 2, 50), np.float32)}
    actions = np.array([[5.0, -1], [2, 0], [3, 1]], np.float32)
    place = minari_dataset(tmp_path, monkeypatch, space, seen, spaces.Box(-np.inf, np.inf, (2,)), actions)
    with pytest.raises(SpecError, match="audio"):
        open_dataset(place)
    episodes = open_dataset(place, audio="noise", sample_rate_hz=1000)
    assert episodes.spec["audio"] == Microphone(2, 50, 1000)
    assert episodes.action_space == spaces.Box(np.array([2, -1], np.float32), np.array([5, 1], np.float32))
    with pytest.raises(UnknownOptionError, match='"rate"'):
        open_dataset(place, rate=3)


def test_no_environment_is_made_and_no_other_file_is_read_because_a_dataset_says_so(tmp_path, monkeypatch):
    import h5py

    made = []
    monkeypatch.setattr(gymnasium, "make", lambda *args, **kwargs: made.append(args))
    space = spaces.Dict(speed=spaces.Box(-1, 1, (2,), np.float32))
    seen = {"speed": np.zeros((4, 2), np.float32)}
    place = minari_dataset(tmp_path, monkeypatch, space, seen, spaces.Discrete(2), np.array([0, 1, 0]))
    path = place / "data" / "metadata.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in whole.items() if name != "observation_space"}))
    with pytest.raises(DatasetError, match="lacks its observation_space"):
        open_dataset(place)
    path.write_text(json.dumps(whole))
    (tmp_path / "secret.hdf5").write_bytes((place / "data" / "main_data.hdf5").read_bytes())
    with h5py.File(place / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/rewards"]
        file["episode_1/rewards"] = h5py.ExternalLink(str(tmp_path / "secret.hdf5"), "/episode_0/rewards")
    with pytest.raises(DatasetError, match='"rewards" behind a link'):
        open_dataset(place)
    episodes = open_dataset(place, allow_damaged=True)
    assert len(episodes) == 1 and len(episodes.source.damage) == 1 and made == []


def test_a_dataset_that_lerobot_wrote_is_read_frame_by_frame(tmp_path):
    episodes = open_dataset(LEROBOT)
    assert episodes.lengths.tolist() == [7, 8, 9] and episodes.step_s == 0.05 and episodes.action_names == ("x", "y")
    assert episodes.spec["top"] == Camera(64, 48) and episodes.spec["wrist"] == Camera(32, 32)
    for number, episode in enumerate(episodes):
        t = np.arange(len(episode))
        for name, grey in (("top", 20 * t + number), ("wrist", 200 - 20 * t)):
            seen = episode.observations[name].reshape(len(t), -1).astype(int)
            assert np.abs(seen - grey[:, None]).max() <= 2, name  # AV1 of LeRobot's own settings
        assert episode.instruction == f"task {number}" and episode.observations["state"][:, 3].tolist() == t.tolist()
        assert (episode.actions >= episodes.action_space.low).all() and np.isnan(episode.rewards).all()
    smaller = open_dataset(LEROBOT, size=(32, 24), ignore=["wrist"])
    assert smaller.spec["top"] == Camera(32, 24) and "wrist" not in smaller.spec
    assert np.abs(smaller[2].observations["top"][5].astype(int) - 102).max() <= 2
    write_dataset(smaller, tmp_path / "ours", "sessions")
    assert open_dataset(tmp_path / "ours").spec == smaller.spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda info: info | {"codebase_version": "v2.1"}, "version v2.1"),
        (lambda info: info | {"data_path": "{chunk_index:9999999999d}"}, "is damaged"),
        (lambda info: info | {"data_path": "{chunk_index.__class__}"}, "is damaged"),
        (lambda info: info | {"data_path": "../../{file_index}"}, "outside of its folder"),
        (lambda info: info | {"fps": 0}, "frames a second"),
    ],
)
def test_a_description_that_asks_for_more_than_it_may_is_refused(tmp_path, change, words):
    place = Path(shutil.copytree(LEROBOT, tmp_path / "theirs"))
    path = place / "meta" / "info.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DatasetError, match=words):
        open_dataset(place)
