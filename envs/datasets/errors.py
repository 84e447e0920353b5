"""`DatasetError`, and what a person is told where a dataset's extra is missing."""

import importlib
from types import ModuleType

from ...perception.errors import MissingExtraError, SenseweaveError, how_to_install


class DatasetError(SenseweaveError, RuntimeError):
    """A dataset is missing, damaged, of no known format, or holds something else than is asked for."""


def import_of_extra(module: str, purpose: str) -> ModuleType:
    """Imports a module of the extra `data`.

    Args:
        module: its name, "pyarrow.parquet".
        purpose: who needs it, for the error's sentence: "A LeRobotDataset".

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {package}, which could not be imported ({error}); {how_to_install('data')}"
        ) from error
