"""The page about a session shows what happened, needs nothing else, stays small, and never stops the loop."""

import html.parser
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.live.sessions import SENSES, make_rig, play, record
from kit.live.ticks import tick_of
from senseweave.agent.live import report as live_report
from senseweave.agent.live.digest import MAX_EVENTS, MAX_POINTS, MIN_READINGS, Curve, Digest, bands
from senseweave.envs.live.reading import Event
from senseweave.envs.live.sessions.session import SessionError
from senseweave.envs.live.tick import Tick
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Instruction, Microphone, Spec

SMALL = Spec(camera=Camera(16, 16), audio=Microphone(1, 1600, 16000), instruction=Instruction(4, 16))
AGES_S = {"camera": 0.01, "audio": 0.02, "instruction": math.inf}


class Reader(html.parser.HTMLParser):
    """Collects addresses, tags and text, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        if tag not in ("meta", "img") and tag not in ("path", "rect", "image"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def tick(number: int, **changes: Any) -> Tick:
    observation = SMALL.placeholder() | {"present": np.array([1, 1, 0], np.int8)}
    return tick_of(AGES_S, **{"time_ns": number * 10**8, "observation": observation} | changes)


def digest(ticks: int, **changes: Any) -> Digest:
    collected = Digest(SMALL, ("left", "right"), 0.1, {"camera": 0.3, "audio": 0.3, "instruction": math.inf})
    for number in range(ticks):
        collected.add(tick(number, **changes))
    return collected


def test_the_page_of_a_rig_and_the_page_of_its_recording_tell_the_same(tmp_path) -> None:
    rig = make_rig()
    with live_report.Reporter.of(rig, tmp_path / "live.html") as reporter:
        record(tmp_path / "a.mcap", 3.0)
        ticks = play(rig, 3.0, reporter.on_tick)
    assert reporter.failure == ""
    live_report.write(tmp_path / "recorded.html", tmp_path / "a.mcap")
    pages = [Reader((tmp_path / name).read_text()) for name in ("live.html", "recorded.html")]
    for page in pages:
        assert f"{len(ticks)} ticks at 10.00 Hz" in page.words
        assert all(word in page.words for word in ("camera", "audio", "view", "forward"))
        assert "The device failed, by the script." in page.words
        assert page.tags.count("svg") == 6  # spectrogram, presence, ages, gates, actions, timing
    assert pages[0].addresses == pages[1].addresses


def test_the_page_needs_nothing_from_elsewhere(tmp_path) -> None:
    record(tmp_path / "a.mcap", 1.0)
    live_report.write(tmp_path / "a.html", tmp_path / "a.mcap")
    page = Reader((tmp_path / "a.html").read_text())
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_what_was_said_cannot_become_part_of_the_page() -> None:
    event = Event(0, "instruction", "instruction", "<script>alert(1)</script>")
    text = live_report.page(digest(3, events=[event]), {"<b>": "</dl><script>"}, {})
    assert "<script>" not in text
    assert "<script>alert(1)</script>" in Reader(text).words


@pytest.mark.parametrize("ticks", [0, 1, 2])
def test_a_session_of_a_few_ticks_has_a_page(ticks) -> None:
    assert f"{ticks} ticks" in Reader(live_report.page(digest(ticks), {}, {})).words


def test_a_long_session_has_a_small_page_in_little_memory() -> None:
    event = Event(0, "audio", "overflow", "lost")
    collected = digest(5000, events=[event])
    text = live_report.page(collected, {}, {})
    assert len(text) < 400_000
    assert MIN_READINGS <= len(collected.readings["camera"]) < 2 * MIN_READINGS
    assert len(collected.times_s) <= MAX_POINTS + 1
    assert len(collected.events) == MAX_EVENTS
    assert f"5,000 overflow. The first {5000 - MAX_EVENTS:,} are left out." in Reader(text).words
    assert collected.presence == {"audio": 1.0, "camera": 1.0, "instruction": 0.0}


def test_pictures_are_spread_evenly_over_the_session() -> None:
    seconds = [second for second, _ in digest(1000).readings["camera"]]
    steps = np.diff(seconds)
    assert np.allclose(steps, steps[0]) and seconds[0] == 0 and seconds[-1] > 90


@pytest.mark.parametrize("ticks", [1, MAX_POINTS, MAX_POINTS + 1, 5 * MAX_POINTS + 3])
def test_a_curve_keeps_means_and_maxima_of_all_ticks(ticks) -> None:
    values = np.random.default_rng(ticks).random(ticks)
    mean, most = Curve(1), Curve(1, takes_maximum=True)
    for value in values:
        mean.add(np.array([value]))
        most.add(np.array([value]))
    size = 2 ** max(0, math.ceil(math.log2(ticks / (MAX_POINTS + 0.5))))
    groups = [values[i : i + size] for i in range(0, ticks, size)]
    if len(mean.points()) == len(groups):
        assert np.allclose(mean.points()[:, 0], [group.mean() for group in groups])
        assert np.allclose(most.points()[:, 0], [group.max() for group in groups])
    assert most.points().max() == values.max() and len(mean.points()) <= MAX_POINTS + 1


def test_a_tone_is_seen_in_its_band_and_twice_as_high_further_up() -> None:
    times = np.arange(1600) / 16000
    heights = [int(bands(np.sin(2 * np.pi * hz * times)[None]).argmax()) for hz in (200, 400, 800, 1600, 3200, 6400)]
    assert heights == sorted(set(heights))
    assert bands(np.sin(2 * np.pi * 800 * times)[None]).max() == pytest.approx(0.5, rel=0.6)
    assert bands(np.zeros((2, 1600))).max() == 0


def test_ticks_that_were_skipped_are_told_and_make_no_jitter() -> None:
    collected = digest(3)
    collected.skip(100)
    collected.add(tick(103))
    assert collected.gaps_ms.tolist() == pytest.approx([0, 0])
    assert "100 ticks, for which there was no time" in live_report.page(collected, {}, {})


def test_a_disk_that_is_full_is_one_sentence_and_the_loop_goes_on(tmp_path, monkeypatch) -> None:
    def fail(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(live_report, "_write", fail)
    rig, told = make_rig(), []
    with live_report.Reporter.of(rig, tmp_path / "a.html", tell=told.append) as reporter:
        assert len(play(rig, 1.0, reporter.on_tick)) == 10
    assert told == [f"The report could not be written to {tmp_path / 'a.html'} (No space left on device)."]
    assert reporter.close() == {"file": str(tmp_path / "a.html"), "failure": told[0]}


def test_a_folder_that_is_not_there_or_no_recording_is_one_sentence(tmp_path) -> None:
    with pytest.raises(ConfigError, match="A report cannot be written"):
        live_report.Reporter.of(make_rig(), tmp_path / "missing" / "a.html")
    with pytest.raises(ConfigError, match="A report cannot be written"):
        live_report.write(tmp_path / "missing" / "a.html", digest(1))
    with pytest.raises(SessionError, match="There is no recording"):
        live_report.write(tmp_path / "a.html", tmp_path / "a.mcap")


def test_a_page_is_replaced_whole_and_nothing_else_is_left(tmp_path) -> None:
    for ticks in (1, 2):
        live_report.write(tmp_path / "a.html", digest(ticks), Policy="runs/a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert "2 ticks" in (tmp_path / "a.html").read_text() and "runs/a" in (tmp_path / "a.html").read_text()


def test_every_sense_of_a_session_has_a_row_in_the_page(tmp_path) -> None:
    record(tmp_path / "a.mcap", 0.5)
    live_report.write(tmp_path / "a.html", tmp_path / "a.mcap")
    words = Reader((tmp_path / "a.html").read_text()).words
    assert all(f"{name} " in words for name in SENSES)
