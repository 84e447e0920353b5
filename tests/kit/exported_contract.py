"""The absence contract over every subset of senses: what a way to run a perception breaks, and how far torch is.

A batch has a row for each subset of the senses that can be here; what stands elsewhere, and what is heard and seen
where something is here, changes from case to case. `checked` gives a row of figures for each case. No pytest here.

b rows, m modalities
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from kit.absence_cases import placed, readings
from kit.runners import Perceive
from senseweave.perception.spec import PRESENT

CONTENTS = ("noise", "silence", "dead channel", "1e30", "NaN", "inf")
NUMBERS = {"silence": 0.0, "1e30": 1e30, "NaN": math.nan, "inf": math.inf}
TOLERANCE = 1e-5
"""Of numbers that need not be equal bit by bit, in parts of the largest number of the states, but at least of 1."""


class Figures(NamedTuple):
    """What came of one case."""

    case: str
    largest: float
    """The largest difference from torch, in parts of the largest number of torch's states where that is above 1."""
    wrong: list[str]
    """What broke the contract, in words."""


def subsets(m: int) -> Tensor:
    """Every subset of m senses, bool (2^m, m); all of them first."""
    return torch.tensor([[not number >> i & 1 for i in range(m)] for number in range(2**m)])


def filled(obs: Mapping[str, Tensor], where: Tensor, names: tuple[str, ...], content: str) -> dict[str, Tensor]:
    """The observation with a content in some places, (b, m)."""
    made = dict(obs)
    for i, name in enumerate(names):
        rows, reading = where[:, i], obs[name]
        if content == "noise":
            other = readings(names, 97, len(reading))[name]
            made[name] = torch.where(rows.view(-1, *[1] * (reading.ndim - 1)), other, reading)
        elif content == "dead channel":
            made[name] = reading.clone()
            if name == "audio":
                made[name][rows, 0] = 0.0
        elif content == "1e30" and name == "audio":  # of both signs: what does not change has no phase to agree on
            loud = torch.where(reading > 0, 1e30, -1e30)
            made[name] = torch.where(rows[:, None, None], loud, reading)
        else:
            made[name] = placed(reading, rows, NUMBERS[content])
    return made


def checked(run: Perceive, torch_itself: Perceive, names: tuple[str, ...]) -> list[Figures]:
    """Runs all cases.

    Args:
        run: what is checked.
        torch_itself: eager torch, whose numbers are the right ones.
        names: the senses, of `KINDS`, in alphabetical order.
    """
    here = subsets(len(names))
    b = len(here)
    loud = readings(names, 31, b)
    base = filled(loud, ~here, names, "silence") | {PRESENT: here}
    first = run(base)
    rows = [
        _against(f"absent: {content}", run, base, filled(base, ~here, names, content), first) for content in CONTENTS
    ]
    rows = [_with_torch(row, first, torch_itself(base)) for row in rows]
    for content in CONTENTS:
        can = torch.tensor([name in FLOATS for name in names])
        obs = filled(loud, here & can, names, content) | {PRESENT: here}
        state, right = run(obs), torch_itself(obs)
        row = Figures(f"here: {content}", 0.0, [])
        if content in ("NaN", "inf"):  # what is rejected is absent
            left = here & ~can
            gone = run(filled(loud, ~left, names, "silence") | {PRESENT: left})
            if not torch.equal(state.embedding, gone.embedding):
                row.wrong.append(f"A1: rejected {content} is not the same as absent")
        if not torch.equal(state.present, right.present) or not torch.equal(state.non_finite, right.non_finite):
            row.wrong.append("what is used or rejected is not what torch uses or rejects")
        rows.append(_with_torch(row, state, right))
    rows.append(_mates(run, base, names, first))
    return rows


FLOATS = ("audio", "depth", "vector")
"""Senses whose readings can be anything at all."""


def _against(case: str, run: Perceive, base: Mapping[str, Tensor], obs: Mapping[str, Tensor], first) -> Figures:
    """A1 and A2: what stands in an absent sense leaves no trace."""
    state, wrong = run(obs), []
    if not torch.equal(state.embedding, first.embedding):
        wrong.append(f"A1: rows differ by {(state.embedding - first.embedding).abs().max().item():.3g}")
    if not all(torch.equal(gate, first.gates[name]) for name, gate in state.gates.items()):
        wrong.append("A1: a gate differs")
    if not torch.equal(state.present, base[PRESENT]):
        wrong.append("a gate is 0 where its sense is here, or above 0 where it is not")
    return Figures(case, 0.0, wrong)


def _with_torch(row: Figures, state, right) -> Figures:
    """A3, and how far the state is from torch's."""
    if not torch.isfinite(state.embedding).all():
        row.wrong.append("A3: a state is not finite")
    scale = max(1.0, right.embedding.abs().max().item())
    largest = (state.embedding.float() - right.embedding).abs().max().item() / scale
    if not largest <= TOLERANCE:
        row.wrong.append(f"it differs from torch by {largest:.3g}")
    return row._replace(largest=largest)


def _mates(run: Perceive, base: Mapping[str, Tensor], names: tuple[str, ...], first) -> Figures:
    """A4: other rows do not matter, bit by bit at one batch size, to rounding at another."""
    b = len(base[PRESENT])
    odd = torch.arange(b) % 2 == 1
    obs = filled(base, odd[:, None].expand(-1, len(names)), names, "noise") | {PRESENT: base[PRESENT] | odd[:, None]}
    state, row = run(obs), Figures("other rows", 0.0, [])
    if not torch.equal(state.embedding[~odd], first.embedding[~odd]):
        row.wrong.append("A4: other rows matter")
    scale, largest = max(1.0, first.embedding.abs().max().item()), 0.0
    for rows in ([0], [1], [b - 1], [0, 1, 2], list(range(7)) if b > 7 else [0]):
        alone = run({name: tensor[rows] for name, tensor in base.items()})
        largest = max(largest, (alone.embedding - first.embedding[rows]).abs().max().item() / scale)
    if not largest <= TOLERANCE:
        row.wrong.append(f"A4: rows of another batch differ by {largest:.3g}")
    return row._replace(largest=largest)
