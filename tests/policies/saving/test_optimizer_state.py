import json

import pytest
import torch
from torch import nn

from senseweave.perception.errors import CheckpointError
from senseweave.policies.saving import optimizer_state


def stepped(seed: int = 0) -> tuple[nn.Module, torch.optim.Adam]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, eps=1e-5)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
    return network, optimizer


def take_a_step(network: nn.Module, optimizer: torch.optim.Adam) -> list[torch.Tensor]:
    optimizer.zero_grad()
    network(torch.ones(8, 3)).square().sum().backward()
    optimizer.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_an_optimiser_goes_on_exactly_after_a_round_trip_through_tensors_and_json():
    network, optimizer = stepped()
    tensors, groups = optimizer_state.to_parts(optimizer)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    twin, twin_optimizer = stepped(seed=1)
    twin.load_state_dict(network.state_dict())
    twin_optimizer.load_state_dict(optimizer_state.from_parts(twin_optimizer, tensors, json.loads(json.dumps(groups))))
    expected, got = take_a_step(network, optimizer), take_a_step(twin, twin_optimizer)
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


def test_a_rate_that_is_a_tensor_is_saved_as_its_number_and_comes_back_as_a_tensor():
    network, optimizer = stepped()
    optimizer.param_groups[0]["lr"] = torch.tensor(0.03)
    tensors, groups = optimizer_state.to_parts(optimizer)
    tensors, groups = {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(groups))
    twin, twin_optimizer = stepped(seed=1)
    twin_optimizer.param_groups[0]["lr"] = torch.tensor(0.5)
    twin.load_state_dict(network.state_dict())
    twin_optimizer.load_state_dict(optimizer_state.from_parts(twin_optimizer, tensors, groups))
    assert torch.equal(twin_optimizer.param_groups[0]["lr"], torch.tensor(0.03))
    expected, got = take_a_step(network, optimizer), take_a_step(twin, twin_optimizer)
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    groups[0]["lr"] = "fast"
    with pytest.raises(CheckpointError, match="settings are damaged"):
        optimizer_state.from_parts(twin_optimizer, tensors, groups)


def test_a_setting_of_several_numbers_is_refused_in_a_sentence():
    _, optimizer = stepped()
    optimizer.param_groups[0]["weight_decay"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match="weight_decay is a tensor of 3 numbers"):
        optimizer_state.to_parts(optimizer)


def damage_shape(tensors, groups):
    tensors["0.exp_avg"] = torch.zeros(5)


def damage_missing(tensors, groups):
    del tensors["1.exp_avg_sq"]


def damage_extra(tensors, groups):
    tensors["99.exp_avg"] = torch.zeros(1)


def damage_name(tensors, groups):
    tensors["exp_avg"] = torch.zeros(1)


def damage_setting(tensors, groups):
    del groups[0]["lr"]


def damage_params(tensors, groups):
    groups[0]["params"] = [0]


def damage_groups(tensors, groups):
    groups.append("x")


@pytest.mark.parametrize(
    "damage",
    [damage_shape, damage_missing, damage_extra, damage_name, damage_setting, damage_params, damage_groups],
)
def test_an_optimiser_state_that_does_not_fit_is_refused_and_nothing_changes(damage):
    _, optimizer = stepped()
    before = {name: tensor.clone() for name, tensor in optimizer_state.to_parts(optimizer)[0].items()}
    tensors, groups = optimizer_state.to_parts(stepped(seed=1)[1])
    damage(tensors, groups)
    with pytest.raises(CheckpointError):
        optimizer_state.from_parts(optimizer, tensors, groups)
    after = optimizer_state.to_parts(optimizer)[0]
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
