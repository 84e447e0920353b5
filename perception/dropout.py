"""Modality dropout for training: senses vanish at random, sample by sample or in outages that last for a while.

It changes the `present` mask alone; the absence contract does the rest. For reinforcement learning let the
environment drop senses (`senseweave.envs` has a wrapper), so that rollout and update see the same observation.

b batch, m modalities, t time
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from .errors import ConfigError, did_you_mean
from .spec import PRESENT, Spec


class ModalityDropout(nn.Module):
    """Drops each sense with a rate of its own, and now and then all of them at once; off in eval mode.

    Args:
        spec: the senses.
        rates: share of the time that a sense is dropped, 0..1, one for all or by name (others are never dropped).
        all_absent: share of the samples in which everything is dropped, 0..1.
        mean_steps: mean length of an outage in steps, for `outages`.
        generator: source of randomness, on the device of the masks; torch's own by default.

    Source: Neverova et al. 2015 (ModDrop, arXiv 1501.00102), section 4, with outages over time added.
    """

    def __init__(
        self,
        spec: Spec,
        rates: float | Mapping[str, float],
        *,
        all_absent: float = 0.0,
        mean_steps: float = 10.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        by_name = dict(rates) if isinstance(rates, Mapping) else dict.fromkeys(spec.names, rates)
        for name in by_name:
            if name not in spec:
                raise ConfigError(f'`rates` names the sense "{name}", which the spec lacks; {did_you_mean(name, spec)}')
        for name, rate in {**by_name, "all_absent": all_absent}.items():
            if not 0.0 <= rate <= 1.0:
                raise ConfigError(f'The dropout rate of "{name}" must lie within 0..1; got {rate}.')
        if not mean_steps >= 1.0:  # not a number either
            raise ConfigError(f"`mean_steps` must be at least 1 step; got {mean_steps}.")
        self.all_absent = all_absent
        self.mean_steps = mean_steps
        self.generator = generator
        self.register_buffer("rates", torch.tensor([by_name.get(name, 0.0) for name in spec.names]), persistent=False)

    rates: Tensor

    def forward(self, obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the observation with some senses marked absent, independently in each sample."""
        if not self.training:
            return dict(obs)
        first = next(iter(obs.values()))
        present = obs.get(PRESENT)
        present = torch.ones(len(first), len(self.rates), device=first.device) if present is None else present
        kept = self._uniform(*present.shape) >= self.rates  # b m
        kept &= self._uniform(len(present), 1) >= self.all_absent
        return {**obs, PRESENT: (present > 0.5) & kept}

    def outages(self, steps: int, batch: int) -> Bool[Tensor, "t b m"]:
        """A mask over time in which each sense dies for `mean_steps` steps on average, `rates` of the time in all.

        Each sense follows a two-state Markov chain that starts in its stationary distribution; blackouts of
        everything follow one as well, with the rate `all_absent`. A step at least lies between two outages, so a rate
        above mean_steps / (mean_steps + 1) makes them last longer.
        """
        rates = torch.cat([self.rates, self.rates.new_tensor([self.all_absent])])
        # a chain is out for rates of its time when starts * (1 - rates) = ends * rates
        ends = ((1.0 - rates) / rates.clamp(min=1e-6)).clamp(max=1.0 / self.mean_steps)
        starts = (ends * rates / (1.0 - rates).clamp(min=1e-6)).clamp(max=1.0)
        out = self._uniform(batch, len(rates)) < rates  # b (m + 1)
        rows = []
        for _ in range(steps):
            rows.append(~(out[:, :-1] | out[:, -1:]))
            draw = self._uniform(batch, len(rates))
            out = torch.where(out, draw >= ends, draw < starts)
        return torch.stack(rows)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.rates.device)
