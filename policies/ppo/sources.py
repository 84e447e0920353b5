"""Where experience comes from: any environment, one step of all its copies at a time, as tensors on one device.

`Environments` is what the on-device trainer reads. `TensorEnvironments` passes the tensors of a batched simulator on as
they are; `ArrayEnvironments` carries the arrays of a stable-baselines3 `VecEnv` over, once a step. Nothing is learned
here.

b environments, k those whose episode is over
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from jaxtyping import Bool, Float, Int
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ..policy import ONLY, Observation
from .rewards import as_rewards
from .vec_env import GymnasiumVecEnv, final_observation, require_same_step
from .watchdog import Watchdog


class Infos(Sequence[dict[str, Any]]):
    """One dict for each environment, made when somebody looks."""

    def __init__(self, make: Callable[[], Sequence[dict[str, Any]]], count: int) -> None:
        self._make, self._count = make, count
        self._made: Sequence[dict[str, Any]] | None = None

    def _all(self) -> Sequence[dict[str, Any]]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        return self._all()[number]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._all())


@dataclasses.dataclass(frozen=True)
class StepOutcome:
    """What one step brought.

    Args:
        observation: of the next step; where an episode is over, the first one of the following episode.
        reward: of the action.
        is_over: whose episode is over.
        cut_rows: numbers of the environments whose episode was cut off by a time limit, so that it would have gone on.
        final: the last observations of exactly those episodes, k rows; None where there is none.
        success: 1 or 0 where the episode is over and success is defined, NaN elsewhere; None where it never is.
        returns: sum of rewards of the episodes that are over, where the environment counts them itself, else None.
        lengths: their steps, or None.
        infos: as stable-baselines3 has them, made when somebody looks.
        told: row -> what a `Monitor` or `VecMonitor` tells of the episode that is over there; none where none does.
    """

    observation: Observation
    reward: Float[Tensor, " b"]
    is_over: Bool[Tensor, " b"]
    cut_rows: Int[Tensor, " k"] | None
    final: Observation | None
    success: Float[Tensor, " b"] | None
    returns: Float[Tensor, " b"] | None
    lengths: Int[Tensor, " b"] | None
    infos: Sequence[dict[str, Any]]
    told: Mapping[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


class Environments:
    """Environments side by side, as tensors.

    Attributes:
        num_envs: how many.
        device: where the tensors are.
        keeps_state: whether `state` and `restore` work, so that training resumes in the middle of episodes.
        has_expert: whether `expert_actions` works.
        missions: which of its instructions holds in each environment now, (b,); None where they are not numbered.
        mission_count: how many instructions there are; 0 where they are not numbered.
    """

    missions: Int[Tensor, " b"] | None = None
    mission_count: int = 0
    num_envs: int
    device: torch.device
    keeps_state: bool = False
    has_expert: bool = False

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode everywhere; with a seed, the same ones every time."""
        raise NotImplementedError

    def step(self, actions: Tensor) -> StepOutcome:
        """Does one action in every environment."""
        raise NotImplementedError

    def tensors(self, observation: Any) -> Observation:
        """An observation of the environments as a dict of tensors on the device."""
        parts = observation if isinstance(observation, Mapping) else {ONLY: observation}
        return {name: torch.as_tensor(part, device=self.device) for name, part in parts.items()}

    def state(self) -> dict[str, Tensor]:
        """All that decides the future, b rows each."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Tensor]) -> Observation:
        """Goes on from `state`, and gives the present observation."""
        raise NotImplementedError

    def expert_actions(self, expert: str = "knowing") -> Tensor:
        """The best actions now, (b,).

        Args:
            expert: whose, where the environments have several.
        """
        raise NotImplementedError


class TensorEnvironments(Environments):
    """A Gymnasium vector environment whose observations are torch tensors (`metadata["torch"]`), such as Rooms.

    Its `infos` may hold `final_obs` (k rows) with `final_rows` (k,), `is_success` with `_is_success`, and `episode`.

    Args:
        env: resets in the same step.
        device: the learner's; the environment should be there already.

    Raises:
        ConfigError: it does not reset in the same step.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], device: torch.device) -> None:
        require_same_step(env)
        self.env, self.device, self.num_envs = env, device, env.num_envs
        self.keeps_state = hasattr(env, "get_state") and hasattr(env, "set_state") and hasattr(env, "observe")
        self.has_expert = hasattr(env, "expert_actions")
        self.mission_count = len(getattr(env, "instructions", ()))

    def reset(self, seed: int | None = None) -> Observation:
        observation, infos = self.env.reset(seed=seed)
        self._note(infos)
        return self.tensors(observation)

    def _note(self, infos: Mapping[str, Any]) -> None:
        self.missions = infos["mission"].to(self.device) if self.mission_count and "mission" in infos else None

    def step(self, actions: Tensor) -> StepOutcome:
        observation, reward, terminated, truncated, infos = self.env.step(actions)
        self._note(infos)
        is_over = (terminated | truncated).to(self.device)
        cut_rows, final = None, None
        if "final_rows" in infos:
            rows = infos["final_rows"]
            is_cut = (truncated & ~terminated).index_select(0, rows)
            cut_rows = rows.to(self.device)
            final = self.tensors(infos["final_obs"])
            cut_rows, final = _only(cut_rows, final, is_cut.to(self.device))
        success = None
        if "is_success" in infos:
            solved = infos["is_success"].to(self.device, torch.float32)
            success = torch.where(infos["_is_success"].to(self.device), solved, torch.nan)
        episode = infos.get("episode", {})
        return StepOutcome(
            self.tensors(observation),
            reward.to(self.device, torch.float32),
            is_over,
            cut_rows,
            final,
            success,
            episode["r"].to(self.device) if "r" in episode else None,
            episode["l"].to(self.device) if "l" in episode else None,
            Infos(lambda: _as_dicts(infos, terminated | truncated, truncated & ~terminated), self.num_envs),
        )

    def state(self) -> dict[str, Tensor]:
        return getattr(self.env, "get_state")()  # noqa: B009  (not part of Gymnasium's interface)

    def restore(self, state: Mapping[str, Tensor]) -> Observation:
        getattr(self.env, "set_state")(state)  # noqa: B009
        return self.tensors(getattr(self.env, "observe")())  # noqa: B009

    def expert_actions(self, expert: str = "knowing") -> Tensor:
        which = [expert] if expert in getattr(self.env, "experts", ()) else []
        return getattr(self.env, "expert_actions")(*which).to(self.device)  # noqa: B009


