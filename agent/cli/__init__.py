"""The command line: what the options mean, which command runs, and how a mistake is told."""

from .main import main as main  # the function, as `senseweave.agent.cli:main` names it
