"""ONNX: a graph that onnxruntime runs, and many others. Opening one runs no code of it.

torch and onnx write it; onnxruntime alone reads it.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...perception.errors import CheckpointError, ExportError, MissingExtraError, how_to_install
from ...perception.texts import shown
from .arrays import Arrays, Run

if TYPE_CHECKING:
    from torch.export import ExportedProgram

BATCH = "batch"
"""What the open axis is called in the file."""

INNER = "inner/"
"""How the names of values begin that are neither inputs nor outputs."""


class OnnxFormat:
    """`model.onnx`, weights included, with an open batch."""

    file = "model.onnx"
    runs_code = False

    def write(self, program: "ExportedProgram", inputs: list[str], outputs: list[str]) -> bytes:
        try:
            import onnx  # noqa: F401 - onnxscript needs it too
            import onnxscript  # noqa: F401 - torch asks for it late, and in its own words
        except ImportError as error:
            raise MissingExtraError(f"Export to ONNX needs {error.name}; {how_to_install('onnx')}") from error
        import torch
        from torch.onnx import OnnxExporterError

        speaking = logging.getLogger("torch.onnx")
        level = speaking.level
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch to itself, about names of its own that go
                speaking.setLevel(logging.ERROR)  # which operators of other packages it does not know
                made: Any = torch.onnx.export(program, dynamo=True, verbose=False)
        except OnnxExporterError as error:
            raise ExportError(
                f"The graph cannot be written as ONNX ({shown(str(error).strip(), 300)}); export it to torch, or "
                "change the encoder or fusion of your own that has what ONNX lacks."
            ) from error
        finally:
            speaking.setLevel(level)
        proto = made.model_proto
        _name_batch(proto.graph)
        ends = zip((*proto.graph.input, *proto.graph.output), (*inputs, *outputs), strict=True)
        _rename(proto.graph, {value.name: name for value, name in ends})
        return proto.SerializeToString()

    def runner(self, content: bytes, outputs: list[str], threads: int) -> Run:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(f"An exported ONNX file needs onnxruntime; {how_to_install('onnx')}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common base but this
            raise CheckpointError(
                f"The file is no ONNX model that onnxruntime can run ({shown(error, 200)})."
            ) from error

        def run(given: Mapping[str, NDArray[np.generic]]) -> Arrays:
            return dict(zip(outputs, session.run(outputs, dict(given)), strict=True))

        return run


def _name_batch(graph: Any) -> None:
    """Gives the open axis its name; torch numbers it."""
    own = {dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim[:1]}
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in own:
                dim.dim_param = BATCH


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Gives inputs and outputs their names, and all other values others than any of those.

    torch calls a value as the operation that made it: an output "mean" or a sense "cat" would be there twice.
    """

    def new(name: str) -> str:
        return names.get(name, f"{INNER}{name}") if name else name  # an input that is left out has no name

    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = new(value.name)
    for node in graph.node:
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                _rename(inner, names)
