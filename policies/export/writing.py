"""`export`: a perception or a policy becomes a folder that runs without torch's classes, and without torch.

The folder holds the model, `model.json` (description.py) and, where there are texts, `tokenizer.json`.
"""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from ...perception.checks.whole_files import write_atomically
from ...perception.errors import ExportError, SenseweaveError
from ...perception.perception import Perception
from ...perception.texts import shown
from ...perception.tokenizer import default_tokenizer
from ..saving.sealed import write_sealed
from .description import FORMAT, VERSION, Description, Origin, Port
from .formats import EXPORT_FORMATS
from .graph import Graph, PolicyGraph, graph_of
from .verifying import require_alike

TOKENIZER = "tokenizer.json"


def export(
    model: Perception | ActorCriticPolicy | BaseAlgorithm,
    directory: str | os.PathLike[str],
    to: str = "onnx",
    *,
    origin: Origin | None = None,
) -> Path:
    """Writes a perception or a policy as files that run without its training code.

    Inputs are the senses by name, as the spec describes one reading, with a batch axis of any length; `present` (b, m)
    bool; for a perception alone also a recording's `<sense>_length` (b,) int64; for a policy with memory `memory`
    (b, k) and `start` (b,) bool. Outputs are `state` (b, s), `gates` (b, m), and of a policy `logits` (b, a), or `mean`
    and `log_std` (b, a) where actions are numbers, `value` (b,), and `memory_out` (b, k).

    Args:
        model: what is exported; it is not changed. A model of stable-baselines3 stands for its policy.
        directory: where; files of an earlier export there are replaced, `model.json` last.
        to: a name in `EXPORT_FORMATS`.
        origin: where it comes from and how fast it acts; nothing is known by default.

    Returns:
        The folder.

    Raises:
        ExportError: a part of it cannot be exported, as an encoder of somebody's own may be, or what was exported does
            not answer as torch does. Nothing was written then.
        UnknownNameError: there is no such format.
        MissingExtraError: a package is missing.
        CheckpointError: the folder cannot be written.
    """
    policy: Any = model.policy if isinstance(model, BaseAlgorithm) else model
    EXPORT_FORMATS.require(to)
    form = EXPORT_FORMATS[to]()
    graph = graph_of(policy)
    content = form.write(traced(graph), list(graph.inputs), graph.outputs)
    difference = require_alike(graph, form.runner(content, graph.outputs, 1))
    folder = Path(directory).expanduser()
    spec = graph.perception.spec
    files = {form.file: content}
    if spec.texts():
        files[TOKENIZER] = default_tokenizer().content.encode()
    for name, held in files.items():
        write_atomically(folder / name, held)
    space = policy.action_space if isinstance(graph, PolicyGraph) else None
    description = Description(
        to=to,
        file=form.file,
        files={name: hashlib.sha256(held).hexdigest() for name, held in files.items()},
        spec=spec,
        inputs=tuple(Port.of(name, part.numpy()) for name, part in graph.inputs.items()),
        outputs=tuple(graph.outputs),
        state_dim=graph.perception.config.state_dim,
        memory=graph.memory_width if isinstance(graph, PolicyGraph) else 0,
        actions=space,
        tokenizer=default_tokenizer().identity if spec.texts() else None,
        origin=origin or Origin(),
        difference=difference,
    )
    write_sealed(folder / "model.json", {"format": FORMAT, "version": VERSION} | description.to_json())
    return folder


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """The graph that torch.export sees, open in its batch.

    Raises:
        ExportError: something in it cannot be traced.
    """
    examples = tuple(graph.inputs.values())
    batch = torch.export.Dim("batch", min=1)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch to itself
            return torch.export.export(
                graph, examples, dynamic_shapes=(tuple({0: batch} for _ in examples),), strict=False
            )
    except SenseweaveError:
        raise
    except Exception as error:  # whatever an encoder or a fusion of a user's own does
        own = _parts_of_others(graph)
        blamed = f"; look at {', '.join(own)}, which must not look at values or at the batch's size" if own else ""
        raise ExportError(
            f"The networks cannot be traced into a graph ({type(error).__name__}: {shown(_first_line(error), 200)})"
            f"{blamed}."
        ) from error


def _parts_of_others(graph: Graph) -> list[str]:
    """Classes of encoders, fusion and memory that do not come with senseweave."""
    package = __name__.partition(".")[0] + "."
    return sorted(
        {
            type(part).__qualname__
            for part in graph.modules()
            if not type(part).__module__.startswith((package, "torch.", "stable_baselines3."))
        }
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
