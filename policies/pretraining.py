"""Pretraining: a perception learns from observations alone, by a weighted set of objectives, before any reward.

The objectives stand in perception/objectives/. Where batches come from is the caller's business: `senseweave pretrain`
plays environments or reads recordings.

n samples
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..perception.checks import require_number
from ..perception.dropout import ModalityDropout
from ..perception.errors import CheckpointError, ConfigError
from ..perception.files import load_strictly
from ..perception.objectives import Objective, Seen, make_objectives
from ..perception.perception import Perception
from .saving import optimizer_state, random_state
from .saving.checkpoint import Checkpoint
from .saving.random_state import cuda_devices

DRAWS = "draws"
"""Of a checkpoint's random states: the pretrainer's own generator."""

Batch = Mapping[str, Any]
"""One batch of observations as the spec says, batch first: tensors or arrays, with or without `present`."""


@dataclasses.dataclass(frozen=True)
class PretrainingSettings:
    """How to pretrain.

    Args:
        learning_rate: at the start; it falls linearly to a tenth where the number of steps is known.
        modality_dropout: how often a sense is hidden from the perception, each by itself, 0..1, for the objectives
            that learn from what was hidden (`autoencoder`).
        max_grad_norm: longer gradients are shortened to this.

    Raises:
        ConfigError: a value is out of its range.
    """

    learning_rate: float = 1e-3
    modality_dropout: float = 0.3
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_grad_norm"):
            require_number(name, getattr(self, name), above=0)
        require_number("modality_dropout", self.modality_dropout, at_least=0, below=1)


class Pretrainer:
    """Learns from one batch at a time; `pretrain_on` is the whole of it.

    Objectives with opponents take turns: first the opponents learn from the batch, then everything else does.

    Args:
        perception: learns, where it is; its device is the trainer's.
        objectives: name in `OBJECTIVES` -> weight in the sum.
        steps: how many batches there will be, which the learning rate falls over; None keeps it.
        settings: how.
        seed: of the objectives' first weights, and of what is hidden. The perception has its weights already.

    Attributes:
        objectives: name -> the objective with its heads.
        done: batches so far.

    Raises:
        UnknownNameError: there is no such objective.
        ConfigError: a weight is not above 0, or the perception's imputer would stay untrained.
        SpecError: the senses do not suffice for an objective.
    """

    def __init__(
        self,
        perception: Perception,
        objectives: Mapping[str, float],
        steps: int | None = None,
        settings: PretrainingSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.perception, self.weights, self.steps = perception, dict(objectives), steps
        self.settings, self.done = settings or PretrainingSettings(), 0
        imputation = perception.config.imputation
        if imputation != "none" and imputation not in objectives:
            raise ConfigError(
                f'The perception imputes by "{imputation}", which only the objective of that name trains; add '
                f'"{imputation}" to the objectives, or build it with imputation="none".'
            )
        with torch.random.fork_rng(devices=cuda_devices()):
            torch.manual_seed(seed)
            self.objectives: dict[str, Objective] = make_objectives(objectives, perception)
        self._draws = torch.Generator(perception.device).manual_seed(seed)
        self._dropout = ModalityDropout(perception.spec, self.settings.modality_dropout, generator=self._draws)
        self._dropout.to(perception.device)
        opponents = [weight for objective in self.objectives.values() for weight in objective.opponents()]
        theirs = {id(weight) for weight in opponents}
        modules: list[nn.Module] = [perception, *self.objectives.values()]
        own = [weight for module in modules for weight in module.parameters() if id(weight) not in theirs]
        self._optimizer = torch.optim.Adam(own, lr=self.settings.learning_rate)
        self._against = torch.optim.Adam(opponents, lr=self.settings.learning_rate) if opponents else None

    @property
    def learning_rate(self) -> float:
        """The optimiser's step size now."""
        gone = 0.0 if not self.steps else min(1.0, self.done / self.steps)
        return self.settings.learning_rate * (1.0 - 0.9 * gone)

    def learn(self, batch: Batch) -> dict[str, float]:
        """Learns from one batch, whose order does not matter.

        Returns:
            The loss of each objective, mean over the samples, before this step; and "loss", their weighted sum.
        """
        device = self.perception.device
        obs = {name: torch.as_tensor(part, device=device) for name, part in batch.items()}
        rows = torch.randperm(len(next(iter(obs.values()))), generator=self._draws, device=device)
        seen = self._perceive({name: part[rows] for name, part in obs.items()})
        if self._against is not None:
            against = sum(
                self.weights[name] * objective.opponent_loss(seen[name]).mean()
                for name, objective in self.objectives.items()
            )
            self._step(self._against, torch.as_tensor(against))
        losses = {name: objective(seen[name]).mean() for name, objective in self.objectives.items()}
        loss = torch.stack([self.weights[name] * part for name, part in losses.items()]).sum()
        self._step(self._optimizer, loss)
        self.done += 1
        values = torch.stack([*losses.values(), loss]).detach().tolist()
        return dict(zip([*losses, "loss"], values, strict=True))

    def checkpoint(self, state: Mapping[str, Any]) -> Checkpoint:
        """All that decides what follows, but for the batches; `state` is kept beside it, as plain JSON values."""
        own, groups = optimizer_state.to_parts(self._optimizer)
        optimizer, all_groups = {f"own.{name}": part for name, part in own.items()}, {"own": groups}
        if self._against is not None:
            against, all_groups["against"] = optimizer_state.to_parts(self._against)
            optimizer |= {f"against.{name}": part for name, part in against.items()}
        plain, random = random_state.capture()
        world = {
            f"{name}.{key}": part for name, held in self.objectives.items() for key, part in held.state_dict().items()
        }
        kept = dict(state) | {"optimizer": all_groups, "random": plain}
        random[DRAWS] = self._draws.get_state()
        return Checkpoint(self.done, self.perception.state_dict(), optimizer, random, kept, world)

    def restore(self, checkpoint: Checkpoint, source: Path) -> None:
        """Goes on from `checkpoint` of a pretrainer with the same settings.

        Args:
            checkpoint: see above.
            source: where it came from, for messages.

        Raises:
            CheckpointError: it does not fit.
        """
        try:
            groups = dict(checkpoint.state["optimizer"])
            plain, draws = checkpoint.state["random"], checkpoint.random[DRAWS]
            for name, optimizer in (("own", self._optimizer), ("against", self._against)):
                if optimizer is not None:
                    parts = _below(checkpoint.optimizer, name)
                    optimizer.load_state_dict(optimizer_state.from_parts(optimizer, parts, groups[name]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"The newest checkpoint in {source} lacks {error}; remove it.") from error
        load_strictly(self.perception, checkpoint.policy, source)
        for name, objective in self.objectives.items():
            load_strictly(objective, _below(checkpoint.world, name), source)
        random_state.restore(plain, {name: part for name, part in checkpoint.random.items() if name != DRAWS})
        self._draws.set_state(draws)
        self.done = checkpoint.steps

    def _perceive(self, obs: dict[str, Tensor]) -> dict[str, Seen]:
        """What each objective sees: the whole observation, or one in which senses are hidden."""
        digested = self.perception.digest(obs)
        hides = {name: objective.hides_senses for name, objective in self.objectives.items()}
        views = {}
        for hidden in set(hides.values()):
            shown = self._dropout(digested) if hidden else digested
            views[hidden] = Seen.of(digested, self.perception(shown, with_tokens=True))
        return {name: views[hidden] for name, hidden in hides.items()}

    def _step(self, optimizer: torch.optim.Optimizer, loss: Float[Tensor, ""]) -> None:
        weights = []
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate
            weights += group["params"]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=optimizer is self._against)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        used = [weight for weight in weights if weight.grad is not None]
        nn.utils.clip_grad_norm_(used, self.settings.max_grad_norm)
        optimizer.step()


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): part for key, part in tensors.items() if key.startswith(f"{name}.")}


def pretrain_on(
    perception: Perception,
    batches: Iterable[Batch],
    objectives: Mapping[str, float],
    settings: PretrainingSettings | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    on_step: Callable[[Pretrainer, dict[str, float]], bool] = lambda pretrainer, losses: True,
) -> list[dict[str, float]]:
    """Pretrains a perception, in place.

    `pretrain_on(perception, batches, {"contrastive": 1.0, "dcca": 0.5})`, and then `perception.save_pretrained(...)`.

    Args:
        perception: see `Pretrainer`.
        batches: observations; one step each.
        objectives: see `Pretrainer`.
        settings: how.
        steps: how many batches are taken at most; None takes all.
        seed: see `Pretrainer`.
        on_step: called after each step with the trainer and the losses; False ends it.

    Returns:
        What `Pretrainer.learn` returned at each step.

    Raises:
        SenseweaveError: see `Pretrainer`.
    """
    pretrainer = Pretrainer(perception, objectives, steps, settings, seed=seed)
    course: list[dict[str, float]] = []
    for batch in batches:
        if steps is not None and pretrainer.done >= steps:
            break
        course.append(pretrainer.learn(batch))
        if not on_step(pretrainer, course[-1]):
            break
    return course
