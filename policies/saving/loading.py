"""How `PPO.load` reads what `saving.py` wrote, or the policy of a run directory.

Whatever stands in the files, nothing is imported for them; a user's own classes come from the user.
"""

import dataclasses
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ...perception.errors import CheckpointError, ConfigError, did_you_mean
from ...perception.files import load_strictly
from ..ppo.workers import world_size
from . import checkpoint as checkpoints
from . import learner_state, optimizer_state, random_state
from .environment_facts import EnvironmentFacts
from .json_spaces import read_space, same_to_a_policy
from .json_values import decode, decode_schedule, own_class_name
from .model import folder_of
from .model_config import SCHEDULES, SETTINGS, SavedModel
from .weights import FILE, chooses_one_of, read_policy

if TYPE_CHECKING:
    from ..ppo.ppo import PPO


def load(
    kind: "type[PPO]",
    path: str | os.PathLike[str],
    env: Any,
    device: Any,
    force_reset: bool,
    changes: dict[str, Any],
) -> "PPO":
    """See `PPO.load`."""
    folder = _existing(path)
    saved = SavedModel.read(folder)
    policy, steps, checkpoint = _weights(folder, saved)
    if saved.checkpoint is None and not chooses_one_of(policy, len(saved.environment.action_names)):
        saved = dataclasses.replace(saved, action_space=None)  # of a run, which names actions and not their space
    model = _build(kind, saved, folder, env, device, changes)
    model.environment_facts = saved.environment if env is None else EnvironmentFacts.of(cast(VecEnv, model.env))
    has_other_losses = checkpoint is not None and _shapes(_losses_of(checkpoint)) != _shapes(
        model.auxiliary.state_dict()
    )
    if has_other_losses:
        warnings.warn("The auxiliary losses are not the saved ones: they and the optimiser begin anew.", stacklevel=3)
    if checkpoint is None or has_other_losses:
        load_strictly(model.policy, policy, folder / FILE)
        model.num_timesteps = steps
        return model
    learner_state.restore(model, checkpoint, folder)
    _go_on(model, saved, checkpoint, force_reset)
    return model


def _existing(path: str | os.PathLike[str]) -> Path:
    folder = folder_of(path)
    if folder.is_dir():
        return folder
    if any(found.is_file() for found in (folder, folder.with_name(f"{folder.name}.zip"))):
        raise CheckpointError(
            f"{path} is a file, perhaps of stable-baselines3: loading it is refused, as it would run code from the "
            "file; give a folder that PPO.save of senseweave wrote."
        )
    raise CheckpointError(f'There is no folder "{folder}"; give one that PPO.save or `senseweave train` wrote.')


def _weights(folder: Path, saved: SavedModel) -> tuple[dict[str, Tensor], int, checkpoints.Checkpoint | None]:
    """The weights of this save, their steps, and its checkpoint where there is one."""
    if saved.checkpoint is None or not (folder / "checkpoints" / saved.checkpoint).is_dir():
        return *read_policy(folder, saved.save), None
    checkpoint = checkpoints.load(folder / "checkpoints" / saved.checkpoint, saved.save)
    return checkpoint.policy, checkpoint.steps, checkpoint


def _build(kind: "type[PPO]", saved: SavedModel, folder: Path, env: Any, device: Any, changes: dict[str, Any]) -> "PPO":
    given = dict(changes)
    policy = _policy_of(kind, saved, given.pop("policy", None))
    settings = _settings(saved, given)
    model = kind(policy, env, device=device, _init_setup_model=False, **settings)
    if env is None:
        if saved.action_space is None:
            raise ConfigError(f"{folder} does not tell its actions; give `env`.")
        model.observation_space, model.action_space = (
            read_space(saved.observation_space),
            read_space(saved.action_space),
        )
        model.n_envs = saved.num_envs
    else:
        _require_same_spaces(model, saved, folder)
    model.mission_count = saved.mission_count
    model._setup_model()
    return model


