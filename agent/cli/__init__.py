"""The command line: which commands there are, what the options mean, and how a mistake is told."""

from .command import Command as Command
from .command import Result as Result
from .commands import COMMANDS as COMMANDS
from .main import main as main  # the function, as `senseweave.agent.cli:main` names it
