"""`Exported`: a perception out of a folder, run without torch.

b batch, m modalities, s state width
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ...perception.errors import ObservationError
from ...perception.spec import PRESENT, Spec
from ...perception.tokenizer import Tokenizer
from .arrays import Arrays, Run
from .description import Description
from .readings import Ready, prepare

START = "start"


class Perceived(NamedTuple):
    """What is perceived of one observation or of a batch; without a batch axis where one was given."""

    state: Float[np.ndarray, "*b s"]
    gates: dict[str, Float[np.ndarray, "*b"]]
    """How far each modality was let in, 0..1; exactly 0 where it is absent."""
    non_finite: Bool[np.ndarray, "*b m"]
    """Which were said to be here, but hold NaN or inf, in alphabetical order; they count as absent."""


class Exported:
    """A perception that was exported; `load_exported` makes one.

    Args:
        folder: where it is from.
        description: its model.json.
        run: runs the graph.
        tokenizer: of its texts; None where it has none.

    Attributes:
        spec: the senses.
    """

    def __init__(self, folder: Path, description: Description, run: Run, tokenizer: Tokenizer | None) -> None:
        self.folder, self.description, self.spec = folder, description, description.spec
        self._run, self._tokenizer = run, tokenizer

    @property
    def senses(self) -> Spec:
        """What it perceives."""
        return self.spec

    def prepare(self, observation: Mapping[str, Any]) -> Ready:
        """Makes raw readings ready for the graph: one or a batch, texts, None or no key for what is absent.

        Raises:
            ObservationError: an unknown key, a wrong shape or type, or values that cannot be meant.
        """
        return prepare(self.spec, observation, self._tokenizer)

    def perceive(self, observation: Mapping[str, Any]) -> Perceived:
        """The state of an observation, raw as `prepare` takes it."""
        ready = self.prepare(observation)
        out = self._called(ready)
        perceived = Perceived(out["state"], self._gates(out), ready.non_finite)
        if ready.is_batch:
            return perceived
        gates = {name: gate[0] for name, gate in perceived.gates.items()}
        return Perceived(perceived.state[0], gates, perceived.non_finite[0])

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Arrays:
        """The graph itself: arrays by the names of `description.inputs`, with a batch axis, in; its outputs out."""
        return self._run({port.name: inputs[port.name] for port in self.description.inputs})

    def _called(self, ready: Ready, **more: NDArray[np.generic]) -> Arrays:
        given = ready.arrays | more
        for port in self.description.inputs:
            if port.name not in given:
                raise ObservationError(f'The graph needs "{port.name}", which the observation lacks.')
        if PRESENT in given and not len(given[PRESENT]):
            raise ObservationError("An observation must hold at least one sample; got a batch of 0.")
        return self.run(given)

    def _gates(self, out: Arrays) -> dict[str, Any]:
        return {name: out["gates"][:, i] for i, name in enumerate(self.spec)}
