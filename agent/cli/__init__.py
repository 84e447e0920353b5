"""The command line: which commands there are, what the options mean, and how a mistake is told."""

from .command import Command, Result
from .commands import COMMANDS

__all__ = ["COMMANDS", "Command", "Result"]
