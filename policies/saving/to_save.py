"""What is saved of a model: its description, its checkpoint, and the proof that both can be loaded.

`model.py` decides when and where, and writes it.
"""

import warnings
from pathlib import Path
from typing import Any, cast

from ...perception.errors import CheckpointError, ConfigError, SenseweaveError
from ...perception.files import load_strictly, weights_of
from ..extractor import PerceptionExtractor
from ..processes import world_size
from . import checkpoint as checkpoints
from . import learner_state, random_state
from .json_spaces import describe_space
from .json_values import encode, encode_schedule
from .model_config import NUMBERS, SCHEDULES, SavedModel, tokenizer_of
from .sealed import remove_folder


def describe(model: Any, save_id: str, checkpoint: str, left_out: tuple[str, ...]) -> SavedModel:
    """What config.json will hold.

    Args:
        model: to be saved.
        save_id: of this save.
        checkpoint: name of its folder.
        left_out: settings that stay out; those that no file can hold do so too, with a warning.
    """
    settings: dict[str, Any] = {name: getattr(model, name) for name in (*SCHEDULES, *NUMBERS)}
    settings |= {
        "stats_window_size": model._stats_window_size,
        "auxiliary": model.auxiliary_weights,
        "workers": model.workers.count if model.device.type == "cpu" else model._wanted_workers,
        "compile": model._compiles,
        "policy_kwargs": _resolved(model),
    }
    plain, own = {}, []
    for name, value in settings.items():
        if name in left_out:
            continue
        try:
            if name in SCHEDULES:
                plain[name] = encode_schedule(value, name)
            else:
                plain[name] = encode(value, name, names_functions=name == "policy_kwargs")
        except ConfigError as error:
            own.append(name)
            warnings.warn(f"{error}: it is left out, and `load` must be given {name}=... again.", stacklevel=4)
    names = {known: name for name, known in model.policy_aliases.items()}
    kind = model.policy_class
    return SavedModel(
        save=save_id,
        steps=model.num_timesteps,
        checkpoint=checkpoint,
        policy=names.get(kind) or encode(kind, "policy"),
        settings=plain,
        left_out=tuple(sorted({*left_out, *own})),
        observation_space=describe_space(model.observation_space),
        action_space=describe_space(model.action_space),
        num_envs=model.n_envs,
        mission_count=model.mission_count,
        environment=model.environment_facts,
        normalization=model.normalization,
        tokenizer=tokenizer_of(cast(Any, model.policy).senses),
    )


def _resolved(model: Any) -> dict[str, Any]:
    """The policy's keyword arguments, with the senses and the perception as they were found to be."""
    given, extractor = dict(model.policy_kwargs), model.policy.features_extractor
    extractor = getattr(extractor, "_orig_mod", extractor)  # of torch.compile(extractor)
    if isinstance(extractor, PerceptionExtractor):
        kwargs = dict(given.get("features_extractor_kwargs") or {})
        kwargs |= {"spec": extractor.perception.spec, "config": extractor.perception.config}
        given["features_extractor_kwargs"] = kwargs
    return given


def checkpoint_of(model: Any) -> checkpoints.Checkpoint:
    """Weights, optimiser, generators and, where they can be told, environments."""
    is_underway = model.env is not None and model._last_obs is not None
    if is_underway:
        model.record_episodes()
    goes_on = is_underway and world_size() == 1 and model.resumes_exactly
    world = model.snapshot() if goes_on else model.auxiliary_state()
    optimizer, state = learner_state.describe(model)
    plain, tensors = random_state.capture()
    state |= {"random": plain, "goes_on": goes_on}
    return checkpoints.Checkpoint(model.num_timesteps, weights_of(model.policy), optimizer, tensors, state, world)


def require_loadable(model: Any, new: Path, save_id: str) -> None:
    """Reads a checkpoint back into a policy that is built from the model's settings, as `load` will.

    Raises:
        CheckpointError: it does not fit, or is damaged already; it is removed then.
    """
    kind, before = model.policy_class, random_state.capture()
    try:
        fresh = kind(model.observation_space, model.action_space, lambda _: 0.0, **_resolved(model))
        load_strictly(fresh, checkpoints.load(new, save_id).policy, "What was to be saved")
    except CheckpointError as error:
        remove_folder(new)
        raise CheckpointError(
            f"{error} {kind.__name__} as its settings describe it would not load these weights, so nothing was saved; "
            "change the policy by `policy_kwargs` or by a class of your own, and not after it was built."
        ) from error
    except Exception as error:  # a class of the user's own, which `load` may be given in another form
        if isinstance(error, SenseweaveError):
            raise
    finally:
        random_state.restore(*before)  # building draws weights
