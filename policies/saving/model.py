"""How `PPO.save` writes a model: config.json, policy.safetensors, and one folder in checkpoints/.

config.json is written after the checkpoint, and before anything old is removed: at every moment it names a whole one.
What the model is stands in `saved_config.py`; `loading.py` reads it back.
"""

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...perception.errors import CheckpointError, ConfigError
from ...perception.files import read_json
from ..extractor import PerceptionExtractor
from ..ppo.workers import world_rank, world_size
from . import checkpoint as checkpoints
from . import learner_state, random_state
from .json_spaces import describe_space
from .json_values import encode, encode_schedule
from .model_config import FORMAT, NUMBERS, SCHEDULES, SETTINGS, SavedModel, tokenizer_of
from .sealed import remove_folder, write_sealed
from .weights import write_policy

if TYPE_CHECKING:
    from ..ppo.ppo import PPO

_OURS = re.compile(r"\.?step-\d+-[0-9a-f]{8}(\.\d+\.partial)?")
"""Names of folders in checkpoints/ that saving may remove."""


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder for a path as stable-baselines3 names it: without ".zip".

    Raises:
        ConfigError: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"`path` must name a folder; got {type(path).__name__}.")
    folder = Path(path)
    return folder.with_suffix("") if folder.suffix == ".zip" else folder


def save(
    model: "PPO", path: str | os.PathLike[str], exclude: Iterable[str] | None, include: Iterable[str] | None
) -> None:
    """See `PPO.save`."""
    folder, left_out = folder_of(path), tuple(sorted(set(exclude or ()) & set(SETTINGS)))
    if include:
        raise ConfigError(f"`include` must be empty, as nothing more can be saved; got {', '.join(include)}.")
    _require_ours(folder)
    save_id = secrets.token_hex(8)
    name = f"step-{model.num_timesteps:06d}-{save_id[:8]}"
    described = _describe(model, save_id, name, left_out)
    if world_rank() > 0:  # the first process writes for all
        return
    checkpoint = _checkpoint_of(model)
    new = folder / "checkpoints" / name
    checkpoints.write(new, save_id, checkpoint)
    write_sealed(folder / "config.json", described.to_json())
    write_policy(folder, save_id, checkpoint.policy, checkpoint.steps)
    for old in new.parent.iterdir():
        if old != new and _OURS.fullmatch(old.name):
            remove_folder(old)


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file, but a model is saved as a folder; choose another path.")
    if (folder / "config.json").exists() and (found := read_json(folder / "config.json").get("format")) != FORMAT:
        raise CheckpointError(f"{folder} holds a config.json of another sort ({found!r:.40}); choose another path.")


def _describe(model: "PPO", save_id: str, checkpoint: str, left_out: tuple[str, ...]) -> SavedModel:
    settings: dict[str, Any] = {name: getattr(model, name) for name in (*SCHEDULES, *NUMBERS)}
    settings |= {
        "stats_window_size": model._stats_window_size,
        "auxiliary": model.auxiliary_weights,
        "workers": model.workers.count if model.device.type == "cpu" else model._wanted_workers,
        "compile": model._compiles,
        "policy_kwargs": _resolved(model),
    }
    plain = {
        name: (encode_schedule if name in SCHEDULES else encode)(value, name)
        for name, value in settings.items()
        if name not in left_out
    }
    names = {known: name for name, known in model.policy_aliases.items()}
    kind = model.policy_class
    return SavedModel(
        save=save_id,
        steps=model.num_timesteps,
        checkpoint=checkpoint,
        policy=names.get(kind) or encode(kind, "policy"),
        settings=plain,
        left_out=left_out,
        observation_space=describe_space(model.observation_space),
        action_space=describe_space(model.action_space),
        num_envs=model.n_envs,
        mission_count=model.mission_count,
        environment=model.environment_facts,
        tokenizer=tokenizer_of(model.policy.senses),
    )


def _resolved(model: "PPO") -> dict[str, Any]:
    """The policy's keyword arguments, with the senses and the perception as they were found to be."""
    given, extractor = dict(model.policy_kwargs), model.policy.features_extractor
    if isinstance(extractor, PerceptionExtractor):
        kwargs = dict(given.get("features_extractor_kwargs") or {})
        kwargs |= {"spec": extractor.perception.spec, "config": extractor.perception.config}
        given["features_extractor_kwargs"] = kwargs
    return given


def _checkpoint_of(model: "PPO") -> checkpoints.Checkpoint:
    is_underway = model.env is not None and model._last_obs is not None
    if is_underway:
        model.tell_episodes()
    goes_on = is_underway and world_size() == 1 and model.resumes_exactly
    world = model.snapshot() if goes_on else model.auxiliary_state()
    optimizer, state = learner_state.describe(model)
    plain, tensors = random_state.capture()
    state |= {"random": plain, "goes_on": goes_on}
    return checkpoints.Checkpoint(model.num_timesteps, model.policy.state_dict(), optimizer, tensors, state, world)
