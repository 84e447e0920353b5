"""A clip through the whole product: what is recorded belongs together, loop after loop, in real time."""

import numpy as np

from kit.live.timed_clips import beep, write_timed
from senseweave.agent.live.live import live
from senseweave.agent.settings.live import LiveConfig
from senseweave.envs.live.clock import NS_PER_S
from senseweave.envs.live.sessions.format import Stored
from senseweave.envs.live.sessions.session import Session, only_file

ROUND_S = 0.5
FLASH = [(0.05 * n, 255 if n == 3 else 20) for n in range(10)]
"""Half a second at 20 Hz, with a flash at 0.15 s."""


def test_flash_and_beep_of_a_recorded_clip_stay_within_20_ms_over_ten_loops(tmp_path):
    clip = write_timed(tmp_path / "clip.mkv", FLASH, sound=beep(0.4, 0.18, lasts_s=0.05))  # shorter than the picture
    live(LiveConfig(camera=str(clip), microphone=str(clip), seconds=11 * ROUND_S, record=str(tmp_path / "record")))
    flashes, beeps, is_bright = [], [], False
    for part in Session(only_file(tmp_path / "record")):
        if not isinstance(part, Stored):
            continue
        reading = part.reading()
        if reading.content.ndim == 3:  # a picture
            now_bright = reading.content.mean() > 180
            if now_bright and not is_bright:
                flashes.append(reading.captured_ns / NS_PER_S)
            is_bright = now_bright
        else:
            rate_hz, n = 16000, reading.content.shape[1]
            times = reading.captured_ns / NS_PER_S - (n - np.arange(n)) / rate_hz
            loud = times[np.abs(reading.content[0]) > 0.2]
            beeps += [second for second in loud[:1] if not beeps or second - beeps[-1] > ROUND_S / 2]
    assert len(flashes) >= 10 and len(beeps) >= 10
    np.testing.assert_allclose(np.diff(flashes), ROUND_S, atol=0.02)
    np.testing.assert_allclose(np.diff(beeps), ROUND_S, atol=0.02)
    apart = [min(second - flash for second in beeps if second > flash - 0.1) for flash in flashes[:10]]
    np.testing.assert_allclose(apart, 0.03, atol=0.02)
