"""The inner width with which a fusion gives a perception a wanted number of parameters, for fair comparisons.

Widths are tried on torch's meta device, where nothing is built in memory and no random number drawn.
"""

import bisect
import dataclasses

import torch
from torch import nn

from .checks import require_number, require_whole
from .config import IMPUTATIONS, PerceptionConfig
from .encoders.registry import token_counts_of
from .errors import ConfigError
from .fusion import FUSIONS
from .perception import Perception
from .spec import Spec

MAX_WIDTH = 2**20
"""No fusion is tried any wider."""


def count_parameters(spec: Spec, config: PerceptionConfig) -> int:
    """How many numbers a perception of these senses and this configuration learns, encoders and all."""
    return sum(_sizes(spec, config))


def config_within(spec: Spec, config: PerceptionConfig, parameters: int, tolerance: float = 0.1) -> PerceptionConfig:
    """The configuration with the `fusion_width` that brings the whole perception nearest to so many parameters.

    Args:
        spec: the senses.
        config: everything else; a `fusion_width` of its own does not matter. Where the fusion has no inner width to
            choose, it is returned as it is, if it comes near enough.
        parameters: how many the whole perception should have, encoders and all; at least 1.
        tolerance: how far it may be off, as a fraction of `parameters`, 0..1.

    Raises:
        ConfigError: no width comes so near.
    """
    require_whole("parameters", parameters, 1)
    require_number("tolerance", tolerance, at_least=0, at_most=1)
    nearest, count = _nearest(spec, config, parameters)
    if abs(count - parameters) > tolerance * parameters:
        raise ConfigError(
            f'No `fusion_width` of "{config.fusion}" gives {parameters:,} parameters within {100 * tolerance:g} %; '
            f"{nearest.fusion_width or 'without one it'} gives {count:,}. Ask for about as many, or change `width`."
        )
    return nearest


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _sizes(spec: Spec, config: PerceptionConfig) -> tuple[int, int]:
    """How many parameters the fusion has, and how many everything else.

    An imputer is as large as readings have tokens, which nothing on the meta device can tell: it is counted apart.
    """
    with torch.device("meta"):
        perception = Perception(spec, dataclasses.replace(config, imputation="none"))
    fusion, imputer = _size(perception.fusion), IMPUTATIONS[config.imputation]
    if imputer is None:
        return fusion, _size(perception) - fusion
    tokens = token_counts_of(spec, config.width)
    with torch.device("meta"):
        return fusion, _size(perception) - fusion + _size(imputer(tokens, width=config.width, heads=config.heads))


def _nearest(spec: Spec, config: PerceptionConfig, parameters: int) -> tuple[PerceptionConfig, int]:
    """The best configuration and its count; counts grow with the width, so halving finds it."""
    build = FUSIONS[config.fusion]
    fusion, others = _sizes(spec, config)
    if not build.has_inner_width:
        return config, fusion + others

    def count_at(width: int) -> int:
        with torch.device("meta"):
            return others + _size(build(spec.names, **config.fusion_sizes | {"fusion_width": width}))

    most = 1
    while count_at(most) < parameters and most < MAX_WIDTH:
        most *= 2
    least = bisect.bisect_left(range(most), parameters, lo=1, key=count_at)  # the first that has enough, or `most`
    counts = {width: count_at(width) for width in {max(1, least - 1), least}}
    width = min(counts, key=lambda width: abs(counts[width] - parameters))
    return dataclasses.replace(config, fusion_width=width), counts[width]
