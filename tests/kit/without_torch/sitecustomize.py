"""On PYTHONPATH: a Python in which torch and what is built on it are not installed, in child processes too."""

import sys

HIDDEN = ("torch", "stable_baselines3", "sb3_contrib", "safetensors", "minigrid", "tensorboard")


class Hides:
    """Finds nothing, and says so as Python does of what is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuses the hidden packages; everything else is found as usual."""
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hides())
