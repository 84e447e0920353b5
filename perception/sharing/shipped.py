"""Agents that ship with the package, by name: trained by `make pretrained`, one folder each below data/agents/.

Such a folder holds config.json, policy.safetensors, results.json and README.md, and nothing to resume from.
"""

from pathlib import Path

AGENTS = Path(__file__).parents[1] / "data" / "agents"
"""Where their folders are; the table is what lies there."""


def shipped_agents() -> tuple[str, ...]:
    """Their names, in alphabetical order; () where this copy of the package has none."""
    return tuple(sorted(path.parent.name for path in AGENTS.glob("[!.]*/config.json")))


def shipped_folder(name: str) -> Path | None:
    """The folder of an agent that ships; None where none has that name."""
    return AGENTS / name if name in shipped_agents() else None
