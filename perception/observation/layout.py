"""`Layout`: under which keys, and in which forms, the senses of a spec may stand in an observation of tensors.

A sense is a reading under its own name, or what an encoder has worked out ahead in its place, under "<sense>_<part>".
Here keys, types and shapes are checked; no value is looked at.

b batch
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import ObservationError, SpecError, did_you_mean
from ..spec import PRESENT, Kind, Spec, key_of

READING = "reading"
"""The part of a sense that is the reading itself, as its kind describes it; its key is the name of the sense."""


class Form(NamedTuple):
    """The form of one part of a sense in an observation."""

    shape: tuple[int, ...]
    """Without a batch axis."""
    is_shared: bool = False
    """Whether all samples look things up in it: then its first axis is no batch, and may be of any length."""
    may_be_cut: bool = False
    """Whether the end of its only axis may be left out."""


StandIn = Mapping[str, Form]
"""Parts that stand in the place of a reading, all of them together."""


class Sense(NamedTuple):
    """How one sense may stand in an observation."""

    ways: tuple[dict[str, str], ...]
    """Part -> key: the reading first, then whatever may stand in its place."""
    beside: dict[str, str]
    """Part -> key of what may come along with it."""
    shape: tuple[int, ...]
    dtype: torch.dtype

    def nothing(self, batch: int, device: torch.device) -> dict[str, Tensor]:
        """What stands for it where it is absent for a whole batch: zeros."""
        return {READING: torch.zeros(batch, *self.shape, dtype=self.dtype, device=device)}


class Layout:
    """What an observation of some senses may hold.

    Args:
        spec: the senses.
        stand_ins: sense -> what its encoder takes in the place of its readings.

    Attributes:
        senses: in the spec's order.
        forms: key -> form, of everything that may be in an observation.
        shared: keys of what all samples look things up in.

    Raises:
        SpecError: a part of one sense would have the key of another.
    """

    def __init__(self, spec: Spec, stand_ins: Mapping[str, Sequence[StandIn]]) -> None:
        self.forms = {name: Form(tuple(kind.shape), may_be_cut=kind.is_text) for name, kind in spec.items()}
        self.forms[PRESENT] = Form((len(spec),))
        self.senses = {name: self._sense(name, kind, stand_ins.get(name, ())) for name, kind in spec.items()}
        self.shared = frozenset(key for key, form in self.forms.items() if form.is_shared)

    def _sense(self, name: str, kind: Kind, stand_ins: Sequence[StandIn]) -> Sense:
        forms = {part: Form(()) for part in kind.beside}
        for stand_in in stand_ins:
            forms |= stand_in
        keys = {part: key_of(name, part) for part in forms}
        for part, key in keys.items():
            if key in self.forms:
                raise SpecError(f'"{key}" holds the {part} of "{name}" and cannot be a sense as well; rename that one.')
            self.forms[key] = forms[part]
        ways = ({READING: name}, *({part: keys[part] for part in stand_in} for stand_in in stand_ins))
        # torch.compile cannot look into a kind, which builds a space to know its shape
        return Sense(
            ways,
            {part: keys[part] for part in kind.beside},
            tuple(kind.shape),
            torch.from_numpy(kind.placeholder()).dtype,
        )

    def check(self, obs: Mapping[str, Tensor]) -> tuple[int, torch.device]:
        """Checks keys, types and shapes, and returns the batch size and device.

        Raises:
            ObservationError: an unknown key, a wrong shape or type, or nothing to take the batch size from.
        """
        if not obs:
            raise ObservationError(
                f'An observation needs a sense or "{PRESENT}" to know its batch size; got an empty dict. '
                "Use Perception.prepare, which fills in placeholders."
            )
        self._check_stand_ins(obs)
        batch: int | None = None
        for key, value in obs.items():
            self._check_form(key, value)
            if self.forms[key].is_shared:
                continue
            if batch is not None and value.shape[0] != batch:
                raise ObservationError(
                    f"All parts of an observation must have one batch size; got {value.shape[0]} in "
                    f'"{key}" after {batch}.'
                )
            batch = value.shape[0]  # `len` would make a number of it, and exported graphs keep their batch open
        if not batch:
            raise ObservationError("An observation must hold at least one sample; got a batch of 0.")
        return batch, next(iter(obs.values())).device

    def _check_stand_ins(self, obs: Mapping[str, Tensor]) -> None:
        for sense in self.senses.values():
            for way in sense.ways:
                here = [key for key in way.values() if key in obs]
                if here and len(here) < len(way):
                    together = " and ".join(f'"{key}"' for key in way.values())
                    raise ObservationError(
                        f"{together} go together; got {' and '.join(here)} alone. "
                        "Pass on all of them, as Perception.condense made them."
                    )

    def _check_form(self, key: str, value: Tensor) -> None:
        if key not in self.forms:
            raise ObservationError(f'The observation has an unknown key "{key}"; {did_you_mean(key, self.forms)}')
        if not isinstance(value, Tensor):
            raise ObservationError(
                f'"{key}" must be a tensor; got {type(value).__name__}. Perception.prepare makes tensors.'
            )
        form = self.forms[key]
        is_cut = form.may_be_cut and value.ndim == 2 and 1 <= value.shape[1] <= form.shape[0]
        if value.is_complex() or value.ndim == 0 or not (is_cut or tuple(value.shape[1:]) == form.shape):
            raise ObservationError(
                f'"{key}" must be real numbers of shape (batch, {", ".join(map(str, form.shape))}); '
                f"got {value.dtype} of shape {tuple(value.shape)}. Check the spec, or use Perception.prepare."
            )


def content_keys(spec: Spec, obs: Iterable[str]) -> dict[str, list[str]]:
    """Sense -> the keys under which an observation holds it, as a reading or as what was worked out in its place.

    Every sense of the spec is in it; those that are not in the observation have no keys.
    """
    keys: dict[str, list[str]] = {name: [] for name in spec}
    beside = {PRESENT, *(key_of(name, part) for name, kind in spec.items() for part in kind.beside)}
    for key in obs:
        owners = [key] if key in keys else [name for name in keys if key.startswith(key_of(name, ""))]
        if owners and key not in beside:
            keys[max(owners, key=len)].append(key)
    return keys
