"""`Learner`: what PPO and imitation have in common: collect -> minibatches -> losses -> step.

    collect      all environments play a rollout; who plays says what is done
    minibatches  the rollout's samples in a random order, see `minibatch.py`
    losses       of a minibatch, in parts on several threads; what is minimised is passed in
    step         gradients are added up over threads and processes, and the optimiser takes one step

PPO's losses are in `update.py`, those of imitation in `../imitation.py`.

t steps, b environments, s width of the memory's state, k samples, r rows (samples, or environments with a memory), f
figures
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..policy import Observation, SensePolicy
from ..processes import sum_over_world, world_size
from ..second_look import Percept
from .minibatch import Minibatches, Samples
from .rollout import Rollout
from .sources import Environments, StepOutcome
from .workers import Workers, add_gradients


class Underway(NamedTuple):
    """Where the episodes have got to, between two steps of all environments."""

    observation: Observation
    """What the environments show now, b rows."""
    memory: Float[Tensor, "b s"] | None
    """The state of the policy's memory; None without a memory."""
    starts: Bool[Tensor, " b"]
    """Whether an episode begins now."""


class Acted(NamedTuple):
    """One decision in every environment."""

    done: Tensor
    """What the environments are given, b rows."""
    learned: Tensor
    """What is kept as the action: the policy's before it was clipped, or the expert's."""
    log_probs: Float[Tensor, " b"]
    values: Float[Tensor, " b"]
    memory: Float[Tensor, "b s"] | None
    """The state of the policy's memory after this step."""


Act = Callable[[Observation, Underway], Acted]
"""Decides, given the observation as it was stored."""

AfterStep = Callable[[Acted, StepOutcome, Underway], bool]
"""Called after each step, with where the episodes are then; False breaks the rollout off."""

Losses = Callable[[Samples], tuple[Float[Tensor, ""], Float[Tensor, " f"]]]
"""What is minimised on some samples of a minibatch, and figures to show. Both are divided by the number of samples in
the whole minibatch, so that those of its parts add up."""


def never(figures: Float[Tensor, " f"]) -> bool:
    """Learns from everything."""
    return False


