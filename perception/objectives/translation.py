"""Translation between senses by conditional adversarial networks: the tokens of one sense from those of the others.

b batch, m modalities, n tokens, d width
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ..config import PerceptionConfig
from ..encoders.registry import token_counts_of
from ..fusion.parts.pool import AttentionPool
from ..modules import NamedModules
from ..spec import Spec
from ..tokens import TokenGroup
from .base import Objective, Seen, require_two_senses
from .hidden_tokens import Hiding, guess_loss, only_those
from .imputation import Generated, TranslationImputer

if TYPE_CHECKING:
    from ..perception import Perception

ADVERSARIAL_WEIGHT = 0.02
"""Of the adversarial loss beside the squared error: enough to add detail, too little to leave the truth for it."""


class Translation(Objective):
    """A generator for each sense, and a judge that tells its tokens from real ones, knowing the other senses.

    About half of the senses of each sample are hidden; the generators make them from the others and from noise. They
    minimise ||G - t||^2 + 0.02 * -log D(G, c), and the judges -log D(t, c) - log(1 - D(G, c)), where t are real
    tokens and c is the context. What is translated are tokens, not pictures or sounds. Encoders learn by what their
    tokens tell about other senses, and not by becoming easy to guess.

    A perception with `imputation="translation"` uses the very generators that are trained here.

    Source: Mirza and Osindero 2014 (arXiv 1411.1784), equation 2; Isola et al. 2017 (pix2pix, arXiv 1611.07004),
        equation 4, with a squared error on tokens in the place of |x - y| on pixels.
    """

    def __init__(self, spec: Spec, config: PerceptionConfig) -> None:
        super().__init__(spec, config)
        require_two_senses("translation", spec)
        sizes = token_counts_of(spec, config.width)
        self.generators: TranslationImputer | None = TranslationImputer(sizes, width=config.width, heads=config.heads)
        self._imputer: tuple[TranslationImputer, ...] = ()  # in a tuple: its weights are the perception's, not ours
        self.judges = NamedModules({name: Judge(spec.names, name, config) for name in spec})
        self.hiding = Hiding(len(spec))

    def attach(self, perception: "Perception") -> None:
        if isinstance(perception.imputer, TranslationImputer):
            self.generators, self._imputer = None, (perception.imputer,)

    def opponents(self) -> list[nn.Parameter]:
        return list(self.judges.parameters())

    def forward(self, seen: Seen) -> Float[Tensor, " b"]:
        context, wanted = self._task(seen)
        made = self._generate(context)
        losses, known = [], {name: _detached(group) for name, group in context.items()}
        for i, (name, judge) in enumerate(self.judges.items()):
            believed = _fixed(judge)(_as_real(made[name], seen.tokens[name]), known)
            losses.append(torch.where(wanted[:, i], functional.softplus(-believed), 0.0))
        return guess_loss(made, seen.tokens, wanted) + ADVERSARIAL_WEIGHT * torch.stack(losses).mean(dim=0)

    def opponent_loss(self, seen: Seen) -> Float[Tensor, " b"]:
        seen = seen._replace(tokens={name: _detached(group) for name, group in seen.tokens.items()})
        context, wanted = self._task(seen)
        with torch.no_grad():
            made = self._generate(context)
        losses = []
        for i, (name, judge) in enumerate(self.judges.items()):
            real, fake = seen.tokens[name], _as_real(made[name], seen.tokens[name])
            loss = functional.softplus(-judge(real, context)) + functional.softplus(judge(fake, context))
            losses.append(torch.where(wanted[:, i], loss, 0.0))
        return torch.stack(losses).mean(dim=0)

    def _task(self, seen: Seen) -> tuple[dict[str, TokenGroup], Bool[Tensor, "b m"]]:
        stays, wanted = self.hiding(seen.present)
        return only_those(seen.tokens, stays), wanted

    def _generate(self, context: Mapping[str, TokenGroup]) -> dict[str, Generated]:
        generators = self._imputer[0] if self.generators is None else self.generators
        first = next(iter(context.values())).tokens
        return generators.generate(context, self.hiding.noise_for(len(first)).to(first.dtype))


class Judge(nn.Module):
    """Tells real tokens of one sense from made ones, given the other senses."""

    def __init__(self, names: tuple[str, ...], judged: str, config: PerceptionConfig) -> None:
        super().__init__()
        self.judged = judged
        self.pools = NamedModules({name: AttentionPool(config.width, config.latents) for name in names})
        self.tell = nn.Sequential(
            nn.Linear(len(names) * config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, 1)
        )

    def forward(self, group: TokenGroup, context: Mapping[str, TokenGroup]) -> Float[Tensor, " b"]:
        """How real the group looks: the logarithm of the odds."""
        shown = {**context, self.judged: group}
        return self.tell(torch.cat([pool(shown[name])[0] for name, pool in self.pools.items()], dim=-1))[:, 0]


def _fixed(judge: Judge) -> Judge:
    """A judge with the same weights that gets no gradient.

    A copy: `functional_call` would change the judge itself for a moment, in which another thread may ask it.
    """
    weights = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in judge.parameters()}
    return copy.deepcopy(judge, weights)  # shares the numbers


def _as_real(made: Generated, real: TokenGroup) -> TokenGroup:
    """The made tokens where real ones count: a judge shall not look at how many there are."""
    return TokenGroup(made.tokens[:, : real.tokens.shape[1]].to(real.tokens.dtype), real.mask)


def _detached(group: TokenGroup) -> TokenGroup:
    return group._replace(tokens=group.tokens.detach())