class ArrayEnvironments(Environments):
    """A stable-baselines3 `VecEnv`; everything crosses from numpy once a step.

    Args:
        env: the environments, wrapped as the policy expects them.
        device: the learner's.
    """

    def __init__(self, env: VecEnv, device: torch.device) -> None:
        self.env, self.device, self.num_envs = env, device, env.num_envs
        watchdog = Watchdog.of(env)
        self._waiting = contextlib.nullcontext if watchdog is None else watchdog.waiting

    def reset(self, seed: int | None = None) -> Observation:
        with self._waiting():
            if seed is not None:
                self.env.seed(seed)
            return self.tensors(self.env.reset())

    def step(self, actions: Tensor) -> StepOutcome:
        with self._waiting():
            observation, reward, dones, infos = self.env.step(actions.cpu().numpy())
        over = np.flatnonzero(dones)
        cut = [i for i in over if infos[i].get("TimeLimit.truncated") and "terminal_observation" in infos[i]]
        final = None
        if cut:
            seen = [infos[i]["terminal_observation"] for i in cut]
            is_dict = isinstance(seen[0], Mapping)
            final = self.tensors(
                {name: np.stack([part[name] for part in seen]) for name in seen[0]} if is_dict else np.stack(seen)
            )
        success = returns = lengths = None
        if any(infos[i].get("is_success") is not None for i in over):
            results = [infos[i].get("is_success") for i in over]
            success = self._rows(np.nan, over, [np.nan if solved is None else solved for solved in results])
        if len(over) and all("episode" in infos[i] for i in over):
            returns = self._rows(0.0, over, [infos[i]["episode"]["r"] for i in over])
            lengths = self._rows(0.0, over, [infos[i]["episode"]["l"] for i in over]).long()
        return StepOutcome(
            self.tensors(observation),
            as_rewards(reward, self.num_envs, self.device),
            torch.as_tensor(np.asarray(dones, bool), device=self.device),
            torch.tensor(cut, device=self.device) if cut else None,
            final,
            success,
            returns,
            lengths,
            infos,
            {int(i): infos[i]["episode"] for i in over if "episode" in infos[i]},
        )

    def _rows(self, empty: float, rows: np.ndarray, values: list[Any]) -> Float[Tensor, " b"]:
        whole = np.full(self.num_envs, empty, np.float32)
        whole[rows] = values
        return torch.as_tensor(whole, device=self.device)


def environments_of(env: VecEnv | VectorEnv[Any, Any, Any], device: torch.device) -> Environments:
    """An environment as `Environments`: without copies where it gives tensors, through arrays elsewhere.

    Raises:
        ConfigError: a vector environment does not reset in the same step.
    """
    if isinstance(env, GymnasiumVecEnv) and env.env.metadata.get("torch"):
        env = env.env
    if isinstance(env, VecEnv):
        return ArrayEnvironments(env, device)
    if env.metadata.get("torch"):
        return TensorEnvironments(env, device)
    return ArrayEnvironments(GymnasiumVecEnv(env), device)


def _only(rows: Tensor, final: Observation, is_cut: Tensor) -> tuple[Tensor | None, Observation | None]:
    """Of the rows that are over, those that a time limit cut off; on CUDA all of them, so that nothing waits.

    A row that was not cut off is named as -1 there.
    """
    if rows.is_cuda:
        return torch.where(is_cut, rows, -1), final
    kept = is_cut.nonzero()[:, 0]
    if not len(kept):
        return None, None
    return rows[kept], {name: part[kept] for name, part in final.items()}


def _as_dicts(
    infos: Mapping[str, Any], is_over: Bool[Tensor, " b"], was_cut: Bool[Tensor, " b"]
) -> list[dict[str, Any]]:
    """The tensors of a vector environment's infos as one dict for each environment, as SB3's callbacks read them."""
    texts = infos.get("instruction_text", infos.get("instruction"))
    dicts: list[dict[str, Any]] = [
        {} if texts is None else {"instruction_text": texts[row]} for row in range(len(is_over))
    ]
    for row in is_over.nonzero()[:, 0].tolist():
        info = dicts[row]
        info["TimeLimit.truncated"] = bool(was_cut[row])
        if "final_obs" in infos:
            info["terminal_observation"] = final_observation(infos, row)
        if "episode" in infos:
            info["episode"] = {key: value[row].item() for key, value in infos["episode"].items()}
        if "is_success" in infos and bool(infos["_is_success"][row]):
            info["is_success"] = bool(infos["is_success"][row])
    return dicts
