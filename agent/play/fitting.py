"""An environment's observations as a policy reads them: senses that it lacks are absent, others are left out."""

from collections.abc import Mapping

import numpy as np

from ...perception.errors import ConfigError
from ...perception.spec import PRESENT, Spec


def fitted(observation: Mapping[str, np.ndarray], wanted: Spec | None) -> dict[str, np.ndarray]:
    """A batch of observations with exactly the senses of a policy.

    Args:
        observation: b rows, with `present`, whose entries are in the order of its sorted senses.
        wanted: the policy's senses; None leaves everything as it is.
    """
    names = sorted(name for name in observation if name != PRESENT)
    if wanted is None or names == list(wanted.names):
        return dict(observation)
    said = np.asarray(observation[PRESENT])
    rows, nowhere = len(said), np.zeros(len(said), said.dtype)
    readings = {
        name: observation[name] if name in names else np.stack([kind.placeholder()] * rows)
        for name, kind in wanted.items()
    }
    mask = [said[:, names.index(name)] if name in names else nowhere for name in wanted]
    return readings | {PRESENT: np.stack(mask, axis=1)}


def lacking(own: Spec, wanted: Spec, where: str, trained: str) -> list[str]:
    """The senses of a policy that an environment lacks.

    Args:
        own: the environment's senses.
        wanted: the policy's.
        where: the environment, for the error's sentence.
        trained: what was trained with them.

    Raises:
        ConfigError: a sense is of another kind or size there, or it has none of them.
    """
    for name, kind in wanted.items():
        if name in own and own[name] != kind:
            raise ConfigError(
                f'"{name}" is {own[name]} in {where}, but {trained} was trained with {kind}; choose another --env or '
                "other --env-option values."
            )
    gone = [name for name in wanted if name not in own]
    if len(gone) == len(wanted):
        raise ConfigError(
            f"{where} has none of the senses that {trained} was trained with, {', '.join(wanted)}; got "
            f"{', '.join(own)}. Choose another --env."
        )
    return gone
