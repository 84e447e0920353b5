"""What a callback finds in `locals`: stable-baselines3's names with its contents, made when somebody looks.

The trainer's own tensors stay on the device, so arrays and infos are made of them only where a callback asks. They
stand under `locals["tensors"]` as they are.

b environments
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from stable_baselines3.common.callbacks import CallbackList
from torch import Tensor

from ...policy import ONLY, Observation
from ..learner import Acted, Underway
from ..rollout import Rollout
from ..sources import StepOutcome

_NOTHING = object()


class Later:
    """A value that is made once, when it is asked for.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, _NOTHING

    @property
    def is_made(self) -> bool:
        """Whether somebody has asked."""
        return self._made is not _NOTHING

    def get(self) -> Any:
        """The value, always the same one."""
        if not self.is_made:
            self._made = self._make()
        return self._made


class Locals(dict[str, Any]):
    """A dict that shows what stands in it as `Later` as the value it makes; copies of it hold the values."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return value.get() if isinstance(value, Later) else value

    def __iter__(self) -> Iterator[str]:  # with one of its own, CPython copies this dict by __getitem__
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        value = super().get(name, default)
        return value.get() if isinstance(value, Later) else value

    def items(self) -> Any:
        return {name: self[name] for name in self}.items()

    def values(self) -> Any:
        return {name: self[name] for name in self}.values()

    def pop(self, name: str, *default: Any) -> Any:
        value = super().pop(name, *default)
        return value.get() if isinstance(value, Later) else value

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | dict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def update(self, *others: Any, **more: Any) -> None:
        """As of a dict; what stands in another one of this sort as `Later` is not made for it."""
        for other in others:
            if isinstance(other, Locals):
                for name in other:
                    self[name] = dict.__getitem__(other, name)
            else:
                super().update(other)
        super().update(more)


class Listeners(CallbackList):
    """The callbacks of one call of `learn`, which share one `Locals`."""

    def on_training_start(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        super().on_training_start(Locals(locals_), globals_)


class StepLocals:
    """The names that stable-baselines3 has for what is there after a step.

    Args:
        acted: what was done.
        outcome: what it brought.
        before: where the episodes were before.
        steps: of the rollout, before this one.
    """

    def __init__(self, acted: Acted, outcome: StepOutcome, before: Underway, steps: int) -> None:
        self._given = outcome.reward
        self._rewards = Later(lambda: outcome.reward.cpu().numpy().copy())
        self.names = Locals(
            obs_tensor=Later(lambda: _bare(before.observation)),
            actions=Later(lambda: acted.learned.cpu().numpy()),
            clipped_actions=Later(lambda: acted.done.cpu().numpy()),
            values=Later(lambda: acted.values[:, None]),
            log_probs=acted.log_probs,
            new_obs=Later(lambda: _arrays(outcome.observation)),
            rewards=self._rewards,
            dones=Later(lambda: outcome.is_over.cpu().numpy()),
            infos=Later(lambda: list(outcome.infos)),
            n_steps=steps,
            tensors=Later(lambda: _tensors(acted, outcome)),
        )

    def take_back(self, rollout: Rollout) -> None:
        """Adds to the step's rewards what a callback has changed of them, as stable-baselines3 learns from those.

        Args:
            rollout: its last step is this one.
        """
        if not self._rewards.is_made:
            return
        change = torch.as_tensor(self._rewards.get()).to(self._given) - self._given
        if bool(change.any()):
            rollout.rewards[rollout.length - 1] += change


def _tensors(acted: Acted, outcome: StepOutcome) -> dict[str, Any]:
    return {
        "actions": acted.learned,
        "clipped_actions": acted.done,
        "values": acted.values,
        "log_probs": acted.log_probs,
        "rewards": outcome.reward,
        "dones": outcome.is_over,
        "new_obs": _bare(outcome.observation),
    }


def _bare(observation: Observation) -> Observation | Tensor:
    alone = observation.get(ONLY)
    return observation if alone is None else alone


def _arrays(observation: Mapping[str, Tensor]) -> Any:
    arrays = {name: part.cpu().numpy() for name, part in observation.items()}
    return arrays.get(ONLY, arrays)
