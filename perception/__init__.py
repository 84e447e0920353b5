"""Senses in, one state embedding out. Names are imported on first use, so that `spec` alone stays light."""

from typing import TYPE_CHECKING

from .registry import lazy_names, moved_modules

if TYPE_CHECKING:
    from .attribution import Attribution as Attribution
    from .attribution import integrated_gradients as integrated_gradients
    from .attribution import usual_tokens as usual_tokens
    from .budget import config_within as config_within
    from .budget import count_parameters as count_parameters
    from .config import PerceptionConfig as PerceptionConfig
    from .dropout import ModalityDropout as ModalityDropout
    from .encoders.base import Encoder as Encoder
    from .encoders.registry import register_encoder as register_encoder
    from .errors import CheckpointError as CheckpointError
    from .errors import ConfigError as ConfigError
    from .errors import EnvironmentFault as EnvironmentFault
    from .errors import ExportError as ExportError
    from .errors import MissingExtraError as MissingExtraError
    from .errors import ObservationError as ObservationError
    from .errors import SenseweaveError as SenseweaveError
    from .errors import SpecError as SpecError
    from .errors import TokenizerMismatchError as TokenizerMismatchError
    from .errors import UnknownNameError as UnknownNameError
    from .fusion import FUSIONS as FUSIONS
    from .fusion import Fused as Fused
    from .fusion import Fusion as Fusion
    from .objectives import OBJECTIVES as OBJECTIVES
    from .objectives import Objective as Objective
    from .perception import Perception as Perception
    from .perception import State as State
    from .spec import Camera as Camera
    from .spec import Depth as Depth
    from .spec import Grid as Grid
    from .spec import Instruction as Instruction
    from .spec import Kind as Kind
    from .spec import Microphone as Microphone
    from .spec import Spec as Spec
    from .spec import Vector as Vector
    from .spec import register_kind as register_kind
    from .tokenizer import Tokenizer as Tokenizer
    from .tokenizer import default_tokenizer as default_tokenizer
    from .tokens import TokenGroup as TokenGroup

_HOMES = {
    "attribution": ("Attribution", "integrated_gradients", "usual_tokens"),
    "config": ("PerceptionConfig",),
    "dropout": ("ModalityDropout",),
    "encoders": ("Encoder", "register_encoder"),
    "errors": (
        "CheckpointError",
        "ConfigError",
        "EnvironmentFault",
        "ExportError",
        "MissingExtraError",
        "ObservationError",
        "SenseweaveError",
        "SpecError",
        "TokenizerMismatchError",
        "UnknownNameError",
    ),
    "fusion": ("FUSIONS", "Fused", "Fusion"),
    "budget": ("config_within", "count_parameters"),
    "objectives": ("OBJECTIVES", "Objective"),
    "perception": ("Perception", "State"),
    "spec": ("Camera", "Depth", "Grid", "Instruction", "Kind", "Microphone", "Spec", "Vector", "register_kind"),
    "tokenizer": ("Tokenizer", "default_tokenizer"),
    "tokens": ("TokenGroup",),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

moved_modules(
    __name__,
    {
        "absence": (".observation.absence",),
        "brightness": (".observation.brightness",),
        "layout": (".observation.layout",),
        "raw": (".observation.raw",),
    },
)
