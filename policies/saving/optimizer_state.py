"""A torch optimiser's state as plain tensors and plain JSON, checked in full before anything is put back."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ...perception.errors import CheckpointError
from ...perception.texts import shown


def to_parts(optimizer: Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """The tensors, named "<number of the parameter>.<name>", and the settings of each parameter group.

    Raises:
        CheckpointError: a setting is a tensor of more than one number.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {
        f"{number}.{name}": value for number, values in state["state"].items() for name, value in values.items()
    }
    groups = [{name: _plain(name, value) for name, value in group.items()} for group in state["param_groups"]]
    return tensors, groups


def _plain(name: str, value: Any) -> Any:
    """A setting that a file can hold; a rate may be a tensor, as it has to be for CUDA graphs."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise CheckpointError(f"The optimiser's {name} is a tensor of {value.numel()} numbers; make it one number.")
    return value.item()


def from_parts(optimizer: Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Turns what `to_parts` gave into a state dict for `optimizer.load_state_dict`; the optimiser stays as it is.

    Raises:
        CheckpointError: parameters, shapes or settings are not those of this optimiser.
    """
    own_groups = optimizer.state_dict()["param_groups"]
    fits = (
        isinstance(groups, list)
        and all(isinstance(group, dict) for group in groups)
        and [(group.keys(), group["params"]) for group in own_groups]
        == [(group.keys(), group.get("params")) for group in groups]
    )
    if not fits:
        raise CheckpointError("The optimiser's settings are of another optimiser; resume with the release that saved.")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if not number.isdigit() or int(number) >= len(parameters) or not name:
            raise CheckpointError(
                f'The optimiser\'s state has the unknown part "{shown(key, 60)}"; restore an older checkpoint.'
            )
        if not tensor.is_floating_point():
            raise CheckpointError(f"The optimiser's {shown(key, 60)} is of whole numbers; restore an older checkpoint.")
        if tensor.dim() and tensor.shape != parameters[int(number)].shape:
            raise CheckpointError(
                f"The optimiser's {key} has shape {tuple(tensor.shape)}, not "
                f"{tuple(parameters[int(number)].shape)}; it belongs to another network."
            )
        state.setdefault(int(number), {})[name] = tensor
    names = {frozenset(values) for values in state.values()}
    if len(names) > 1:  # a parameter that never had a gradient has no state; the others have the same parts
        raise CheckpointError("The optimiser's state lacks some parts; restore an older checkpoint.")
    settings = [
        {key: _like(own[key], value) for key, value in group.items()} | {"params": own["params"]}
        for group, own in zip(groups, own_groups, strict=True)
    ]
    return {"state": state, "param_groups": settings}


def _like(own: Any, value: Any) -> Any:
    """A setting in the form that the optimiser itself has it: JSON has neither tuples, as Adam's betas, nor tensors."""
    if isinstance(own, Tensor):
        try:
            return torch.full_like(own, value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError("The optimiser's settings are damaged; restore an older checkpoint.") from error
    return tuple(value) if isinstance(value, list) else value
