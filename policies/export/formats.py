"""The formats that a policy is exported to, by name. A new one is a file beside this and a line here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ...perception.registry import Registry

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from .arrays import Run


class Format(Protocol):
    """One format: how a graph is written and run. `write` alone may need torch.

    Attributes:
        file: the name of the model in the folder.
        runs_code: whether opening a file of it can run code that somebody put there.
    """

    file: str
    runs_code: bool

    def write(self, program: "ExportedProgram", inputs: list[str], outputs: list[str]) -> bytes:
        """The content of the model's file.

        Raises:
            ExportError: the graph has something that the format lacks.
            MissingExtraError: a package is missing.
        """
        ...

    def runner(self, content: bytes, outputs: list[str], threads: int) -> "Run":
        """What runs the content of such a file.

        Args:
            content: of the file.
            outputs: their names, in the graph's order.
            threads: of the CPU that one call may take.

        Raises:
            CheckpointError: it is no such file.
            MissingExtraError: a package is missing.
        """
        ...


EXPORT_FORMATS: "Registry[Callable[[], Format]]" = Registry(
    "export format",
    {"onnx": ".onnx_format:OnnxFormat", "torch": ".torch_format:TorchFormat"},
    __package__,
)
"""What `export(..., to=...)` and `--to` choose from."""