class Learner:
    """Plays rollouts and learns from them, with losses that it is given.

    Args:
        policy: learns, with its own optimiser.
        rollout: room for what is played.
        workers: threads that share each minibatch.
        name: of what is learned; torch compiles for each.

    Attributes:
        seconds: by the clock: "acting" decides what to do and "environment" does it, in the newest rollout; "learning"
            is the newest update. On CUDA nothing waits for the device, so that a phase may pay for the one before.
        gradient_norms: of the newest update's minibatches, before they were shortened.
    """

    def __init__(self, policy: SensePolicy, rollout: Rollout, workers: Workers, name: str) -> None:
        self.policy, self.rollout, self.workers, self._name = policy, rollout, workers, name
        self.seconds: dict[str, float] = {}
        self.gradient_norms: list[Tensor] = []

    def speeds(self) -> dict[str, float]:
        """Steps per second of each phase, by the logger's keys."""
        steps = self.rollout.length * self.rollout.num_envs * world_size()
        return {f"time/{phase}_steps_per_second": steps / max(s, 1e-9) for phase, s in self.seconds.items()}

    def gradients_told(self) -> dict[str, float]:
        """The mean norm of the newest update's gradients, by the logger's key; {} before the first."""
        norms = self.gradient_norms
        return {"train/gradient_norm": float(torch.stack(norms).mean())} if norms else {}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser changes."""
        groups = self.policy.optimizer.param_groups
        return [parameter for group in groups for parameter in group["params"] if parameter.requires_grad]

    def collect(
        self, environments: Environments, underway: Underway, length: int, act: Act, after_step: AfterStep
    ) -> bool:
        """Plays a rollout.

        Args:
            environments: what is played in.
            underway: where the episodes are before the first step.
            length: steps of every environment.
            act: see there.
            after_step: see there; gradients are on, as they are for callbacks of stable-baselines3.

        Returns:
            Whether it came to its end.
        """
        rollout, seconds = self.rollout, self.seconds
        seconds |= {"acting": 0.0, "environment": 0.0}
        rollout.begin(underway.memory)
        while rollout.length < length:
            with torch.no_grad():
                began = time.perf_counter()
                # Store what is seen; the policy acts on the very tensors that it will learn from.
                seen = rollout.store_observation(underway.observation, environments.missions)
                acted = act(seen, underway)
                decided = time.perf_counter()
                # One step of all environments. Where an episode ends, the next one begins in the same step.
                outcome = environments.step(acted.done)
                seconds["acting"] += decided - began
                seconds["environment"] += time.perf_counter() - decided
                rollout.add(acted.learned, acted.log_probs, acted.values, underway.starts, outcome.reward)
            underway = Underway(outcome.observation, acted.memory, outcome.is_over)
            if not after_step(acted, outcome, underway):
                return False
        return True

    @torch.no_grad()
    def finish(
        self, underway: Underway, perceive: Callable[[Observation], Percept], gamma: float, gae_lambda: float
    ) -> Float[Tensor, " b"]:
        """Judges where the rollout has ended, and works out its advantages and returns; draws nothing.

        Args:
            underway: where the episodes are after the last step.
            perceive: the policy's, or one that divides the work.
            gamma: discount.
            gae_lambda: see `Rollout.finish`.

        Returns:
            The values of `underway`.
        """
        percept = perceive(self.rollout.cut(self.rollout.pack(underway.observation)))
        values = self.policy.judge(percept, underway.memory, underway.starts[None])[0].values
        self.rollout.finish(values, underway.starts, gamma, gae_lambda)
        return values

    def learn(
        self,
        minibatches: Minibatches,
        epochs: int,
        max_grad_norm: float,
        losses_of: Callable[[Int[Tensor, " r"]], Losses],
        is_enough: Callable[[Float[Tensor, " f"]], bool] = never,
    ) -> list[list[Float[Tensor, " f"]]]:
        """Goes through the rollout `epochs` times.

        Args:
            minibatches: of the rollout.
            epochs: how often each sample is learned from.
            max_grad_norm: longer gradients are shortened to this.
            losses_of: the losses of one minibatch, given its rows.
            is_enough: asked with the figures of each minibatch; True ends the learning before its step.

        Returns:
            The figures of each minibatch, epoch by epoch.
        """
        began, self.gradient_norms = time.perf_counter(), []
        figures: list[list[Float[Tensor, " f"]]] = []
        try:
            for _ in range(epochs):
                figures.append([])
                for rows in minibatches.shuffled():
                    figures[-1].append(self.gradients(minibatches, rows, losses_of(rows)))
                    if is_enough(figures[-1][-1]):
                        return figures
                    self._step(max_grad_norm)
            return figures
        finally:
            self.seconds["learning"] = time.perf_counter() - began

    def gradients(self, minibatches: Minibatches, rows: Int[Tensor, " r"], losses: Losses) -> Float[Tensor, " f"]:
        """Sets the gradient of every parameter for one minibatch, over all threads and processes.

        Returns:
            The minibatch's figures, over all of them.
        """
        parameters = self.parameters

        def work(part: Int[Tensor, " r"]) -> tuple[list[Tensor | None], Float[Tensor, " f"]]:
            with torch.enable_grad():
                loss, figures = losses(minibatches.samples(part))
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            return list(gradients), figures.detach()

        # Split the rows: each thread works out the gradients of its own, without touching the parameters.
        parts = self.workers.split(rows, minibatches.min_rows)
        worked = self.workers.map(work, parts, (self._name, minibatches.shape_of(rows)))
        # Add them up in a fixed order, over the threads and then over the processes: the same bits every time.
        add_gradients(parameters, [gradients for gradients, _ in worked])
        return sum_over_world(torch.stack([figures for _, figures in worked]).sum(dim=0))

    def _step(self, max_grad_norm: float) -> None:
        """Shortens a gradient that is too long, and changes the parameters that have one."""
        used = [parameter for parameter in self.parameters if parameter.grad is not None]
        self.gradient_norms.append(nn.utils.clip_grad_norm_(used, max_grad_norm, foreach=True))
        self.policy.optimizer.step()
