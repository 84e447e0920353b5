"""The size and shape of a `Perception`: a frozen dataclass, presets by name, JSON without surprises."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from .checks import require_whole
from .errors import ConfigError, did_you_mean, unknown_name
from .fusion import FUSIONS
from .registry import Registry

IMPUTATIONS: Registry[Any] = Registry(
    "imputation",
    {
        "none": None,
        "autoencoder": ".objectives.imputation:AutoencoderImputer",
        "translation": ".objectives.imputation:TranslationImputer",
    },
    __package__,
)
"""What `PerceptionConfig(imputation=...)` and `--imputation` choose from: an `Imputer`, or None for "none"."""

MOST = {
    "width": 2**16,
    "latents": 2**16,
    "layers": 2**8,
    "heads": 2**12,
    "state_dim": 2**16,
    "fusion_width": 2**20,
}
"""The greatest sizes: beyond, a number is a slip, or somebody's trap."""


@dataclasses.dataclass(frozen=True)
class PerceptionConfig:
    """How senses become a state. The defaults are the preset "laptop".

    Args:
        fusion: a name in `FUSIONS`.
        width: width of every token, a multiple of 2 * heads.
        latents: number of learned queries.
        layers: number of fusion blocks.
        heads: attention heads.
        state_dim: width of the state embedding.
        fusion_width: inner width of the fusion, where it has one to choose; None takes the fusion's own. With it,
            fusions can be compared at one number of parameters (`budget.py`).
        imputation: a name in `IMPUTATIONS`: how the tokens of absent senses are made of the others, if at all.

    Raises:
        ConfigError: a number is not a whole number of at least 1, `width` does not divide among the heads, or the
            fusion has no inner width to choose.
        UnknownNameError: there is no such fusion or imputation.
    """

    fusion: str = "gated_cross_attention"
    width: int = 64
    latents: int = 4
    layers: int = 1
    heads: int = 4
    state_dim: int = 128
    fusion_width: int | None = None
    imputation: str = "none"

    def __post_init__(self) -> None:
        FUSIONS.require(self.fusion)
        IMPUTATIONS.require(self.imputation)
        for field in ("width", "latents", "layers", "heads", "state_dim", "fusion_width"):
            value = getattr(self, field)
            if field == "fusion_width" and value is None:
                continue
            number = require_whole(field, value, 1)
            if number > MOST[field]:
                raise ConfigError(f"`{field}` must be at most {MOST[field]:,}; got {number:,}.")
            object.__setattr__(self, field, number)
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"`width` must be a multiple of 2 * heads = {2 * self.heads}; got {self.width}. "
                f"Try {2 * self.heads * max(1, round(self.width / (2 * self.heads)))}."
            )
        if self.fusion_width is not None and not FUSIONS[self.fusion].has_inner_width:
            raise ConfigError(
                f'The fusion "{self.fusion}" has no inner width to choose; got `fusion_width` {self.fusion_width}. '
                "Leave it out, and use `width`."
            )

    @property
    def fusion_sizes(self) -> dict[str, int]:
        """What the fusion's class is called with; `fusion_width` only where it is set, so that any `Fusion` will do."""
        sizes = {name: getattr(self, name) for name in ("width", "latents", "layers", "heads", "state_dim")}
        return sizes if self.fusion_width is None else sizes | {"fusion_width": self.fusion_width}

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A size by name ("laptop", "base", "large"), with changes.

        Raises:
            UnknownNameError: there is no such preset.
        """
        if name not in PRESETS:
            raise unknown_name("Preset", name, PRESETS)
        return cls.from_json(PRESETS[name] | changes)

    def to_json(self) -> dict[str, Any]:
        """This configuration as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ConfigError: an unknown key or a value out of its range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for key in data:
            if key not in known:
                raise ConfigError(f'"{key}" is not a setting of PerceptionConfig; {did_you_mean(key, known)}')
        return cls(**data)


PRESETS: dict[str, dict[str, Any]] = {
    "laptop": {"width": 64, "latents": 4, "layers": 1, "heads": 4, "state_dim": 128},
    "base": {"width": 128, "latents": 8, "layers": 2, "heads": 4, "state_dim": 256},
    "large": {"width": 256, "latents": 16, "layers": 4, "heads": 8, "state_dim": 512},
}
