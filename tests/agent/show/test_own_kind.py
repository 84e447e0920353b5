"""A kind of a user's own, as in CONTRIBUTING: seen in videos and pages, kept in recordings, and reconstructed."""

import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest
import torch
from gymnasium import spaces

from kit.live.sessions import play
from kit.registries import unchanged
from senseweave.agent.explain.pictures import draw_tokens
from senseweave.agent.live import report
from senseweave.agent.show.frame import PANEL_PX, Frame
from senseweave.agent.show.painting import LINE_PX, MARGIN_PX, PANELS_TOP, draw
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.envs.live.sessions.session import read_session
from senseweave.perception import (
    Kind,
    Perception,
    PerceptionConfig,
    Spec,
    TokenGroup,
    Vector,
    register_encoder,
    register_kind,
)
from senseweave.perception.encoders import ENCODERS
from senseweave.perception.kinds import KINDS
from senseweave.policies.pretraining import PretrainingSettings, pretrain_on

RECEPTORS = 6


@dataclasses.dataclass(frozen=True)
class Odour(Kind):
    """Concentrations at the receptors: no more is said than has to be."""

    receptors: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def space(self) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (self.receptors,), np.float32)


@dataclasses.dataclass(frozen=True)
class Scent(Odour):
    """The same, which knows better how it is drawn and kept."""

    def draw(self, reading):
        return np.full((2, 2, 3), round(255 * float(reading.max())), np.uint8)

    def pack(self, reading):
        return {"parts": [float(part) for part in reading]}

    def unpack(self, packed):
        return np.array(packed["parts"], np.float32)


class OdourEncoder(torch.nn.Module):
    """One token for each receptor."""

    def __init__(self, kind: Odour, width: int) -> None:
        super().__init__()
        self.receptors = torch.nn.Parameter(torch.randn(kind.receptors, width))

    def forward(self, concentrations: torch.Tensor) -> TokenGroup:
        return TokenGroup.of(concentrations[..., None] * self.receptors)


@pytest.fixture(params=[Odour, Scent])
def kind(request) -> Odour:
    with unchanged(KINDS, ENCODERS):
        register_kind(request.param)
        register_encoder(Odour, OdourEncoder)
        yield request.param(RECEPTORS)


def panel_of(senses: Spec, reading: np.ndarray) -> np.ndarray:
    """What a video shows of the first sense."""
    observation = {"nose": reading, "touch": np.zeros(2, np.float32), "present": senses.present()}
    picture = draw(senses, Frame(observation, None, None, None, []))
    top = PANELS_TOP + LINE_PX
    return picture[top : top + PANEL_PX, MARGIN_PX : MARGIN_PX + PANEL_PX]


def test_it_has_a_panel_in_a_video_that_shows_what_it_gave(kind):
    senses = Spec(nose=kind, touch=Vector(2))
    reading = np.zeros(RECEPTORS, np.float32)
    none = panel_of(senses, reading)
    reading[2] = 1.0
    one = panel_of(senses, reading)
    changed = (none != one).any(axis=(0, 2)).nonzero()[0]
    assert (one[PANEL_PX // 2, changed] == 255).all() and not none[PANEL_PX // 2, changed].any()
    edges = (2 / RECEPTORS, 3 / RECEPTORS) if type(kind) is Odour else (0, 1)
    assert (changed.min() / PANEL_PX, (changed.max() + 1) / PANEL_PX) == pytest.approx(edges, abs=0.01)


def test_it_has_a_picture_in_the_page_that_explains_a_policy(kind):
    perception = Perception(Spec(nose=kind, touch=Vector(2)), PerceptionConfig(width=16, heads=2))
    reading = np.linspace(0, 1, RECEPTORS).astype(np.float32)
    plain = draw_tokens(perception, "nose", reading)
    weighed = draw_tokens(perception, "nose", reading, np.eye(1, RECEPTORS, 1)[0])
    assert np.array_equal(weighed[: len(plain)], plain)
    strip = weighed[len(plain) :, :, 0].max(axis=0) > 150
    share = strip.nonzero()[0] / len(strip)
    assert share.min() >= 1 / RECEPTORS - 0.02 and share.max() <= 2 / RECEPTORS + 0.02, "the second token glows"


def test_it_is_kept_in_a_recording_read_back_and_shown_in_the_page_about_it(kind, tmp_path):
    senses = Spec(nose=kind, touch=Vector(2))
    sensors = {name: ScriptedSensor(name, Script(senses[name], 20), max_age_s=0.3) for name in senses}
    rig = LiveRig(senses, sensors, action_names=("left", "right", "forward"), step_s=0.1, clock=VirtualClock(10**9))
    with Recorder.of(rig, tmp_path / "a.mcap") as recorder:
        ticks = play(rig, 1.0, recorder.on_tick)
    steps = list(read_session(tmp_path / "a.mcap"))
    assert len(steps) == len(ticks) > 5
    for (observation, _, info), tick in zip(steps, ticks, strict=True):
        assert info["lost"] == () and np.array_equal(observation["present"], tick.moment.observation["present"])
        assert observation["nose"].tobytes() == tick.moment.observation["nose"].tobytes()
    assert len({observation["nose"].tobytes() for observation, _, _ in steps}) > 5
    report.write(tmp_path / "a.html", tmp_path / "a.mcap")
    film = (tmp_path / "a.html").read_text().partition("<h2>nose</h2>")[2].partition("<h2>")[0]
    assert film.count("data:image/png") == sum(int(observation["present"][0]) for observation, _, _ in steps)


def test_it_is_reconstructed_by_the_autoencoder(kind):
    torch.manual_seed(0)
    perception = Perception(Spec(nose=kind, touch=Vector(2)), PerceptionConfig(width=16, heads=2, state_dim=32))
    generator = torch.Generator().manual_seed(1)

    def batch() -> dict[str, torch.Tensor]:
        return {"nose": torch.rand(64, RECEPTORS, generator=generator), "touch": torch.zeros(64, 2)}

    settings = PretrainingSettings(modality_dropout=0.0, learning_rate=3e-3)
    course = pretrain_on(perception, (batch() for _ in range(200)), {"autoencoder": 1.0}, settings)
    untrained, trained = course[0]["autoencoder"], np.mean([losses["autoencoder"] for losses in course[-10:]])
    variance = float(torch.asinh(batch()["nose"]).var()) / 2  # a mean over both senses
    assert trained < 0.3 * variance < variance < untrained, (untrained, trained, variance)


def test_a_saved_spec_names_it(kind):
    senses = Spec(nose=kind)
    assert Spec.from_json(json.loads(json.dumps(senses.to_json()))) == senses
