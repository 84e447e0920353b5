"""`Demonstrations`: a dataset as a training learns from it: what is imitated, and what is held out for its curve."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ...envs import make
from ...envs.datasets import Episodes, open_dataset
from ...envs.datasets.vector_env import DatasetVectorEnv
from ...perception.errors import CheckpointError, ConfigError
from ...policies.trainers.settings import DATASET, IMITATION
from ..play.environments import EnvFacts
from ..play.fitting import lacking
from ..settings.train import UNNAMED, TrainConfig
from ..terminal.progress import tell

_HELD_OUT = 3
"""Keeps the random numbers of the split apart from those that the same seed draws elsewhere."""


@dataclasses.dataclass(frozen=True)
class Demonstrations:
    """What is shown to a policy.

    Attributes:
        episodes: what is imitated.
        held_out: what is not; None where all of it is imitated.
        described: which dataset it is, as plain JSON: what a run that resumes must find again.
    """

    episodes: Episodes
    held_out: Episodes | None
    described: dict[str, Any]

    @classmethod
    def of(cls, config: TrainConfig) -> Self | None:
        """The dataset of a training; None where it has none.

        Raises:
            SenseweaveError: there is none, it is damaged, or it does not fit the environment that is named.
        """
        if config.dataset is None:
            return None
        whole = open_dataset(config.dataset, allow_damaged=config.allow_damaged)
        for sentence in whole.source.damage:
            tell(sentence)
        if "mission" in config.auxiliary:
            raise ConfigError('The auxiliary loss "mission" needs a simulator, which a dataset is not; leave it out.')
        learned, held_out = whole, None
        if config.held_out:
            learned, held_out = whole.split(config.held_out, np.random.default_rng([config.seed, _HELD_OUT]))
        demonstrations = cls(learned, held_out, _described(whole))
        if config.env != UNNAMED:
            demonstrations._require_fit(config)
        tell(
            f"Imitating {len(learned):,} episodes with {learned.steps:,} steps of {config.dataset}; "
            f"{len(held_out or ()):,} are held out."
        )
        return demonstrations

    @property
    def facts(self) -> EnvFacts:
        """What a run needs to know, as an environment tells it."""
        return EnvFacts(self.episodes.spec, self.episodes.action_names, self.episodes.step_s)

    def vector(self, config: TrainConfig, device: torch.device, count: int) -> DatasetVectorEnv:
        """The episodes that are imitated, played side by side."""
        return DatasetVectorEnv(
            self.episodes, count, modality_dropout=config.modality_dropout, device=device, seed=config.seed
        )

    def settle(self, settings: dict[str, Any]) -> dict[str, Any]:
        """A new training's settings for this dataset: without rewards, there are no values to learn."""
        known = np.isfinite(self.episodes[0].rewards).all()
        return settings if known else settings | {IMITATION: settings[IMITATION] | {"value_weight": 0.0}}

    def require_same(self, algorithm: Mapping[str, Any], run: Path) -> None:
        """Checks that it is the dataset that a run began with.

        Raises:
            CheckpointError: it is another one.
        """
        if algorithm.get(DATASET) != self.described:
            raise CheckpointError(
                f"{self.episodes.source.where} is not the dataset that {run} began with; name that one with --dataset."
            )

    def _require_fit(self, config: TrainConfig) -> None:
        """Checks that a policy of this dataset can act in the environment."""
        env = make(config.env, **config.env_options)
        try:
            facts, own, where = EnvFacts.of(env), self.episodes.facts, self.episodes.source.where
            gone = lacking(facts.senses, own.spec, config.env, where)
            if config.plan.learning and facts.senses != own.spec:
                raise ConfigError(
                    f"{config.env} senses {', '.join(facts.senses)}, and {where} {', '.join(own.spec)}; choose other "
                    "--env-option values, so that learning can go on there."
                )
            if env.action_space != own.action_space or tuple(facts.action_names) != own.action_names:
                names = ", ".join(facts.action_names)
                raise ConfigError(
                    f"{config.env} takes {env.action_space!s:.80} ({names:.120}), and {where} holds "
                    f"{own.action_space!s:.80} ({', '.join(own.action_names):.120}); choose another --env."
                )
        finally:
            env.close()
        for name in gone:
            tell(f"{name}: the dataset has it, but {config.env} lacks it; it is absent there.")


def _described(episodes: Episodes) -> dict[str, Any]:
    """Names a dataset by its facts and the lengths of its episodes, whatever its format and its folder."""
    facts = json.dumps(episodes.facts.to_json(), sort_keys=True)
    digest = hashlib.sha256(facts.encode() + episodes.lengths.astype("<i8").tobytes()).hexdigest()
    return {"episodes": len(episodes), "steps": episodes.steps, "sha256": digest}
