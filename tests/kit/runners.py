"""Ways to run one and the same perception: eager, compiled, in half precision, exported to torch or to ONNX, int8.

Each takes a dict of tensors, as `Perception` does, and gives a `State`. Those of exported files know the outputs of the
file alone: what was used is read from its gates, which are above 0 exactly where a sense is here.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from senseweave.perception import Perception, State
from senseweave.perception.spec import PRESENT
from senseweave.policies.export import Exported, export, load_exported

Perceive = Callable[[Mapping[str, Tensor]], State]


def eager(perception: Perception, folder: pathlib.Path) -> Perceive:
    """torch as it is."""
    return _quiet(perception)


def bfloat16(perception: Perception, folder: pathlib.Path) -> Perceive:
    """torch under autocast."""

    def perceive(obs: Mapping[str, Tensor]) -> State:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return perception(obs)

    return perceive


def compiled(perception: Perception, folder: pathlib.Path) -> Perceive:
    """torch.compile, traced without a compiler of C++."""
    return _quiet(torch.compile(perception, backend="aot_eager"))


def exported_torch(perception: Perception, folder: pathlib.Path) -> Perceive:
    """torch.export's file."""
    return of_file(load_exported(export(perception, folder, to="torch"), trusts_code=True))


def onnxruntime(perception: Perception, folder: pathlib.Path) -> Perceive:
    """ONNX in onnxruntime, on one thread."""
    return of_file(load_exported(export(perception, folder, to="onnx")))


RUNNERS: dict[str, Callable[[Perception, pathlib.Path], Perceive]] = {
    "eager": eager,
    "bfloat16": bfloat16,
    "compiled": compiled,
    "exported torch": exported_torch,
    "onnxruntime": onnxruntime,
}
"""Name -> makes a way to run a perception; the folder is for files."""


def of_file(exported: Exported) -> Perceive:
    """Runs the graph of a file on tensors, past the preparation of readings: absent content comes to it as it is."""

    def perceive(obs: Mapping[str, Tensor]) -> State:
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in obs.items()}
        rows = len(next(iter(arrays.values())))
        for port in exported.description.inputs:
            if port.name == PRESENT:
                said = arrays.get(PRESENT, np.ones((rows, len(exported.spec))))
                arrays[PRESENT] = np.asarray(said) > 0.5
            elif port.name not in arrays:  # a length that nobody told
                arrays[port.name] = np.full(rows, 2**31 - 1)
        out = exported.run(arrays)
        gates = torch.from_numpy(out["gates"])
        used = gates > 0
        return State(
            torch.from_numpy(out["state"]),
            {name: gates[:, i] for i, name in enumerate(exported.spec)},
            used,
            torch.from_numpy(arrays[PRESENT]) & ~used,
        )

    return perceive


def _quiet(function: Any) -> Perceive:
    def perceive(obs: Mapping[str, Tensor]) -> State:
        with torch.no_grad():
            return function(obs)

    return perceive
