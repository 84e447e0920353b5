"""Through every format and back; the oracles are minari's own loader, and pyarrow with PyAV frame by frame."""

import json
import math

import av
import minari
import numpy as np
import pyarrow.parquet as parquet
import pytest

from kit.data.demonstrations import ARM, arm, assert_same, played
from senseweave.envs.datasets import DatasetError, Episodes, open_dataset, write_dataset
from senseweave.envs.live.sessions.session import read_session

WORLDS = {
    "symbols": lambda: played(),
    "all senses": lambda: played("senseweave/Seek-v0", 2, ""),
    "arm": lambda: arm(),
    "arm without final": lambda: arm(final=False),
}
FORMATS = ("sessions", "minari", "lerobot")


def kept(format, episodes):
    """How many observations of an episode the format holds."""
    return (lambda episode: len(episode)) if format == "lerobot" else (lambda episode: len(episode.times_ns))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("format", FORMATS)
def test_an_episode_comes_back_bit_for_bit(tmp_path, format, world):
    episodes = WORLDS[world]()
    losses = write_dataset(episodes, tmp_path / "there-v3", format)
    back = open_dataset(tmp_path / "there-v3")
    assert back.source.format == format and back.facts == episodes.facts and back.source.damage == ()
    assert back.lengths.tolist() == episodes.lengths.tolist()
    for one, other in zip(episodes, back, strict=True):
        assert_same(one, other, rows=kept(format, episodes)(one))
        assert other.has_final == (one.has_final and format != "lerobot")
    assert any("those after the last action" in loss for loss in losses) == (format == "lerobot" and one.has_final)
    assert any("repeat the one before" in loss for loss in losses) == (format == "minari" and not one.has_final)


def test_a_dataset_goes_round_through_all_formats(tmp_path):
    place, before = tmp_path / "0", arm(2, final=False)
    write_dataset(before, place, "sessions")
    for number, format in enumerate(("minari", "lerobot", "sessions", "lerobot", "minari", "sessions"), 1):
        write_dataset(open_dataset(place), tmp_path / str(number), format)
        place = tmp_path / str(number)
    for one, other in zip(before, open_dataset(place), strict=True):
        assert_same(one, other)


def test_what_we_write_is_a_recording_that_every_reader_of_recordings_plays(tmp_path):
    episodes = arm(1)
    write_dataset(episodes, tmp_path / "day", "sessions")
    ticks = list(read_session(tmp_path / "day"))
    assert len(ticks) == len(episodes[0]) + 1 and ticks[-1][1] is None
    for row, (observation, action, info) in enumerate(ticks[:-1]):
        np.testing.assert_array_equal(observation["top"], episodes[0].observations["top"][row])
        assert action == episodes[0].actions[row].tolist() and info["actuator"]["reward"] == episodes[0].rewards[row]
    only = open_dataset(tmp_path / "day" / "episode-000000.mcap")
    assert_same(episodes[0], only[0])


def test_minari_loads_what_we_write(tmp_path, monkeypatch):
    episodes = arm(2)
    write_dataset(episodes, tmp_path / "arm-v2", "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    theirs = minari.load_dataset("arm-v2")
    assert theirs.total_episodes == 2 and theirs.total_steps == episodes.steps
    assert theirs.observation_space == ARM.spec.space() and theirs.action_space == ARM.action_space
    for one, other in zip(episodes, theirs, strict=True):
        np.testing.assert_array_equal(other.actions, one.actions)
        np.testing.assert_array_equal(other.rewards, one.rewards)
        assert other.terminations[-1] == one.terminated and other.truncations[-1] == one.truncated
        for name in one.observations:
            np.testing.assert_array_equal(other.observations[name], one.observations[name])
    assert_same(episodes[1], open_dataset("minari:arm-v2")[1])


def test_a_lerobot_dataset_is_parquet_and_mp4_as_the_description_says(tmp_path):
    episodes = arm(3)
    write_dataset(episodes, tmp_path / "arm", "lerobot")
    info = json.loads((tmp_path / "arm/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["fps"] == 10 and info["total_frames"] == episodes.steps
    keys = {"observation.images.top", "observation.images.wrist", "observation.audio.audio", "observation.state"}
    assert keys <= info["features"].keys() and info["features"]["action"]["names"] == ["turn", "lift"]
    table = parquet.read_table(tmp_path / "arm/data/chunk-000/file-000.parquet").to_pydict()
    assert table["action"] == np.concatenate([each.actions for each in episodes]).tolist()
    assert table["index"] == list(range(episodes.steps)) and table["episode_index"][-1] == 2
    assert table["timestamp"][:3] == pytest.approx([0, 0.1, 0.2])
    tasks = parquet.read_table(tmp_path / "arm/meta/tasks.parquet").to_pydict()
    said = [tasks["__index_level_0__"][number] for number in table["task_index"]]
    assert said == [text for each in episodes for text in each.texts[: len(each)]]
    about = parquet.read_table(tmp_path / "arm/meta/episodes/chunk-000/file-000.parquet").to_pydict()
    assert about["length"] == episodes.lengths.tolist() and about["dataset_to_index"][-1] == episodes.steps
    starts = about["videos/observation.images.top/from_timestamp"]
    assert starts == pytest.approx([0.0, 0.5, 1.1])
    for name in ("top", "wrist"):
        with av.open(str(tmp_path / f"arm/videos/observation.images.{name}/chunk-000/file-000.mp4")) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        seen = np.concatenate([each.observations[name][: len(each)] for each in episodes])
        np.testing.assert_array_equal(np.stack(frames), seen)


def test_a_small_video_says_how_much_it_lost_and_loses_no_more(tmp_path):
    episodes = played("senseweave/Seek-v0", 2, "")
    losses = write_dataset(episodes, tmp_path / "small", "lerobot", video="small")
    (told,) = [loss for loss in losses if "signal-to-noise" in loss]
    bound_db = float(told.partition("at least ")[2].partition(" dB")[0])
    worst = max(
        np.square(one.observations["camera"][:-1].astype(float) - other.observations["camera"])
        .mean(axis=(1, 2, 3))
        .max()
        for one, other in zip(episodes, open_dataset(tmp_path / "small"), strict=True)
    )
    assert worst > 0 and 10 * math.log10(255**2 / worst) == pytest.approx(bound_db, abs=0.06)


def test_episodes_of_several_files_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr("senseweave.envs.datasets.lerobot.writer.FILE_BYTES", 20_000)
    episodes = arm(5)
    write_dataset(episodes, tmp_path / "many", "lerobot")
    assert len(list((tmp_path / "many").glob("data/*/*.parquet"))) > 1
    for number in (4, 0, 2):
        assert_same(episodes[number], open_dataset(tmp_path / "many")[number], rows=len(episodes[number]))


def test_a_dataset_without_actions_is_a_recording_alone(tmp_path):
    import dataclasses

    facts = dataclasses.replace(ARM, action_space=None, action_names=())
    one = dataclasses.replace(arm(1, final=False)[0], actions=None)
    watched = Episodes.of(facts, [one])
    for format in ("sessions", "lerobot"):
        write_dataset(watched, tmp_path / format, format)
        back = open_dataset(tmp_path / format)
        assert back.action_space is None and back[0].actions is None
        np.testing.assert_array_equal(back[0].observations["top"], one.observations["top"])
    with pytest.raises(DatasetError, match="needs actions"):
        write_dataset(watched, tmp_path / "minari", "minari")
