"""The commands by name. A new one is a file beside these and a line here."""

from typing import TYPE_CHECKING, Any

from ....perception.registry import Registry

if TYPE_CHECKING:
    from ..command import Command

COMMANDS: "Registry[Command[Any]]" = Registry(
    "command",
    {
        "train": ".train:COMMAND",
        "pretrain": ".pretrain:COMMAND",
        "evaluate": ".evaluate:COMMAND",
        "explain": ".explain:COMMAND",
        "watch": ".watch:COMMAND",
        "live": ".live:COMMAND",
        "record": ".record:COMMAND",
        "convert": ".convert:COMMAND",
        "export": ".export:COMMAND",
        "push": ".push:COMMAND",
        "serve": ".serve:COMMAND",
        "envs": ".envs:COMMAND",
        "doctor": ".doctor:COMMAND",
    },
    __package__,
)
"""What `senseweave NAME` chooses from."""
