"""The absence contract in exported files, in sub-processes without the shape hook, which torch.export cannot trace.

A normal run exports the default fusion with the senses of an agent, and two others with senses that are traced fast,
and runs every subset of their senses in onnxruntime. `make test-slow` adds the other fusions and other ways to run,
`make nightly` all fusions with all kinds of senses; benchmarks/exported_contract.py makes the table.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from kit import shape_checks
from senseweave.perception import FUSIONS, PerceptionConfig

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

SCRIPT = pathlib.Path(__file__).with_name("exported.py")
DEFAULT = PerceptionConfig().fusion
SAMPLED = ("low_rank_tensor", "transformer")
OTHERS = sorted(set(FUSIONS) - {DEFAULT, *SAMPLED})
AGENT = "audio,camera,instruction"
FAST = "instruction,vector"
ALL = "audio,camera,depth,grid,instruction,vector"


def faults(folder: pathlib.Path, senses: str, runner: str, *fusions: str) -> str:
    environment = os.environ | {shape_checks.SWITCH: "0"}
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), senses, runner, *fusions]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@pytest.mark.timeout(600)
def test_the_contract_holds_for_the_default_fusion_in_onnxruntime(tmp_path):
    assert faults(tmp_path, AGENT, "onnxruntime", DEFAULT) == ""


@pytest.mark.timeout(600)
def test_the_contract_holds_for_other_fusions_in_onnxruntime(tmp_path):
    assert faults(tmp_path, FAST, "onnxruntime", *SAMPLED) == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fusions", [OTHERS[:5], OTHERS[5:]], ids=" ".join)
def test_the_contract_holds_for_all_fusions_in_onnxruntime(fusions, tmp_path):
    assert faults(tmp_path, FAST, "onnxruntime", *fusions) == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("runner", ["exported torch", "compiled"])
def test_the_contract_holds_for_the_default_fusion_however_it_is_run(runner, tmp_path):
    assert faults(tmp_path, AGENT, runner, DEFAULT) == ""


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("runner", ["exported torch", "onnxruntime"])
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_the_contract_holds_with_all_kinds_of_senses(fusion, runner, tmp_path):
    assert faults(tmp_path, ALL, runner, fusion) == ""


def test_what_breaks_the_contract_is_told(tmp_path):
    """The check itself is seen to fail: a runner that drops no absent content, and one that rounds."""
    assert "A1: rows differ" in faults(tmp_path, FAST, "leaky", DEFAULT)
    assert "differs from torch" in faults(tmp_path, FAST, "rounded", DEFAULT)
