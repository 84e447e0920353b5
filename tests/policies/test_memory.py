"""Memories: a GRU over sequences, forgetful where an episode begins, with the gradients of torch's own."""

import pytest
import torch
from torch import nn

from senseweave.policies.choices import MEMORIES
from senseweave.policies.memory import GRUMemory

STEPS, ROWS, WIDTH = 7, 3, 4


def sequence(dtype=torch.float64, steps=STEPS, share_of_starts=0.3):
    """A memory, and inputs, a state and starts for it."""
    torch.manual_seed(0)
    memory = GRUMemory(WIDTH).to(dtype)
    inputs = torch.randn(steps, ROWS, WIDTH, dtype=dtype, requires_grad=True)
    state = torch.randn(ROWS, WIDTH, dtype=dtype, requires_grad=True)
    return memory, inputs, state, torch.rand(steps, ROWS) < share_of_starts


def by_torch(memory, inputs, state, starts):
    """The same, by torch's GRUCell, one step after the other."""
    recalled = []
    for seen, is_first in zip(inputs, starts, strict=True):
        state = memory.cell(seen, torch.where(is_first[:, None], 0.0, state))
        recalled.append(state)
    return torch.stack(recalled), state


def gradients(remember, memory, inputs, state, starts):
    """Of a sum that weighs everything that comes out, the last state too."""
    recalled, last = remember(inputs, state, starts)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in (recalled, last)]
    total = (recalled * weights[0]).sum() + (last * weights[1]).sum()
    return torch.autograd.grad(total, [inputs, state, *memory.parameters()])


def test_the_gru_is_torchs_gru_where_no_episode_begins():
    memory, inputs, state, _ = sequence()
    oracle = nn.GRU(WIDTH, WIDTH).double()
    oracle.load_state_dict({f"{name}_l0": part for name, part in memory.cell.state_dict().items()})
    recalled, last = memory(inputs, state, torch.zeros(STEPS, ROWS, dtype=torch.bool))
    expected, expected_last = oracle(inputs, state[None])
    torch.testing.assert_close(recalled, expected)
    torch.testing.assert_close(last, expected_last[0])


def test_values_and_gradients_are_those_of_torchs_cell_with_resets_inside():
    memory, *arguments = sequence()
    assert arguments[2][1:].any() and not arguments[2].all()
    for own, expected in zip(memory(*arguments), by_torch(memory, *arguments), strict=True):
        torch.testing.assert_close(own, expected)
    made = gradients(memory, memory, *arguments)
    wanted = gradients(lambda *given: by_torch(memory, *given), memory, *arguments)
    for own, expected in zip(made, wanted, strict=True):
        torch.testing.assert_close(own, expected)
        assert own.abs().sum() > 0


def test_the_written_gradient_is_that_of_finite_differences():
    memory, inputs, state, starts = sequence(steps=4)
    weights = tuple(memory.parameters())

    def remember(inputs, state, *weights):
        named = dict(zip([name for name, _ in memory.named_parameters()], weights, strict=True))
        return torch.func.functional_call(memory, named, (inputs, state, starts))

    assert torch.autograd.gradcheck(remember, (inputs, state, *weights))


def test_nothing_from_before_an_episode_is_remembered():
    memory, inputs, state, _ = sequence()
    starts = torch.zeros(STEPS, ROWS, dtype=torch.bool)
    starts[3, 1] = True
    recalled, _ = memory(inputs, state, starts)
    changed = inputs.detach().clone()
    changed[:3] += 1.0
    other, _ = memory(changed, state + 1.0, starts)
    assert torch.equal(recalled[3:, 1], other[3:, 1])
    assert (recalled[3:, [0, 2]] != other[3:, [0, 2]]).all()
    fresh, _ = memory(inputs[3:], torch.zeros(ROWS, WIDTH).double(), torch.zeros(STEPS - 3, ROWS, dtype=torch.bool))
    torch.testing.assert_close(recalled[3:, 1], fresh[:, 1])
    reaching = torch.autograd.grad(recalled[3:, 1].sum(), [inputs, state])
    assert (reaching[0][:3] == 0).all() and (reaching[1] == 0).all() and (reaching[0][3:, 1] != 0).all()


def test_a_sequence_is_the_same_in_two_pieces():
    memory, inputs, state, starts = sequence()
    whole, last = memory(inputs, state, starts)
    first, between = memory(inputs[:3], state, starts[:3])
    second, end = memory(inputs[3:], between, starts[3:])
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(end, last)


@pytest.mark.parametrize("memory_class", [MEMORIES["gru"], MEMORIES["looking_gru"]])
def test_a_sequence_without_steps_leaves_the_state_alone(memory_class):
    memory = memory_class(WIDTH)
    state = torch.randn(ROWS, memory.state_width, requires_grad=True)
    recalled, last = memory(torch.zeros(0, ROWS, WIDTH), state, torch.zeros(0, ROWS, dtype=torch.bool))
    assert recalled.shape == (0, ROWS, memory.recall_width) and torch.equal(last, state)
    (gradient,) = torch.autograd.grad(last.sum(), state)
    assert (gradient == 1).all()


def test_the_first_state_counts_nothing_where_every_row_begins():
    memory, inputs, state, starts = sequence(dtype=torch.float32)
    starts[0] = True
    assert torch.equal(memory(inputs, state, starts)[0], memory(inputs, 5.0 * state, starts)[0])
