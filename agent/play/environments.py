"""Environments to train and to play in: side by side in a vector, or one batch of tensors where the id is of ours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from ...envs import SensorOutages, make
from ...envs.registry import resolve
from ...envs.rooms.registration import VECTOR_ENTRY_POINT
from ...perception.errors import ConfigError
from .facts import EnvFacts as EnvFacts

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv


def make_vector_env(
    env_id: str,
    options: dict[str, Any],
    num_envs: int,
    device: torch.device | None = None,
    *,
    modality_dropout: float = 0.0,
) -> tuple[VecEnv, EnvFacts]:
    """Environments side by side in this process, with episode statistics.

    Args:
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        num_envs: how many.
        device: where batched environments of ours live; the CPU by default. Others are always on the CPU.
        modality_dropout: fraction of the episodes in which a sense is missing, each sense by itself.

    Raises:
        UnknownNameError: no such environment.
        MissingExtraError: its extra is not installed.
        ConfigError: an option is unknown or out of its range.
    """
    outages = {"outages": modality_dropout, "outage_steps": "episode"} if modality_dropout else {}
    batch = make_batch(env_id, options | outages, num_envs, device)
    if batch is not None:
        from ...envs.rooms.sb3_vec_env import RoomsSB3VecEnv

        return VecMonitor(RoomsSB3VecEnv(batch)), EnvFacts(batch.senses, batch.action_names, batch.step_s)

    def make_one() -> gymnasium.Env[Any, Any]:
        env = make(env_id, **options)
        return SensorOutages(env, modality_dropout, mean_steps="episode") if modality_dropout else env

    first = make_one()
    facts = EnvFacts.of(first)
    waiting = [first]
    vector = DummyVecEnv([lambda: waiting.pop() if waiting else make_one()] * num_envs)
    return VecMonitor(vector), facts


def is_batched(env_id: str) -> bool:
    """Whether the id is of the batched simulator, be the level ours or a user's own.

    Raises:
        UnknownNameError: there is no such package as "package:Id" names.
    """
    registered = gymnasium.registry.get(resolve(env_id))
    return registered is not None and registered.vector_entry_point == VECTOR_ENTRY_POINT


def make_batch(
    env_id: str, options: dict[str, Any], num_envs: int, device: torch.device | str | None = None
) -> "RoomsVectorEnv | None":
    """One simulator of many environments, where the id is of a level; None for all others, which come one by one.

    Raises:
        UnknownNameError: see `is_batched`.
        ConfigError: an option is unknown or out of its range.
    """
    if not is_batched(env_id):
        return None
    from ...envs.rooms.vector_env import RoomsVectorEnv

    if "num_envs" in options:
        raise ConfigError('"num_envs" is no option of an environment; give --num-envs.')
    made: dict[str, Any] = {"device": device or torch.device("cpu")} | gymnasium.spec(resolve(env_id)).kwargs | options
    return RoomsVectorEnv(num_envs=num_envs, **made)


def make_envs(
    env_id: str, options: dict[str, Any], episodes: int, num_envs: int | None, device: torch.device | str
) -> "list[gymnasium.Env[Any, Any]] | RoomsVectorEnv":
    """Environments of one kind for so many episodes; a batch where the id is of ours.

    Args:
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        episodes: how many are to be played.
        num_envs: how many side by side; None takes 512 in a batch, and 32 elsewhere.
        device: where a batch lives.
    """
    batch = make_batch(env_id, options, min(num_envs or 512, episodes), device)
    return [make(env_id, **options) for _ in range(min(num_envs or 32, episodes))] if batch is None else batch


def close_envs(envs: "Sequence[gymnasium.Env[Any, Any]] | RoomsVectorEnv") -> None:
    """Closes all of them."""
    for env in envs if isinstance(envs, Sequence) else [envs]:
        env.close()
