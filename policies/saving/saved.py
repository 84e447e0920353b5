"""`SavedAsFolder`: what makes the on-device PPO save itself as plain files in a folder, and never as a pickle.

The methods that users of stable-baselines3 know. The work is done in `saving.py` and `loading.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self, cast

import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.utils import get_system_info

from ...perception.errors import ConfigError
from . import loading
from . import model as saving
from .environment_facts import EnvironmentFacts


class SavedAsFolder(SB3PPO):
    """`save`, `load`, `get_parameters` and `set_parameters` of a PPO; `PPO` itself is derived from it.

    Attributes:
        environment_facts: what was known about the environments when the model was loaded, or saved last.
    """

    environment_facts: EnvironmentFacts = EnvironmentFacts()

    def save(self, path: Any, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None) -> None:
        """Writes the model into a folder, without pickle; whatever happens meanwhile, the folder's old model is whole.

        Saved between two rollouts, so after `learn`, training goes on bit for bit where the environments can tell their
        state, as Rooms can; saved by a callback in the middle of one, with a new rollout from that moment. The log
        folder, callbacks and a `VecNormalize` are not saved.

        Args:
            path: the folder; a suffix ".zip", which stable-baselines3's callbacks add, is left away.
            exclude: settings to leave out, such as "learning_rate"; `load` must be given them.
            include: for stable-baselines3's signature; must be empty.

        Raises:
            ConfigError: a setting is a function or an object that a file cannot hold.
            CheckpointError: the folder cannot be written, or holds something else.
        """
        if self.env is not None:
            self.environment_facts = EnvironmentFacts.of(self.env)
        saving.save(cast(Any, self), path, exclude, include)

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
        the global random generators are put back. Other environments begin new episodes.

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
            ConfigError: the environment has other spaces, or a setting is unknown or missing.
        """
        if custom_objects:
            raise ConfigError("`custom_objects` must be empty; give settings by their own names.")
        if print_system_info:
            get_system_info()
        return cast(Self, loading.load(cast(Any, cls), path, env, device, force_reset, changes))

    def set_parameters(self, load_path_or_dict: Any, exact_match: bool = True, device: Any = "auto") -> None:
        """As in SB3: state dicts as `get_parameters` gives them, or a folder that `save` wrote.

        Raises:
            CheckpointError: see `load`.
        """
        is_given = isinstance(load_path_or_dict, Mapping)
        given = load_path_or_dict if is_given else loading.parameters(load_path_or_dict, cast(Any, self))
        super().set_parameters(cast(Any, given), exact_match, device)
