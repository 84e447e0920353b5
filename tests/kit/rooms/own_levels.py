"""A level of a user's own, as the file of a package, for tests that come upon it by a name."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium

from senseweave.envs import registry
from senseweave.envs.rooms.levels.registry import LEVELS

LEVEL = '''
"""Go to the only key, among balls."""
import torch
from senseweave.envs import register_level
from senseweave.envs.rooms.codes import BALL, COLOURS, KEY
from senseweave.envs.rooms.levels.floor_plan import FloorPlan
from senseweave.envs.rooms.levels.level import Draft, Level, time_limit
from senseweave.envs.rooms.levels.placing import Scatter
from senseweave.envs.rooms.missions import go_to, thing
from senseweave.envs.rooms.random import draw_bits
from senseweave.envs.rooms.state import GO_TO


class GoToKey(Level):
    verb = GO_TO
    may_reject = False
    missions = tuple(go_to(thing("the", KEY, colour)) for colour in range(len(COLOURS)))

    def __init__(self, objects=3, max_steps=None, device="cpu"):
        super().__init__(FloorPlan(1, 8, device), objects=objects, max_steps=time_limit(max_steps, 64), device=device)
        self.scatter = Scatter(self.plan, objects)
        self.numbers = torch.arange(3 + objects + self.scatter.draws, device=device)

    def draw(self, key):
        bits = draw_bits(key, self.numbers)
        target = bits[:, 2, None] % self.objects
        is_target = torch.arange(self.objects, device=key.device) == target
        colour = bits[:, 3 : 3 + self.objects] % len(COLOURS)
        agent, cell = self.scatter.place(bits[:, 0], bits[:, 3 + self.objects :])
        draft = Draft(
            agent_cell=agent,
            heading=bits[:, 1] % 4,
            object_kind=torch.where(is_target, KEY, BALL),
            object_colour=colour,
            object_cell=cell,
            mission=colour.gather(1, target)[:, 0],
            is_target=is_target,
            is_wrong=~is_target,
        )
        return draft, torch.ones_like(agent, dtype=torch.bool)
'''

REGISTERS = LEVEL + '\n\nregister_level("GoToKey", GoToKey)\n'
"""A package that registers its level when it is imported."""

DIST_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: own-levels\nVersion: 1.0\n",
    "entry_points.txt": "[senseweave.levels]\nDeclaredKey = own_declared_levels:GoToKey\n",
}
"""What an installed package has that declares its level instead."""


def write_declared(folder: Path) -> None:
    """Puts a package with an entry point into a folder, as an installer does."""
    (folder / "own_declared_levels.py").write_text(LEVEL)
    metadata = folder / "own_levels-1.0.dist-info"
    metadata.mkdir()
    for name, text in DIST_INFO.items():
        (metadata / name).write_text(text)


@contextlib.contextmanager
def own_level(folder: Path, package: str = "own_levels") -> Iterator[str]:
    """Makes a package that registers "senseweave/GoToKey-v0" on import; afterwards nothing of it is left."""
    (folder / f"{package}.py").write_text(REGISTERS)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield package
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(package, None)
        LEVELS.pop("GoToKey", None)
        gymnasium.registry.pop("senseweave/GoToKey-v0", None)
        registry._OURS.pop("senseweave/GoToKey-v0", None)
