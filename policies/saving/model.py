"""`SavedAsFolder`: `save` and `load` of the on-device PPO, as plain files in a folder and never as a pickle.

A folder holds config.json, policy.safetensors, and one folder in checkpoints/. config.json is written after the
checkpoint, and before anything old is removed: at every moment it names a whole one. What a model is stands in
`model_config.py`. Whatever stands in the files, nothing is imported for them; a user's own classes come from the user.
"""

import dataclasses
import functools
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.utils import get_system_info
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from ...perception.errors import CheckpointError, ConfigError, SenseweaveError
from ...perception.files import in_own_names, load_strictly, read_json, require_fit, shapes_of
from ...perception.texts import shown
from ..environment.normalization import Normalization
from ..processes import world_rank, world_size
from . import checkpoint as checkpoints
from . import learner_state, optimizer_state, random_state
from .environment_facts import EnvironmentFacts
from .json_spaces import read_space, same_to_a_policy
from .model_config import FORMAT, SETTINGS, SavedModel, policy_of, settings_of
from .sealed import held_folder, remove_folder, write_sealed, writing
from .to_save import checkpoint_of, describe, require_loadable
from .weights import FILE, chooses_one_of, read_policy, write_policy

Model = TypeVar("Model", bound="SavedAsFolder")

_OURS = re.compile(r"\.?step-\d+-[0-9a-f]{8}(\.\d+\.partial)?")
"""Names of folders in checkpoints/ that saving may remove."""

MAX_ROLLOUT = 2**24
"""Steps of all environments in a rollout that a file may ask for, where no environments are given."""


