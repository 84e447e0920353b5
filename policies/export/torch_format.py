"""torch.export's own file: a graph without the classes that made it, for torch programs elsewhere.

torch.export.load can unpickle parts of a file, and evaluates expressions that stand in it: whoever wrote the file can
run code. That is why nothing of ours opens one that the caller does not vouch for.
"""

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...perception.errors import CheckpointError, MissingExtraError
from ...perception.texts import shown
from .arrays import Arrays, Run

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class TorchFormat:
    """`model.pt2`."""

    file = "model.pt2"
    runs_code = True

    def write(self, program: "ExportedProgram", inputs: list[str], outputs: list[str]) -> bytes:
        import torch

        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about weights that share memory
            torch.export.save(program, buffer)
        return buffer.getvalue()

    def runner(self, content: bytes, outputs: list[str], threads: int) -> Run:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("A file of torch.export needs torch; export to ONNX to run without it.") from error
        try:
            graph: Any = torch.export.load(io.BytesIO(content)).module()
        except Exception as error:  # its errors have no common base but this
            raise CheckpointError(f"The file is no graph that this torch can load ({shown(error, 200)}).") from error

        def run(given: Mapping[str, NDArray[np.generic]]) -> Arrays:
            with torch.no_grad():
                found = graph(*(torch.from_numpy(np.ascontiguousarray(part)) for part in given.values()))
            return {name: part.numpy() for name, part in zip(outputs, found, strict=True)}

        return run
