"""One update of PPO: minibatches from a rollout, losses and gradients in parts, one step of the optimiser each.

Plain functions of tensors; when to update, and with which settings, is decided in `ppo.py`.

k samples of a minibatch, r rows (samples, or environments with a memory), f figures
"""

import dataclasses
from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..policy import SensePolicy
from ..processes import sum_over_world
from .minibatch import Minibatches, Samples
from .rollout import Rollout
from .workers import Workers, add_gradients

FIGURES = ("policy_gradient_loss", "value_loss", "entropy_loss", "loss", "approx_kl", "clip_fraction")


@dataclasses.dataclass(frozen=True)
class UpdateSettings:
    """PPO's settings as they are at this update.

    Args:
        batch_size: samples of a minibatch; with a memory, of as many whole environments as that makes, at least one.
        epochs: how often each sample is learned from.
        clip_range: how far the ratio of probabilities counts.
        clip_range_vf: how far a value may move; None does not limit it.
        normalize_advantage: to mean 0 and standard deviation 1 in each minibatch.
        ent_coef: weight of the entropy.
        vf_coef: weight of the value's squared error.
        max_grad_norm: longer gradients are shortened to this.
        target_kl: an update ends where the policy has moved 1.5 times as far; None never does.
        auxiliary: name -> weight of each auxiliary loss.
        autocast: whether forward passes run in bfloat16 on CUDA.

    Source: Schulman et al. 2017 (arXiv 1707.06347), equations 7 and 9.
    """

    batch_size: int
    epochs: int
    clip_range: float
    clip_range_vf: float | None
    normalize_advantage: bool
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    target_kl: float | None
    auxiliary: Mapping[str, float]
    autocast: bool


