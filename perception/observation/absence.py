"""Where an absent sense is made to vanish: what is absent or not finite becomes zeros before any network sees it.

Behind this point encoders know nothing of absence; what is left of it is a mask over tokens.

b batch, m modalities
"""

import functools
import operator
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from ..spec import PRESENT
from .layout import Layout


class Clean(NamedTuple):
    """An observation in which nothing absent is left."""

    parts: dict[str, dict[str, Tensor]]
    """Modality -> what stands for it: its `READING`, or what was put in its place, and what came beside it."""
    present: Bool[Tensor, "b m"]
    """Which modalities are used: said to be present, in the dict, and finite."""
    non_finite: Bool[Tensor, "b m"]
    """Which modalities were said to be present, but hold NaN or inf."""


def clean(layout: Layout, obs: Mapping[str, Tensor]) -> Clean:
    """Replaces everything that is absent or not finite by zeros.

    Args:
        layout: of the senses.
        obs: readings by modality, batch first; `present` (b, m) may be among them.

    Raises:
        ObservationError: an unknown key, a wrong shape or type, or nothing to take the batch size from.
    """
    batch, device = layout.check(obs)
    said = obs.get(PRESENT)
    said = torch.ones(batch, len(layout.senses), device=device) if said is None else said
    parts: dict[str, dict[str, Tensor]] = {}
    present, non_finite = [], []
    for i, (name, sense) in enumerate(layout.senses.items()):
        way = next((way for way in sense.ways if all(key in obs for key in way.values())), None)
        if way is None:
            parts[name] = sense.nothing(batch, device)
            here = broken = torch.zeros(batch, dtype=torch.bool, device=device)
        else:
            rows = {part: obs[key] for part, key in way.items() if not layout.forms[key].is_shared}
            finite = functools.reduce(operator.and_, map(is_finite, rows.values()))
            here = said[:, i] > 0.5
            here, broken = here & finite, here & ~finite
            parts[name] = {part: obs[key] for part, key in way.items()}
            parts[name] |= {part: zeroed(content, here) for part, content in rows.items()}
            parts[name] |= {part: obs[key].long().clamp(min=0) for part, key in sense.beside.items() if key in obs}
        present.append(here)
        non_finite.append(broken)
    return Clean(parts, torch.stack(present, dim=1), torch.stack(non_finite, dim=1))


def is_finite(content: Shaped[Tensor, "b ..."]) -> Bool[Tensor, " b"]:
    """Which rows hold neither NaN nor inf; no gradient passes."""
    if not content.is_floating_point():
        return torch.ones(content.shape[0], dtype=torch.bool, device=content.device)
    if torch.compiler.is_exporting():  # who optimises a graph may take 0 * x for 0
        return torch.isfinite(content).flatten(1).all(dim=1)
    # 0 * NaN and 0 * inf are NaN, and a sum is several times as fast as isfinite and all
    return (content.detach() * 0.0).flatten(1).sum(dim=1) == 0.0


def zeroed(content: Shaped[Tensor, "b ..."], here: Bool[Tensor, " b"]) -> Shaped[Tensor, "b ..."]:
    """The content, with zeros in the rows that are not here."""
    row = here.view(-1, *[1] * (content.ndim - 1))
    if content.is_floating_point():
        return torch.where(row, content, 0.0)  # 0 * NaN would still be NaN
    return content * row.to(content.dtype)  # whole numbers hold no NaN, and this is much faster
