"""Multimodal autoencoder: the state alone must tell what every sense said, also the senses that were hidden.

b batch, m modalities
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import PerceptionConfig
from ..modules import NamedModules
from ..observation.absence import zeroed
from ..observation.layout import content_keys
from ..spec import Spec
from .base import Objective, Seen, held
from .hidden_tokens import Hiding, guess_loss, only_those
from .imputation import AutoencoderImputer
from .targets import Target, build_target

if TYPE_CHECKING:
    from ..perception import Perception


class Autoencoder(Objective):
    """Reconstructs every sense from the state embedding, each as targets.py says.

    While a trainer hides senses from the perception (`pretrain` does), what was hidden is reconstructed as well: the
    state must hold what the other senses tell of it. A sense that is truly absent has no loss. The loss of a sample is
    the mean over all senses, in which an absent one counts 0.

    A perception with `imputation="autoencoder"` has its imputer trained here too: tokens of hidden senses are
    regressed from one code of the others.

    Source: Ngiam et al. 2011 (Multimodal deep learning, ICML), section 3, with the state of a fusion as the shared
        code, and inputs dropped as in Vincent et al. 2008 (denoising autoencoders).
    """

    hides_senses = True

    def __init__(self, spec: Spec, config: PerceptionConfig) -> None:
        super().__init__(spec, config)
        self.spec = spec
        self.targets: NamedModules[Target] = NamedModules(
            {name: build_target(name, kind, config) for name, kind in spec.items()}
        )
        self.decoders = NamedModules(
            {name: _decoder(config.state_dim, target) for name, target in self.targets.items()}
        )
        self.hiding = Hiding(len(spec))
        self._imputer: tuple[AutoencoderImputer, ...] = ()  # in a tuple: its weights are the perception's, not ours

    def attach(self, perception: "Perception") -> None:
        if isinstance(perception.imputer, AutoencoderImputer):
            self._imputer = (perception.imputer,)

    def forward(self, seen: Seen) -> Float[Tensor, " b"]:
        there = held(self.spec, seen.observations)
        keys = content_keys(self.spec, seen.observations)
        readings = dict(seen.observations)
        for i, name in enumerate(self.spec):
            readings |= {key: zeroed(readings[key], there[:, i]) for key in keys[name]}
        losses = []
        for i, (name, target) in enumerate(self.targets.items()):
            if keys[name]:
                loss = target(self.decoders[name](seen.embedding), readings)
                losses.append(torch.where(there[:, i], loss, 0.0))
            else:
                losses.append(torch.zeros_like(seen.embedding[:, 0]))
        loss = torch.stack(losses).mean(dim=0)
        for imputer in self._imputer:
            stays, wanted = self.hiding(seen.present)
            loss = loss + guess_loss(imputer.generate(only_those(seen.tokens, stays)), seen.tokens, wanted)
        return loss


def _decoder(state_dim: int, target: Target) -> nn.Sequential:
    last = nn.Linear(2 * state_dim, target.size)
    nn.init.constant_(last.bias, target.first)
    return nn.Sequential(nn.Linear(state_dim, 2 * state_dim), nn.GELU(), last)