class Update:
    """Learns from one rollout.

    Args:
        policy: learns, with its own optimiser.
        auxiliary: the auxiliary losses, by name.
        rollout: finished.
        workers: share each minibatch.
        settings: see there.
    """

    def __init__(
        self,
        policy: SensePolicy,
        auxiliary: Mapping[str, nn.Module],
        rollout: Rollout,
        workers: Workers,
        settings: UpdateSettings,
    ) -> None:
        self.policy, self.auxiliary, self.rollout, self.workers = policy, auxiliary, rollout, workers
        self.settings = settings
        self.parameters = [p for group in policy.optimizer.param_groups for p in group["params"] if p.requires_grad]
        self._minibatches = Minibatches(rollout, settings.batch_size)

    def run(self) -> dict[str, float]:
        """Goes through the rollout `epochs` times.

        Returns:
            Means over the minibatches of `FIGURES` and of "auxiliary/NAME" (as in SB3, "loss" is that of the last
            minibatch and "approx_kl" the mean over the last epoch), "explained_variance" of the values, and "epochs",
            those begun.
        """
        totals: list[Float[Tensor, " f"]] = []
        epochs = begun = 0
        for _ in range(self.settings.epochs):
            epochs, begun = epochs + 1, len(totals)
            if not self._learn_once(totals):
                break
        names = (*FIGURES, *(f"auxiliary/{name}" for name in self.settings.auxiliary))
        whole = torch.stack(totals)
        figures = dict(zip(names, whole.mean(dim=0).tolist(), strict=True))
        figures["loss"] = float(whole[-1, FIGURES.index("loss")])
        figures["approx_kl"] = float(whole[begun:, FIGURES.index("approx_kl")].mean())
        return figures | {"explained_variance": self._explained_variance(), "epochs": float(epochs)}

    def _learn_once(self, totals: list[Float[Tensor, " f"]]) -> bool:
        """One epoch; False where the policy has moved too far."""
        for rows in self._minibatches.shuffled():
            figures = self.gradients(rows)
            totals.append(figures)
            limit = self.settings.target_kl
            if limit is not None and float(figures[FIGURES.index("approx_kl")]) > 1.5 * limit:
                return False
            used = [p for p in self.parameters if p.grad is not None]
            torch.nn.utils.clip_grad_norm_(used, self.settings.max_grad_norm, foreach=True)
            self.policy.optimizer.step()
        return True

    def gradients(self, rows: Int[Tensor, " r"]) -> Float[Tensor, " f"]:
        """Sets the gradient of every parameter for one minibatch, over all processes.

        Args:
            rows: samples, or with a memory environments.

        Returns:
            The figures of the minibatch, see `run`.
        """
        minibatches = self._minibatches
        mean, scale, count = self._normalisation(minibatches.take(self.rollout.advantages, rows))

        def work(part: Int[Tensor, " r"]) -> tuple[list[Tensor | None], Float[Tensor, " f"]]:
            with torch.enable_grad():
                losses = self._losses(minibatches.samples(part), mean, scale)
                total = losses[FIGURES.index("loss")].sum() / count
                gradients = torch.autograd.grad(total, self.parameters, allow_unused=True)
            return list(gradients), losses.detach().sum(dim=1) / count

        parts = self.workers.split(rows, minibatches.least_rows)
        worked = self.workers.map(work, parts, ("learn", minibatches.shape_of(rows)))
        add_gradients(self.parameters, [gradients for gradients, _ in worked])
        return sum_over_world(torch.stack([figures for _, figures in worked]).sum(dim=0))

    def _normalisation(self, advantages: Float[Tensor, " k"]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and 1 / standard deviation of the advantages, and the number of samples, over all processes."""
        sums = torch.stack([torch.ones_like(advantages), advantages, advantages * advantages]).double().sum(dim=1)
        count, total, squares = sum_over_world(sums)
        if not self.settings.normalize_advantage:
            return torch.zeros_like(total).float(), torch.ones_like(total).float(), count.float()
        mean = total / count
        variance = (squares - count * mean * mean).clamp(min=0.0) / (count - 1.0).clamp(min=1.0)
        scale = torch.where(count > 1.0, 1.0 / (variance.sqrt() + 1e-8), 1.0)
        return torch.where(count > 1.0, mean, 0.0).float(), scale.float(), count.float()

    def _losses(self, batch: Samples, mean: Tensor, scale: Tensor) -> Float[Tensor, "f k"]:
        """The figures of each sample; the row "loss" is what is minimised."""
        settings, policy = self.settings, self.policy
        device = self.rollout.device.type
        with torch.autocast(device, torch.bfloat16, enabled=settings.autocast and device == "cuda"):
            percept = policy.perceive(batch.readings)
        percept = percept.float()
        judgement, _ = policy.judge(percept, batch.state, batch.starts)
        distribution = policy.distribution(judgement)
        log_ratio = cast(Tensor, distribution.log_prob(batch.actions)) - batch.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - settings.clip_range, 1.0 + settings.clip_range)
        advantages = (batch.advantages - mean) * scale
        policy_loss = -torch.minimum(advantages * ratio, advantages * clipped)
        values, limit = judgement.values, settings.clip_range_vf
        if limit is not None:
            values = batch.values + (values - batch.values).clamp(-limit, limit)
        value_loss = (batch.returns - values).square()
        entropy = distribution.entropy()
        entropy_loss = log_ratio + batch.log_probs if entropy is None else -entropy
        loss = policy_loss + settings.ent_coef * entropy_loss + settings.vf_coef * value_loss
        told = []
        for name, weight in settings.auxiliary.items():
            extra = self.auxiliary[name](judgement.features, vars(batch) | {"percept": percept})
            loss = loss + weight * extra
            told.append(extra)
        with torch.no_grad():
            divergence = (ratio - 1.0) - log_ratio
            is_clipped = ((ratio - 1.0).abs() > settings.clip_range).float()
        return torch.stack([policy_loss, value_loss, entropy_loss, loss, divergence, is_clipped, *told])

    def _explained_variance(self) -> float:
        """1 - the variance of what the values missed / that of the returns; NaN where returns do not vary."""
        returns = self.rollout.returns[: self.rollout.length]
        variance = returns.var()
        missed = (returns - self.rollout.values[: self.rollout.length]).var()
        return float(torch.where(variance > 0, 1.0 - missed / variance, torch.nan))
