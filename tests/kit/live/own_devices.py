"""A source and a body of a user's own, as the file of an installed package, for the command line to come upon."""

from pathlib import Path

MODULE = '''
import numpy as np
from senseweave.envs.live import Actuator, Reading, Source
from senseweave.perception import Camera


class GreySource(Source):
    """A camera that sees one shade of grey, "grey:40"."""

    kinds = (Camera,)

    def __init__(self, address, kind):
        self.shade, self.kind, self.number = int(address), kind, 0

    def open(self):
        pass

    def read(self):
        self.clock.sleep_until_ns(self.clock.now_ns() + 20_000_000)
        self.number += 1
        content = np.full((self.kind.height, self.kind.width, 3), self.shade, np.uint8)
        return Reading(content, self.clock.now_ns(), self.number)


class CountingActuator(Actuator):
    """Appends the name of every action to a file, "names:PATH"."""

    def __init__(self, address):
        self.path = address

    def send(self, command):
        with open(self.path, "a") as file:
            file.write(command.name + "\\n")
'''

ENTRY_POINTS = """
[senseweave.sources]
grey = own_devices:GreySource

[senseweave.bodies]
names = own_devices:CountingActuator
"""


def write_own_devices(folder: Path) -> None:
    """Puts the package into a folder, as an installer does; with that on PYTHONPATH the command line finds it."""
    (folder / "own_devices.py").write_text(MODULE)
    metadata = folder / "own_devices-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-devices\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
