"""Tokens without a fusion: `Perception.encode`, and the encoders as a module of their own."""

import pathlib
import subprocess
import sys

import pytest
import torch

from kit.absence_cases import KINDS, perception_of, readings
from kit.limits import HANG_S
from senseweave.perception.spec import PRESENT

ALL = tuple(KINDS)
SCRIPT = pathlib.Path(__file__).with_name("two_learners.py")


def test_the_tokens_are_those_that_the_fusion_gets():
    perception, obs = perception_of("gated_cross_attention", ALL, 0), readings(ALL, 1)
    obs[PRESENT] = torch.tensor([[1] * 6, [0] * 6, [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]])
    right, alone = perception(obs, with_tokens=True).tokens, perception.encoders_alone()
    for groups in (perception.encode(obs), alone(obs)):
        assert list(groups) == list(perception.spec.names)
        for name, group in groups.items():
            assert torch.equal(group.mask, right[name].mask)
            assert torch.equal(group.tokens, right[name].tokens)
            assert not group.mask[1].any(), "all is absent there"


def test_the_module_has_the_very_weights_of_the_encoders_and_no_others():
    perception = perception_of("tensor", ALL, 0)
    own = dict(perception.encoders_alone().named_parameters())
    whole = dict(perception.named_parameters())
    assert own.keys() == {name for name in whole if name.startswith("encoders.")}
    assert all(own[name] is whole[name] for name in own)


def test_absent_content_leaves_no_trace_in_tokens_that_count():
    perception, obs = perception_of("sum", ALL, 0), readings(ALL, 1)
    broken = obs | {"vector": obs["vector"].clone()}
    broken["vector"][2, 0] = torch.nan
    groups = perception.encode(broken)
    assert not groups["vector"].mask[2].any() and torch.isfinite(groups["vector"].tokens).all()
    assert torch.equal(groups["camera"].tokens, perception.encode(obs)["camera"].tokens)


def learners(folder: pathlib.Path, which: str) -> list[tuple[int, str, str]]:
    """Exit status, output and errors of both."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), str(rank), which],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=HANG_S) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, told, strict=True)]


def test_two_processes_train_the_encoders_with_no_parameter_unused(tmp_path):
    (status, one, errors), (other_status, other, other_errors) = learners(tmp_path, "alone")
    assert status == 0, errors
    assert other_status == 0, other_errors
    assert float(one) > 0 and float(one) == pytest.approx(float(other)), "both have the mean of both"


def test_the_whole_perception_has_parameters_that_encode_leaves_unused(tmp_path):
    """Why there is a module of the encoders alone."""
    assert all(
        status and "were not used in producing loss" in errors for status, _, errors in learners(tmp_path, "whole")
    )
