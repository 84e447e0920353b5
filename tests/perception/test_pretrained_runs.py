"""The senses of a run: `Perception.from_pretrained` on what `train` and `PPO.save` left, whole, damaged and edited."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from senseweave.perception import Perception
from senseweave.perception.checks.plain_json import seal_of
from senseweave.perception.errors import CheckpointError, TokenizerMismatchError
from senseweave.perception.pretrained import MODEL, RUN
from senseweave.policies.saving import model_config

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = ("trained", "trained_by_sb3", "imitated", "saved")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "trained", tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))


def edit(run: Path, change: dict[str, Any]) -> None:
    content = json.loads((run / "config.json").read_text()) | change
    del content["sha256"]
    (run / "config.json").write_text(json.dumps({"sha256": seal_of(content)} | content))


def test_the_formats_are_those_that_runs_are_written_in() -> None:
    assert (RUN, MODEL) == (model_config.RUN_FORMAT, model_config.FORMAT)
    assert model_config.RUN_VERSION == model_config.VERSION == 1


@pytest.mark.parametrize("name", RUNS)
def test_the_perception_of_a_run_has_the_weights_of_its_policy_and_perceives(name: str) -> None:
    perception = Perception.from_pretrained(GOLDEN / name).eval()
    policy = load_file(GOLDEN / name / "policy.safetensors")
    for key, tensor in perception.state_dict().items():
        assert torch.equal(policy[f"features_extractor.perception.{key}"], tensor)
    random = np.random.default_rng(0)
    raw = {sense: kind.placeholder() for sense, kind in perception.spec.items()}
    raw = {key: random.integers(0, 3, value.shape).astype(value.dtype) for key, value in raw.items()}
    with torch.no_grad():
        state = perception(perception.prepare(raw))
    assert state.embedding.shape == (1, perception.config.state_dim) and bool(state.embedding.isfinite().all())


def test_a_run_without_weights_says_so(run: Path) -> None:
    (run / "policy.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"policy\.safetensors is missing"):
        Perception.from_pretrained(run)


def test_an_edited_or_damaged_description_is_refused(run: Path) -> None:
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"width": 8', '"width": 9', 1))
    with pytest.raises(CheckpointError, match="does not match its own checksum"):
        Perception.from_pretrained(run)


def test_weights_of_another_run_are_refused(run: Path) -> None:
    shutil.copy(GOLDEN / "imitated" / "policy.safetensors", run / "policy.safetensors")
    with pytest.raises(CheckpointError, match="belongs to another run"):
        Perception.from_pretrained(run)


def test_a_description_of_a_gigantic_network_costs_nothing(run: Path) -> None:
    perception = json.loads((run / "config.json").read_text())["perception"]
    edit(run, {"perception": perception | {"width": 16384}})
    with pytest.raises(CheckpointError, match="does not fit this model"):
        Perception.from_pretrained(run)


def test_another_tokenizer_is_refused(run: Path) -> None:
    edit(run, {"tokenizer": "senseweave-0:beef"})
    with pytest.raises(TokenizerMismatchError, match="senseweave-0:beef"):
        Perception.from_pretrained(run)


def test_a_policy_that_has_no_perception_of_ours_is_refused(tmp_path: Path) -> None:
    saved = Path(shutil.copytree(GOLDEN / "saved", tmp_path / "run"))
    settings = json.loads((saved / "config.json").read_text())["settings"]
    settings["policy_kwargs"].pop("features_extractor_kwargs")
    edit(saved, {"settings": settings})
    with pytest.raises(CheckpointError, match="without a perception of senseweave"):
        Perception.from_pretrained(saved)
