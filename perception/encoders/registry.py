"""Which encoder reads which kind of sense.

An encoder is an `nn.Module` made as `Encoder(kind, width)`; its forward takes a batch of clean (finite, placeholder
where absent) readings and returns a `TokenGroup`. Encoders never see whether a sense is absent. One that can work ahead
inherits from `base.Encoder`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from ..errors import SpecError
from ..kinds.base import Kind
from ..kinds.by_kind import ByKind
from ..modules import NamedModules
from ..spec import Spec

EncoderFactory = Callable[..., nn.Module]

ENCODERS: ByKind[EncoderFactory] = ByKind(
    "encoder",
    {
        "Camera": ".camera:CameraEncoder",
        "Depth": ".depth:DepthEncoder",
        "Grid": ".grid:GridEncoder",
        "Instruction": ".instruction:InstructionEncoder",
        "Microphone": ".microphone:AudioEncoder",
        "Vector": ".vector:VectorEncoder",
    },
    __package__,
)
"""Kind, by its name or its class -> encoder class. `register_encoder` adds a user's own, and so does an entry point in
the group `senseweave.encoders`, under the name of the kind."""


def register_encoder(kind: type[Kind], encoder: EncoderFactory | str) -> None:
    """Makes `Perception` read every modality of class `kind` with `encoder(kind, width)`, or "module:Name" of it."""
    ENCODERS[kind] = encoder


def build_encoder(name: str, kind: Kind, width: int) -> nn.Module:
    """Builds the encoder of one modality.

    Raises:
        SpecError: no encoder is registered for this kind.
    """
    encoder = ENCODERS.nearest(kind)
    if encoder is None:
        raise SpecError(
            f'Modality "{name}" is a {type(kind).__name__}, which has no encoder; '
            f"call register_encoder({type(kind).__name__}, YourEncoder) first."
        )
    return encoder(kind, width)


@torch.no_grad()
def token_counts(encoders: Mapping[str, nn.Module] | NamedModules[nn.Module], spec: Spec) -> dict[str, int]:
    """How many tokens each encoder makes of a whole reading; one reading of nothing is encoded to know."""
    counts = {}
    for name, kind in spec.items():
        encoder = encoders[name]
        device = next((weight.device for weight in encoder.parameters()), None)
        counts[name] = encoder(torch.from_numpy(kind.placeholder())[None].to(device)).tokens.shape[1]
    return counts


def token_counts_of(spec: Spec, width: int) -> dict[str, int]:
    """The same from encoders that are made for this alone, without touching torch's random numbers."""
    with torch.random.fork_rng(devices=[]):
        return token_counts({name: build_encoder(name, kind, width) for name, kind in spec.items()}, spec)
