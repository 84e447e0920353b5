"""The absence contract under torch.compile, in sub-processes without the shape hook, which dynamo cannot trace.

A normal run traces the default fusion with aot_eager: forward, backward and missing keys. `make test-slow` traces its
maps, compiles its forward with inductor, and traces one graph with its backward of every other fusion; `make nightly`
runs the whole matrix.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from kit import shape_checks
from senseweave.perception import FUSIONS, PerceptionConfig

SCRIPT = pathlib.Path(__file__).with_name("compiled.py")
EVERYTHING = ("gradients", "missing", "maps")
PARTS = [("gradients", "missing"), pytest.param(("gradients", "maps"), marks=pytest.mark.slow)]
DEFAULT = PerceptionConfig().fusion
OTHERS = sorted(set(FUSIONS) - {DEFAULT})

needs_a_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")),
    reason="inductor needs a C++ compiler",
)


def faults(fusion: str, backend: str, dtype: str, *parts: str) -> str:
    environment = os.environ | {shape_checks.SWITCH: "0"}
    command = [sys.executable, "-W", "ignore", str(SCRIPT), fusion, backend, dtype, *parts]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("parts", PARTS, ids="-".join)
def test_the_contract_holds_for_the_default_fusion_in_a_traced_graph(parts):
    assert faults(DEFAULT, "aot_eager", "float32", *parts) == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fusions", [",".join(OTHERS[::2]), ",".join(OTHERS[1::2])])
def test_the_contract_holds_in_a_traced_graph(fusions):
    """In two processes, as many as workers: each of them first needs four seconds for torch's compiler."""
    assert faults(fusions, "aot_eager", "float32", "brief") == ""


@pytest.mark.slow
@needs_a_compiler
@pytest.mark.timeout(900)
def test_the_contract_holds_for_the_default_fusion_with_inductor():
    assert faults(DEFAULT, "trainer", "float32", "values") == ""


@needs_a_compiler
@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("backend", ["inductor", "trainer", "aot_eager"])
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_the_contract_holds_compiled(fusion, backend, dtype):
    assert faults(fusion, backend, dtype, *EVERYTHING) == ""