class SavedAsFolder(SB3PPO):
    """`save`, `load`, `get_parameters` and `set_parameters` of a PPO; `PPO` itself is derived from it.

    A subclass sets the attributes without a value here, and tells its state by the first five methods.

    Attributes:
        environment_facts: what was known about the environments when the model was loaded, or saved last.
        normalization: the same of their `VecNormalize`; None where there was none. `predict` takes what it gives, as in
            stable-baselines3: `model.predict(model.normalization.normalize(observation))`.
        auxiliary: losses beside the policy's, as modules.
        auxiliary_weights: name -> weight of each of them.
        workers: the threads that share the work; see `policies/ppo/workers.py`.
        mission_count: instructions that the environments number; 0 where no loss asks for it.
    """

    environment_facts: EnvironmentFacts = EnvironmentFacts()
    normalization: Normalization | None = None
    auxiliary: nn.ModuleDict
    auxiliary_weights: dict[str, float]
    workers: Any
    mission_count: int
    _wanted_workers: int | None
    _compiles: bool

    @property
    def resumes_exactly(self) -> bool:
        """Whether the environments can tell their state."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, Tensor]:
        """The state of the environments, of a rollout that has begun, and of the auxiliary losses."""
        raise NotImplementedError

    def restore_snapshot(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `snapshot` gave."""
        raise NotImplementedError

    def auxiliary_state(self) -> dict[str, Tensor]:
        """The weights of the auxiliary losses and the scale of the rewards, as `snapshot` names them."""
        raise NotImplementedError

    def restore_auxiliary(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `auxiliary_state` gave."""
        raise NotImplementedError

    def record_episodes(self) -> None:
        """Reads the statistics of episodes from the device."""
        raise NotImplementedError

    def save(self, path: Any, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None) -> None:
        """Writes the model into a folder, without pickle; whatever happens meanwhile, the folder's old model is whole.

        Saved between two rollouts, so after `learn`, training goes on bit for bit where the environments can tell their
        state, as Rooms can; saved by a callback in the middle of one, with a new rollout from that moment. The running
        means of a `VecNormalize` are saved; the log folder and callbacks are not. Neither is a setting that a file
        cannot hold, such as a function: a warning names it, and `load` asks for it.

        What was written is read back and put into a policy that is built anew before the old save goes.

        Args:
            path: the folder; a suffix ".zip", which stable-baselines3's callbacks add, is left away.
            exclude: settings to leave out, such as "learning_rate"; `load` must be given them.
            include: for stable-baselines3's signature; must be empty.

        Raises:
            ConfigError: `include` names something.
            CheckpointError: the folder cannot be written, or holds something else, or the policy is no longer what
                its settings describe, so that nothing could load it. The folder's old model is as it was.
        """
        if self.env is not None:
            self.environment_facts = EnvironmentFacts.of(self.env)
            self.normalization = Normalization.of(self.env)
        folder, left_out = folder_of(path), tuple(sorted(set(exclude or ()) & set(SETTINGS)))
        if include:
            raise ConfigError(f"`include` must be empty, as nothing more can be saved; got {', '.join(include)}.")
        _require_ours(folder)
        save_id = secrets.token_hex(8)
        name = f"step-{self.num_timesteps:06d}-{save_id[:8]}"
        described = describe(self, save_id, name, left_out)
        if world_rank() > 0:  # the first process writes for all
            return
        checkpoint = checkpoint_of(self)
        new = folder / "checkpoints" / name
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with held_folder(folder, waits=True):  # what another process saves here is whole, before or after
            checkpoints.write(new, save_id, checkpoint)
            require_loadable(self, new, save_id)
            write_sealed(folder / "config.json", described.to_json())
            write_policy(folder, save_id, checkpoint.policy, checkpoint.steps)
            for old in new.parent.iterdir():
                if old != new and _OURS.fullmatch(old.name):
                    remove_folder(old)

    @classmethod
    def load(
        cls,
        path: Any,
        env: Any = None,
        device: torch.device | str = "auto",
        custom_objects: Mapping[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = False,
        **changes: Any,
    ) -> Self:
        """Reads what `save` wrote, or the policy of a run directory of `senseweave train`.

        With the environments that it was saved with, `learn(..., reset_num_timesteps=False)` goes on exactly: they and
        the global random generators are put back. Other environments begin new episodes. A new `VecNormalize` around
        them goes on from the saved running means.

        Args:
            path: the folder, with or without ".zip".
            env: environments to learn in; without, the model can predict.
            device: of the network.
            custom_objects: for stable-baselines3's signature; must be empty.
            print_system_info: whether versions are printed.
            force_reset: begin new episodes in any case.
            **changes: settings to change, and those that `save` left out. `policy`, and classes in `policy_kwargs`,
                must be given again where they are your own, as files import nothing; other `policy_kwargs` stay.

        Raises:
            CheckpointError: nothing is there, it is damaged, of another version, or a zip of stable-baselines3.
            ConfigError: the environment has other spaces, or no `VecNormalize` though the model learned behind one; a
                setting is unknown or missing.
        """
        if custom_objects:
            raise ConfigError("`custom_objects` must be empty; give settings by their own names.")
        if print_system_info:
            get_system_info()
        folder = _existing(path)
        saved = SavedModel.read(folder)
        policy, steps, checkpoint = _weights(folder, saved)
        if saved.checkpoint is None and not chooses_one_of(policy, len(saved.environment.action_names)):
            saved = dataclasses.replace(saved, action_space=None)  # of a run, which names actions and not their space
        model = _build(cls, saved, folder, env, device, changes, policy)
        model.environment_facts = saved.environment if env is None else EnvironmentFacts.of(cast(VecEnv, model.env))
        model.normalization = saved.normalization
        if saved.normalization is not None and env is not None:
            saved.normalization.give_to(model.env)
        has_other_losses = checkpoint is not None and _shapes(_losses_of(checkpoint)) != _shapes(
            model.auxiliary.state_dict()
        )
        if saved.checkpoint is not None and checkpoint is None and env is not None:
            warnings.warn(
                f"{folder / 'checkpoints' / saved.checkpoint} is missing: the weights are whole, but the optimiser, "
                "the auxiliary losses and the environments begin anew.",
                stacklevel=2,
            )
        if has_other_losses:
            warnings.warn(
                "The auxiliary losses are not the saved ones: they and the optimiser begin anew.", stacklevel=2
            )
        if checkpoint is None or has_other_losses:
            load_strictly(model.policy, policy, folder / FILE)
            model.num_timesteps = steps
            return model
        learner_state.restore(model, checkpoint, folder)
        _go_on(model, saved, checkpoint, force_reset)
        return model

    def set_parameters(self, load_path_or_dict: Any, exact_match: bool = True, device: Any = "auto") -> None:
        """As in SB3: state dicts as `get_parameters` gives them, or a folder that `save` wrote.

        Raises:
            CheckpointError: see `load`.
        """
        is_given = isinstance(load_path_or_dict, Mapping)
        given = load_path_or_dict if is_given else _parameters(load_path_or_dict, self)
        super().set_parameters(cast(Any, given), exact_match, device)


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder for a path as stable-baselines3 names it: without ".zip".

    Raises:
        ConfigError: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"`path` must name a folder; got {type(path).__name__}.")
    folder = Path(path)
    return folder.with_suffix("") if folder.suffix == ".zip" else folder


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file, but a model is saved as a folder; choose another path.")
    if (folder / "config.json").exists() and (found := read_json(folder / "config.json").get("format")) != FORMAT:
        raise CheckpointError(f"{folder} holds a config.json of another sort ({found!r:.40}); choose another path.")


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


def _build(
    kind: type[Model],
    saved: SavedModel,
    folder: Path,
    env: Any,
    device: Any,
    changes: dict[str, Any],
    weights: Mapping[str, Tensor],
) -> Model:
    given = dict(changes)
    policy = policy_of(kind.policy_aliases, saved, given.pop("policy", None))
    settings = settings_of(saved, given)
    try:
        model = kind(policy, env, device=device, _init_setup_model=False, **settings)
    except Exception as error:  # whatever a constructor makes of settings that somebody wrote into a file
        raise _unfit(folder, error, changes) from error
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
    sizes = model.n_steps, model.n_envs
    if env is None and not (all(isinstance(size, int) for size in sizes) and 0 < sizes[0] * sizes[1] <= MAX_ROLLOUT):
        raise CheckpointError(
            f"{folder} describes a rollout of {sizes[0]!r:.40} x {sizes[1]!r:.40} steps; save it again."
        )
    try:
        spaces = model.observation_space, model.action_space
        build = functools.partial(model.policy_class, *spaces, lambda _: 0.0, **model.policy_kwargs)
        require_fit(shapes_of(build), weights, folder / FILE)  # before anything of that size is made
        model._setup_model()
    except Exception as error:
        raise _unfit(folder, error, changes) from error
    return model


def _unfit(folder: Path, error: Exception, changes: Mapping[str, Any]) -> Exception:
    """What is raised where no model can be made: our own sentence, the user's own mistake, or the file's."""
    if isinstance(error, SenseweaveError) or changes:
        return error
    told = shown(error, 120)
    return CheckpointError(f"{folder} describes no model that can be made ({told}); use the release that saved it.")


def _require_same_spaces(model: SavedAsFolder, saved: SavedModel, folder: Path) -> None:
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


def _go_on(model: SavedAsFolder, saved: SavedModel, checkpoint: checkpoints.Checkpoint, force_reset: bool) -> None:
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
            stacklevel=3,
        )
    model.restore_auxiliary(checkpoint.world)


def _losses_of(checkpoint: checkpoints.Checkpoint) -> dict[str, Tensor]:
    """The state dict of the auxiliary losses."""
    return {name.partition(".")[2]: part for name, part in checkpoint.world.items() if name.startswith("auxiliary.")}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(part.shape) for name, part in tensors.items()}


def _parameters(path: str | os.PathLike[str], model: SavedAsFolder) -> dict[str, Any]:
    """The state dicts of a saved model, as `PPO.get_parameters` gives them; the optimiser's where it was saved."""
    folder = _existing(path)
    policy, _, checkpoint = _weights(folder, SavedModel.read(folder))
    state: dict[str, Any] = {"policy": in_own_names(model.policy, policy)}
    if checkpoint is not None:
        groups = checkpoint.state.get("optimizer", [])
        state["policy.optimizer"] = optimizer_state.from_parts(model.policy.optimizer, checkpoint.optimizer, groups)
    return state
