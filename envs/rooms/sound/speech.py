"""Instructions spoken into both ears over the first steps of an episode, word by word, in one of four voices.

A pure function of mission, voice and step: the table of what is said when is made once for a level's missions, and a
step's sound is one row of it. Silence afterwards. The recordings are of whole steps, so words end where steps end.

b environments, n missions, v voices, s steps, r blocks of 0.1 s
"""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ....perception.errors import ConfigError, did_you_mean
from ..missions import VOICES
from ..state import RoomsState
from .recordings import recordings
from .timbres import STEP_SAMPLES


class Speech:
    """Says the missions of a level.

    Args:
        missions: their texts, a level's `missions`; capitals and punctuation are not heard.
        device: where the states are.

    Attributes:
        steps: for how many steps each voice speaks each mission, int64 (n, v).

    Raises:
        ConfigError: a mission has a word that was not recorded.
    """

    def __init__(self, missions: Sequence[str], device: torch.device | str = "cpu") -> None:
        said = recordings()
        if len(said.voices) != VOICES:
            raise RuntimeError(f"{len(said.voices)} voices were recorded instead of {VOICES}.")
        plans = [_plan(mission, voice) for mission in missions for voice in range(VOICES)]
        self.steps: Int[Tensor, "n v"] = torch.tensor([len(plan) for plan in plans]).view(-1, VOICES).to(device)
        self.longest = max(map(len, plans), default=0)
        used = sorted({block for plan in plans for block in plan})
        sounds = [torch.zeros(1, STEP_SAMPLES), *(said.blocks[voice][block : block + 1] for voice, block in used)]
        self._blocks: Float[Tensor, "r 1600"] = torch.cat(sounds).to(device)
        row = {block: number for number, block in enumerate(used, start=1)}
        rows = [[row[block] for block in plan] + [0] * (self.longest + 1 - len(plan)) for plan in plans]
        self._table: Int[Tensor, " n*v*s"] = torch.tensor(rows, dtype=torch.int32).view(-1).to(device)

    def blocks(self, state: RoomsState) -> Float[Tensor, "b 1600"]:
        """What is said in the step that ends now: float32 (b, 1600) in -1..1, zeros when nothing is."""
        line = state.mission * VOICES + state.voice
        moment = line * (self.longest + 1) + state.step_count.clamp(max=self.longest)
        return self._blocks.index_select(0, self._table.index_select(0, moment))

    def is_going_on(self, state: RoomsState) -> Bool[Tensor, " b"]:
        """Whether something is still to be said, in the steps after the one that ends now."""
        return state.step_count + 1 < self.steps[state.mission, state.voice]


def _plan(mission: str, voice: int) -> list[tuple[int, int]]:
    """The blocks of one voice, each as (voice, block), that say a mission."""
    said = recordings()
    plan = []
    for word in re.findall(r"\w+", mission.lower()):
        if word not in said.places:
            raise ConfigError(
                f'The word "{word}" of the mission "{mission}" was not recorded and cannot be spoken; '
                f"{did_you_mean(word, said.places)}"
            )
        first, count = said.places[word][voice]
        plan.extend((voice, block) for block in range(first, first + count))
    return plan
