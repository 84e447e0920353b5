"""Frames of floats in 0..1 cannot pass for black: they are seen when the first frames come."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from kit import shape_checks
from senseweave.perception import Camera, Perception, PerceptionConfig, Spec, SpecError, Vector
from senseweave.perception.errors import ConfigError, ObservationError
from senseweave.perception.spec import PRESENT

SPEC = Spec(eye=Camera(16, 16), touch=Vector(2))
FRAMES = torch.rand(3, 16, 16, 3)


@pytest.fixture
def perception() -> Perception:
    return Perception(SPEC, PerceptionConfig(width=16, heads=2, latents=2, state_dim=8))


def test_frames_within_0_and_1_are_refused_each_time(perception: Perception) -> None:
    for _ in range(2):
        with pytest.raises(
            ObservationError, match='"eye" must be in 0..255; got floats up to 0.99.*Multiply'
        ) as caught:
            perception({"eye": FRAMES})
    assert "\n" not in str(caught.value)
    with pytest.raises(ObservationError):
        perception.explain({"eye": FRAMES.double()})
    perception({"eye": 255 * FRAMES})


def test_frames_that_tell_nothing_are_looked_past(perception: Perception) -> None:
    perception({"eye": torch.zeros(3, 16, 16, 3)})
    perception({"eye": (FRAMES > 0.5).float()})
    perception({"eye": (255 * FRAMES).byte()})
    perception({"touch": torch.zeros(1, 2)})
    with pytest.raises(ObservationError):
        perception({"eye": FRAMES})


def test_once_their_scale_is_known_dark_frames_are_dark(perception: Perception) -> None:
    perception({"eye": 255 * FRAMES})
    perception({"eye": FRAMES})


def test_frames_that_are_absent_are_not_looked_at(perception: Perception) -> None:
    absent = torch.tensor([[0, 1]] * 3)
    perception({"eye": FRAMES, PRESENT: absent})
    perception({"eye": FRAMES * torch.nan})
    mixed = torch.where(absent[:, :1, None, None].bool(), FRAMES, FRAMES)
    mixed[0] = torch.nan
    with pytest.raises(ObservationError):
        perception({"eye": mixed})


COMPILED = """
import torch
from senseweave.perception import Camera, Perception, PerceptionConfig, Spec, Vector

make = lambda: Perception(Spec(eye=Camera(16, 16), touch=Vector(2)), PerceptionConfig(width=16, heads=2, state_dim=8))
obs = {"eye": torch.rand(3, 16, 16, 3), "touch": torch.zeros(3, 2)}
exported = torch.export.export(make(), (obs,)).module()
compiled = torch.compile(make(), backend="eager", fullgraph=True)
assert torch.isfinite(exported(obs).embedding).all() and torch.isfinite(compiled(obs).embedding).all()
"""


def test_compiled_and_exported_graphs_hold_no_look() -> None:
    environment = os.environ | {shape_checks.SWITCH: "0"}  # which torch's compiler does not see through
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_is_no_spec_is_told() -> None:
    for given in ("spec", None, {"eye": Camera(16, 16)}):
        with pytest.raises(SpecError, match=r"A Perception needs a Spec; got .*from_pretrained\(folder\)\.$"):
            Perception(given)


def test_a_perception_is_loaded_onto_a_device_and_from_home(perception: Perception, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    perception.save_pretrained("~/saved")
    assert (tmp_path / "saved" / "config.json").is_file()
    again = Perception.from_pretrained("~/saved", device="cpu")
    obs = again.prepare({"touch": np.ones(2)})
    assert torch.equal(again(obs).embedding, perception(obs).embedding)
    assert Perception.from_pretrained("~/saved", device="auto").device.type in ("cpu", "cuda")
    with pytest.raises(ConfigError, match="`device` must be"):
        Perception.from_pretrained("~/saved", device="gpu")