def _policy_of(kind: "type[PPO]", saved: SavedModel, given: Any) -> Any:
    name = own_class_name(saved.policy)
    if given is not None:
        if name is not None and getattr(given, "__name__", None) != name:
            raise ConfigError(f"`policy` must be the class {name}, which was saved; got {given!r:.60}.")
        return given
    if name is not None:
        raise ConfigError(f"The policy is of your own class {name}, and files import nothing; give policy={name}.")
    if saved.policy not in kind.policy_aliases:
        raise CheckpointError(f"The saved policy {saved.policy!r:.60} is not known; use the release that saved it.")
    return saved.policy


def _settings(saved: SavedModel, changes: dict[str, Any]) -> dict[str, Any]:
    known = (*SETTINGS, "tensorboard_log")
    for name in changes:
        if name not in known:
            raise ConfigError(f'"{name}" is no setting that `load` can change; {did_you_mean(name, known)}')
    for name in saved.left_out:
        if name not in changes:
            raise ConfigError(f"`{name}` was left out when the model was saved; give {name}=... to `load`.")
    stored = {name: value for name, value in saved.settings.items() if name not in changes or name == "policy_kwargs"}
    if not stored.keys() <= set(SETTINGS):
        raise CheckpointError(f"The model has the unknown setting {sorted(stored.keys() - set(SETTINGS))[0]!r:.40}.")
    kwargs = _policy_kwargs(stored.pop("policy_kwargs", {}), changes.get("policy_kwargs") or {})
    read = {name: (decode_schedule if name in SCHEDULES else decode)(value, name) for name, value in stored.items()}
    return read | changes | {"policy_kwargs": kwargs}


def _policy_kwargs(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        own = own_class_name(stored.get(name))
        if own is not None and getattr(value, "__name__", None) != own:
            raise ConfigError(f"`policy_kwargs.{name}` must be the class {own}, which was saved; got {value!r:.60}.")
    kept = {name: decode(value, f"policy_kwargs.{name}") for name, value in stored.items() if name not in given}
    return kept | dict(given)


def _require_same_spaces(model: "PPO", saved: SavedModel, folder: Path) -> None:
    for name in ("observation_space", "action_space"):
        stored = getattr(saved, name)
        if stored is None:
            continue
        space, own = read_space(stored), getattr(model, name)
        if not same_to_a_policy(space, own):
            raise ConfigError(
                f"The environment's {name} must be the one of {folder}, {space!s:.200}; got {own!s:.200}. "
                "Choose another environment."
            )


def _go_on(model: "PPO", saved: SavedModel, checkpoint: checkpoints.Checkpoint, force_reset: bool) -> None:
    """Puts environments and generators back where that is possible and wanted; auxiliary losses always."""
    is_same = model.env is not None and model.n_envs == saved.num_envs and model.environment_facts == saved.environment
    if checkpoint.state.get("goes_on") and not force_reset and is_same and model.resumes_exactly and world_size() == 1:
        model.restore_snapshot(checkpoint.world)
        if model.env is not None:
            model.env._reset_seeds()
        random_state.restore(checkpoint.state["random"], checkpoint.random)
        return
    if checkpoint.state.get("goes_on") and not force_reset and model.env is not None:
        warnings.warn(
            "The environments are not those that the model was saved with (another id, options or number), so they "
            "begin new episodes.",
            stacklevel=4,
        )
    model.auxiliary.load_state_dict(_losses_of(checkpoint))


def _losses_of(checkpoint: checkpoints.Checkpoint) -> dict[str, Tensor]:
    """The state dict of the auxiliary losses."""
    return {name.partition(".")[2]: part for name, part in checkpoint.world.items() if name.startswith("auxiliary.")}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(part.shape) for name, part in tensors.items()}


def parameters(path: str | os.PathLike[str], model: "PPO") -> dict[str, Any]:
    """The state dicts of a saved model, as `PPO.get_parameters` gives them; the optimiser's where it was saved."""
    folder = _existing(path)
    policy, _, checkpoint = _weights(folder, SavedModel.read(folder))
    state: dict[str, Any] = {"policy": policy}
    if checkpoint is not None:
        groups = checkpoint.state.get("optimizer", [])
        state["policy.optimizer"] = optimizer_state.from_parts(model.policy.optimizer, checkpoint.optimizer, groups)
    return state
