"""Kinds, encoders and fusions of packages that are installed beside ours and were never imported by anybody."""

import json
from pathlib import Path

import pytest

from kit.installed import install, run

KIND = """
import dataclasses
import numpy as np
from gymnasium import spaces
from senseweave.perception import Kind

@dataclasses.dataclass(frozen=True)
class Odour(Kind):
    receptors: int
    dtype = np.float32

    def space(self):
        return spaces.Box(0.0, 1.0, (self.receptors,), np.float32)
"""
ENCODER = """
import torch
from senseweave.perception import TokenGroup

class OdourEncoder(torch.nn.Module):
    def __init__(self, kind, width):
        super().__init__()
        self.receptors = torch.nn.Parameter(torch.randn(kind.receptors, width))

    def forward(self, concentrations):
        return TokenGroup.of(concentrations[..., None] * self.receptors)
"""
FUSION = """
import torch
from senseweave.perception import Fusion
from senseweave.perception.fusion import Fused

class MeanFusion(Fusion):
    def __init__(self, names, *, width, latents, layers, heads, state_dim):
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.mix = torch.nn.Linear(width, state_dim)

    def forward(self, groups):
        total = sum(torch.where(group.mask[..., None], group.tokens, 0.0).sum(dim=1) for group in groups.values())
        gates = {name: group.available.to(total.dtype) for name, group in groups.items()}
        return Fused(self.mix(total), gates, {})
"""
ENTRY_POINTS = """
[senseweave.kinds]
Odour = nose.kind:Odour

[senseweave.encoders]
Odour = nose.encoder:OdourEncoder

[senseweave.fusions]
mean = nose.fusion:MeanFusion
"""
PERCEIVE = """
import json, sys
import torch
from senseweave.perception import Perception, PerceptionConfig, Spec
from senseweave.perception.encoders import ENCODERS
from senseweave.perception.kinds import KINDS

early = [name for name in sys.modules if name.startswith("nose")]
spec = Spec.from_json({"smell": {"kind": "Odour", "receptors": 5}, "touch": {"kind": "Vector", "size": 2}})
found = [name for name in sys.modules if name.startswith("nose.")]
torch.manual_seed(0)
config = PerceptionConfig.from_json({"fusion": "mean", "width": 16, "heads": 2, "state_dim": 8})
perception = Perception(spec, config)
state = perception(perception.prepare({"smell": [0.1, 0.2, 0.3, 0.4, 0.5]}))
perception.save_pretrained(sys.argv[1])
print(json.dumps({
    "early": early, "found": found, "names": [*KINDS.names], "encoder": type(perception.encoders["smell"]).__module__,
    "gates": {name: gate.tolist() for name, gate in state.gates.items()}, "embedding": state.embedding.tolist(),
}))
"""
READ_BACK = """
import json, sys
from senseweave.perception import Perception
perception = Perception.from_pretrained(sys.argv[1])
state = perception(perception.prepare({"smell": [0.1, 0.2, 0.3, 0.4, 0.5]}))
print(json.dumps(state.embedding.tolist()))
"""


@pytest.fixture(scope="module")
def nose(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("site-packages")
    install(where, "nose", {"kind": KIND, "encoder": ENCODER, "fusion": FUSION}, ENTRY_POINTS)
    return where


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("saved")


@pytest.fixture(scope="module")
def made(nose, saved) -> dict:
    return json.loads(run(nose, PERCEIVE, str(saved)))


def test_a_package_adds_a_kind_its_encoder_and_a_fusion(made):
    assert made["early"] == [] and made["found"] == ["nose.kind"], "nothing is imported before it is asked for"
    assert made["names"] == ["Camera", "Depth", "Microphone", "Instruction", "Vector", "Grid", "Odour"]
    assert made["encoder"] == "nose.encoder" and made["gates"] == {"smell": [1.0], "touch": [0.0]}


def test_what_was_saved_is_read_where_the_package_is_installed(nose, saved, made):
    assert json.loads(run(nose, READ_BACK, str(saved))) == made["embedding"]


def test_elsewhere_it_names_a_kind_that_nobody_knows(saved, made, tmp_path):
    script = "import sys\nfrom senseweave.perception import Perception, SpecError\n"
    script += "try:\n    Perception.from_pretrained(sys.argv[1])\nexcept SpecError as error:\n    print(error)\n"
    assert "\"smell\" is of an unknown kind 'Odour'" in run(tmp_path, script, str(saved))
