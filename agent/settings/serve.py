"""What a person asks of `senseweave serve`. Nothing heavy is imported here."""

import dataclasses
import ipaddress
from typing import Annotated

from ...perception.errors import ConfigError
from .base import Section, Settings
from .values import Device, Number, OneOf, Text, Whole, Word

PORT = 8765


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclasses.dataclass(frozen=True)
class ServeConfig(Settings):
    """One policy, served.

    Args:
        run: run directory of the agent that acts, or a folder that `senseweave export` wrote.
        greedy: whether the policy takes the most probable action instead of a sampled one.
        seed: seed of sampled actions.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        host: address of this machine that robots call; 0.0.0.0 is all of them.
        port: where it listens; 0 takes a free one, which is told.
        token: file with a secret that robots must have, too. It is needed where other machines reach the host.
        max_clients: so many robots at a time, each with a memory of its own.
        idle_s: a robot that sends nothing for so long is sent away.

    Raises:
        ConfigError: a value is out of its range, or other machines would reach a server without a token.
    """

    run: Annotated[str, Text(metavar="DIR", is_positional=True)]
    greedy: Annotated[
        bool,
        OneOf(
            options=(
                Word(text="sample", value=False, help="take sampled actions"),
                Word(text="greedy", value=True, help="take the most probable actions"),
            )
        ),
        Section("acting"),
    ] = False
    seed: Annotated[int, Whole()] = 0
    device: Annotated[str, Device()] = "auto"
    host: Annotated[str, Text(metavar="ADDRESS"), Section("network")] = "127.0.0.1"
    port: Annotated[int, Whole(low=0, high=65535)] = PORT
    token: Annotated[str | None, Text(metavar="FILE")] = None
    max_clients: Annotated[int, Whole(low=1, high=1000)] = 16
    idle_s: Annotated[float, Number(word="idle", above=0, at_most=86_400, metavar="SECONDS")] = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"`host` {self.host} is reached by other machines, which needs a secret; add --token FILE, or leave "
                "out --host."
            )
