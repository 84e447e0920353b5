"""`RemoteRun`: a policy that a server has, where the loop asks for a run. No torch here, so that a robot needs none.

The connection itself is envs/live/remote/link.py.
"""

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from ...envs.live.remote.link import Link
from ...envs.live.remote.token import read_token
from ...perception.errors import ConfigError
from ..runs.exported import PolicyFacts
from ..runs.present import UNNAMED
from ..settings.live import LiveConfig
from ..settings.train import TrainConfig
from ..terminal.progress import tell

if TYPE_CHECKING:
    from ..runs.exported import PolicyFolder

    Acting: TypeAlias = "PolicyFolder | RemoteRun"


@dataclasses.dataclass(frozen=True)
class RemoteRun:
    """A policy on another machine, and the open connection to it.

    Args:
        path: its address.
        config: what its server told.
        link: the connection.
    """

    path: str
    config: PolicyFacts
    link: Link

    @property
    def chooses_one_action(self) -> bool:
        """Always: others are refused by `call`."""
        return bool(self.config.action_names)

    @classmethod
    def call(cls, config: LiveConfig) -> "RemoteRun":
        """Calls the server of `--remote`.

        Raises:
            RemoteError: nobody answers there, or a token is wanted.
            ConfigError: the token cannot be read, or the policy's actions are no names.
        """
        token = "" if config.token is None else read_token(config.token, tell)
        link = Link(str(config.remote), token=token)
        hello = link.connect()
        if not hello.action_names:
            link.close()
            raise ConfigError(
                f"The policy at {link.url} does not choose one of its named actions, but numbers; drive it with "
                "RemotePolicy(link, LiveRig(action_space=...))."
            )
        told = PolicyFacts(
            TrainConfig(env=UNNAMED),
            hello.senses,
            hello.step_s,
            hello.action_names,
            {name: hello.max_age_s.get(name, 3 * hello.step_s) for name in hello.senses},
            hello.run,
        )
        return cls(link.url, told, link)
