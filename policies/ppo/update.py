"""`Update`: what PPO learns from one rollout: its losses, and the figures that are shown of them.

How minibatches are made and gradients become a step is in `learner.py`; when to update, and with which settings, is
decided in `ppo.py`.

k samples of a minibatch, r rows (samples, or environments with a memory), f figures
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..processes import sum_over_world, world_size
from .learner import Learner, Losses
from .minibatch import Minibatches, Samples

FIGURES = ("policy_gradient_loss", "value_loss", "entropy_loss", "loss", "approx_kl", "clip_fraction")
LOSS, APPROX_KL = FIGURES.index("loss"), FIGURES.index("approx_kl")


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

    @classmethod
    def of(cls, model: Any, clip_range: float, clip_range_vf: float | None) -> Self:
        """Those of a `PPO`, with what its schedules give now; the batch is divided among the processes."""
        return cls(
            batch_size=max(1, model.batch_size // world_size()),
            epochs=model.n_epochs,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=model.normalize_advantage,
            ent_coef=model.ent_coef,
            vf_coef=model.vf_coef,
            max_grad_norm=model.max_grad_norm,
            target_kl=model.target_kl,
            auxiliary=model.auxiliary_weights,
            autocast=model.autocast,
        )


class Update:
    """Learns from one rollout.

    Args:
        learner: has the policy and its rollout, which is finished.
        auxiliary: the auxiliary losses, by name.
        settings: see there.
    """

    def __init__(self, learner: Learner, auxiliary: Mapping[str, nn.Module], settings: UpdateSettings) -> None:
        self.learner, self.auxiliary, self.settings = learner, auxiliary, settings
        self.minibatches = Minibatches(learner.rollout, settings.batch_size)

    def run(self) -> dict[str, float]:
        """Goes through the rollout `epochs` times.

        Returns:
            Means over the minibatches of `FIGURES` and of "auxiliary/NAME" (as in SB3, "loss" is that of the last
            minibatch and "approx_kl" the mean over the last epoch), "explained_variance" of the values, and "epochs",
            those begun.
        """
        settings = self.settings
        epochs = self.learner.learn(
            self.minibatches, settings.epochs, settings.max_grad_norm, self.losses_of, self._has_moved_too_far
        )
        names = (*FIGURES, *(f"auxiliary/{name}" for name in settings.auxiliary))
        whole = torch.stack([figures for epoch in epochs for figures in epoch])
        figures = dict(zip(names, whole.mean(dim=0).tolist(), strict=True))
        figures["loss"] = float(whole[-1, LOSS])
        figures["approx_kl"] = float(torch.stack(epochs[-1])[:, APPROX_KL].mean())
        return figures | {"explained_variance": self._explained_variance(), "epochs": float(len(epochs))}

    def _has_moved_too_far(self, figures: Float[Tensor, " f"]) -> bool:
        limit = self.settings.target_kl
        return limit is not None and float(figures[APPROX_KL]) > 1.5 * limit

    def losses_of(self, rows: Int[Tensor, " r"]) -> Losses:
        """PPO's losses of one minibatch, whose advantages are normalised as a whole.

        Args:
            rows: samples, or with a memory environments.
        """
        mean, scale, count = self._normalisation(self.minibatches.take(self.learner.rollout.advantages, rows))

        def losses(samples: Samples) -> tuple[Float[Tensor, ""], Float[Tensor, " f"]]:
            each = self._losses(samples, mean, scale)
            return each[LOSS].sum() / count, each.detach().sum(dim=1) / count

        return losses

    def gradients(self, rows: Int[Tensor, " r"]) -> Float[Tensor, " f"]:
        """Sets the gradient of every parameter for one minibatch, over all processes.

        Returns:
            The figures of the minibatch, see `run`.
        """
        return self.learner.gradients(self.minibatches, rows, self.losses_of(rows))

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
        settings, policy = self.settings, self.learner.policy
        device = self.learner.rollout.device.type
        # Perceive and judge the samples again, with the policy as it has become.
        with torch.autocast(device, torch.bfloat16, enabled=settings.autocast and device == "cuda"):
            percept = policy.perceive(batch.readings)
        percept = percept.float()
        judgement, _ = policy.judge(percept, batch.state, batch.starts)
        distribution = policy.distribution(judgement)
        # How much more probable is what was done than it was then? Equation 7 clips that ratio.
        log_ratio = cast(Tensor, distribution.log_prob(batch.actions)) - batch.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - settings.clip_range, 1.0 + settings.clip_range)
        advantages = (batch.advantages - mean) * scale
        policy_loss = -torch.minimum(advantages * ratio, advantages * clipped)
        # The value head predicts the returns; its step may be limited as well.
        values, limit = judgement.values, settings.clip_range_vf
        if limit is not None:
            values = batch.values + (values - batch.values).clamp(-limit, limit)
        value_loss = (batch.returns - values).square()
        # Entropy keeps the policy exploring; where it has no closed form, -log p of what was done estimates it.
        entropy = distribution.entropy()
        entropy_loss = log_ratio + batch.log_probs if entropy is None else -entropy
        loss = policy_loss + settings.ent_coef * entropy_loss + settings.vf_coef * value_loss
        extras = []
        for name, weight in settings.auxiliary.items():
            extra = self.auxiliary[name](judgement.features, vars(batch) | {"percept": percept})
            loss = loss + weight * extra
            extras.append(extra)
        with torch.no_grad():
            divergence = (ratio - 1.0) - log_ratio
            is_clipped = ((ratio - 1.0).abs() > settings.clip_range).float()
        return torch.stack([policy_loss, value_loss, entropy_loss, loss, divergence, is_clipped, *extras])

    def _explained_variance(self) -> float:
        """1 - the variance of what the values missed / that of the returns; NaN where returns do not vary."""
        rollout = self.learner.rollout
        returns = rollout.returns[: rollout.length]
        variance = returns.var()
        missed = (returns - rollout.values[: rollout.length]).var()
        return float(torch.where(variance > 0, 1.0 - missed / variance, torch.nan))
