"""What a policy is given by name: a memory, and losses beside its own. Listing the names imports nothing heavy.

Presets and recipes have their tables in `recipes.py`, trainers in `trainer.py`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..perception.objectives import OBJECTIVES
from ..perception.registry import Registry

if TYPE_CHECKING:
    from .memory import Memory

MEMORIES: "Registry[Callable[[int], Memory | None]]" = Registry(
    "memory",
    {"none": ".memory:no_memory", "gru": ".memory:GRUMemory", "looking_gru": ".memory:LookingGRUMemory"},
    __package__,
)
"""What `memory=` and `--memory` choose from: made of the width of what comes in; None remembers nothing."""

AUXILIARIES: Registry[Callable[..., Any]] = Registry(
    "auxiliary loss",
    {"instruction_words": ".auxiliary:InstructionWords", "mission": ".auxiliary:Mission"}
    | dict.fromkeys(OBJECTIVES.names, ".auxiliary:ObjectiveLoss"),
    __package__,
)
"""What `auxiliary=` and `--auxiliary` choose from: an `AuxiliaryLoss` made of (spec, width,
missions). Every objective is one."""
