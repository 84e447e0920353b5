"""Whatever happens to the files of a dataset: one sentence, or the episodes as they were; and the files stay."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.data.demonstrations import arm, assert_same
from senseweave.envs.datasets import DatasetError, open_dataset, write_dataset
from senseweave.perception.errors import SenseweaveError

FORMATS = ("sessions", "minari", "lerobot")
EPISODES = arm(3, final=False)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for format in FORMATS:
        write_dataset(EPISODES, folder / format, format)
    return folder


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_is_cut_off_missing_or_changed_is_told_and_stays(format, datasets, tmp_path_factory, data):
    place = Path(shutil.copytree(datasets / format, tmp_path_factory.mktemp("damaged") / "set"))
    path = data.draw(st.sampled_from(files_of(place)))
    content, how = path.read_bytes(), data.draw(st.sampled_from(("cut", "gone", "flipped", "zeros")))
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    else:
        start = data.draw(st.integers(0, len(content) - 1))
        changed = bytes(byte ^ 255 for byte in content[start : start + 40]) if how == "flipped" else bytes(40)
        path.write_bytes(content[:start] + changed + content[start + 40 :])
    before = {each: each.read_bytes() for each in files_of(place)}
    try:
        found = list(open_dataset(place))
    except SenseweaveError as error:
        assert len(str(error)) > 10 and "\n" not in str(error)
    else:
        assert len(found) <= len(EPISODES)  # what has no checksum may be changed, but never more or less than it says
    assert {each: each.read_bytes() for each in files_of(place)} == before
    shutil.rmtree(place)


def test_a_recording_that_was_cut_off_is_read_up_to_there_when_that_is_allowed(datasets, tmp_path):
    place = Path(shutil.copytree(datasets / "sessions", tmp_path / "set"))
    path = place / "episode-000002.mcap"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"episode-000002.mcap: It was cut off.*--allow-damaged"):
        open_dataset(place)
    episodes = open_dataset(place, allow_damaged=True)
    assert len(episodes.source.damage) == 1
    for one, other in zip(EPISODES[:2], episodes[:2], strict=True):
        assert_same(one, other)


def test_a_lerobot_dataset_that_lacks_a_file_keeps_its_other_episodes(tmp_path, monkeypatch):
    monkeypatch.setattr("senseweave.envs.datasets.lerobot.writer.FILE_BYTES", 1)
    write_dataset(EPISODES, tmp_path / "set", "lerobot")
    (tmp_path / "set/videos/observation.images.top/chunk-000/file-001.mp4").unlink()
    with pytest.raises(DatasetError, match="Episode 1 of .* lacks a file"):
        open_dataset(tmp_path / "set")
    episodes = open_dataset(tmp_path / "set", allow_damaged=True)
    assert len(episodes) == 2 and episodes.source.damage
    assert_same(EPISODES[2], episodes[1])


def test_recordings_that_are_not_alike_are_no_dataset(tmp_path):
    from kit.data.demonstrations import played

    write_dataset(EPISODES, tmp_path / "set", "sessions")
    write_dataset(played(episodes=1), tmp_path / "other", "sessions")
    shutil.copy(tmp_path / "other" / "episode-000000.mcap", tmp_path / "set" / "other.mcap")
    with pytest.raises(DatasetError, match="must be alike in `spec`"):
        open_dataset(tmp_path / "set")
