"""Memories: what a policy carries from step to step within an episode, over the state embedding.

Trained on whole sequences; where an episode begins inside of one, the state is forgotten. `MEMORIES` in `choices.py`
maps names to them. What is remembered is not decided here but learned.

b batch, t steps, d width of the input, s width of the state, m width of what is recalled, g the three gates, 3 s wide
"""

from typing import Any, ClassVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Memory(nn.Module):
    """Base of all memories.

    Args:
        width: of the input, d.

    Attributes:
        state_width: s, of the state, which is all zeros where an episode begins.
        recall_width: m, of what is recalled at each step.
        looks_again: whether what is recalled takes a second look at the senses (second_look.py).
    """

    state_width: int
    recall_width: int
    looks_again: ClassVar[bool] = False

    def forward(
        self, inputs: Float[Tensor, "t b d"], state: Float[Tensor, "b s"], starts: Bool[Tensor, "t b"]
    ) -> tuple[Float[Tensor, "t b m"], Float[Tensor, "b s"]]:
        """Remembers a sequence.

        Args:
            inputs: what comes in at each step.
            state: from before the first step.
            starts: whether an episode begins with that step; nothing from before it is remembered then.

        Returns:
            What is recalled at each step, that step's input included, and the state after the last one.
        """
        raise NotImplementedError


class GRUMemory(Memory):
    """A gated recurrent unit as wide as its input; torch's weights, forgetful where an episode begins.

    Source: Cho et al. 2014 (arXiv 1406.1078), in the form of `torch.nn.GRUCell`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.state_width = self.recall_width = width
        self.cell = nn.GRUCell(width, width)

    def forward(
        self, inputs: Float[Tensor, "t b d"], state: Float[Tensor, "b s"], starts: Bool[Tensor, "t b"]
    ) -> tuple[Float[Tensor, "t b m"], Float[Tensor, "b s"]]:
        if not len(inputs):
            return inputs.new_zeros(0, len(state), self.recall_width), state
        cell = self.cell
        seen = functional.linear(inputs, cell.weight_ih, cell.bias_ih)  # t b g, in one product
        kept = (~starts)[..., None].to(seen.dtype)
        return cast(Any, _Recurrence.apply(seen, state, kept, cell.weight_hh, cell.bias_hh))


class LookingGRUMemory(GRUMemory):
    """A GRU whose recollection looks at the senses once more: what was said steers what is looked at."""

    looks_again = True


class _Recurrence(torch.autograd.Function):
    """The recurrent half of a GRU over a sequence, with its gradient written out.

    Autograd would record some ten small operations for each step, which take longer than the arithmetic; here the
    gradient of the weights is one product over the whole sequence.

    One step, with x what is seen (the inputs' products), k what is kept (0 where an episode begins), h the state, and
    products of numbers element by element:

        h' = k h                                      before
        f  = W h' + b                                 felt, its thirds f_r, f_z and f_n
        r  = sigmoid(x_r + f_r)                       reset
        z  = sigmoid(x_z + f_z)                       update
        n  = tanh(x_n + r f_n)                        new
        h  = (1 - z) n + z h'                         state

    Its gradient, with D what is the loss's gradient of h: of what is recalled there, and what later steps carry back:

        D x_n = D (1 - z) (1 - n^2)                   D f_n = r D x_n
        D x_z = D (h' - n) z (1 - z)                  D f_z = D x_z
        D x_r = D x_n f_n r (1 - r)                   D f_r = D x_r
        carried back = k (D z + W^T D f)
        D W = sum over steps and rows of D f h'^T     D b = sum of D f
    """

    @staticmethod
    def forward(
        ctx: Any,
        seen: Float[Tensor, "t b g"],
        state: Float[Tensor, "b s"],
        kept: Float[Tensor, "t b 1"],
        weight: Float[Tensor, "g s"],
        bias: Float[Tensor, " g"],
    ) -> tuple[Float[Tensor, "t b s"], Float[Tensor, "b s"]]:
        s = state.shape[1]
        states, befores, gates, news, felts = [], [], [], [], []
        for step in range(len(seen)):
            before = state * kept[step]
            felt = torch.addmm(bias, before, weight.t())  # b g
            gate = torch.sigmoid(seen[step, :, : 2 * s] + felt[:, : 2 * s])  # reset and update
            new = torch.tanh(torch.addcmul(seen[step, :, 2 * s :], gate[:, :s], felt[:, 2 * s :]))
            state = torch.lerp(new, before, gate[:, s:])
            for parts, part in ((states, state), (befores, before), (gates, gate), (news, new), (felts, felt)):
                parts.append(part)
        felt_new = torch.stack(felts)[..., 2 * s :]
        ctx.save_for_backward(kept, *(torch.stack(parts) for parts in (befores, gates, news)), felt_new, weight)
        return torch.stack(states), state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept, befores, gates, news, felt_new, weight = ctx.saved_tensors
        s = befores.shape[2]
        recalled, carried = gradients
        reset, update = gates[..., :s], gates[..., s:]
        # the factors of D in the equations do not depend on later steps: the whole sequence at once
        through_new = (1.0 - update) * (1.0 - news * news)
        through_update = (befores - news) * update * (1.0 - update)
        through_reset = through_new * felt_new * reset * (1.0 - reset)
        toward = torch.cat([through_reset, through_update, through_new * reset], dim=2)  # t b g
        felt_gradients = []
        states = []
        for step in reversed(range(len(kept))):
            state = recalled[step] + carried  # D
            felt = toward[step] * state.repeat(1, 3)  # D f
            carried = torch.addmm(state * update[step], felt, weight) * kept[step]
            felt_gradients.append(felt)
            states.append(state)
        felt_gradient = torch.stack(felt_gradients[::-1])  # t b g
        new_gradient = through_new * torch.stack(states[::-1])
        seen_gradient = torch.cat([felt_gradient[..., : 2 * s], new_gradient], dim=2)
        flat = felt_gradient.flatten(0, 1)
        return seen_gradient, carried, None, flat.t() @ befores.flatten(0, 1), flat.sum(dim=0)


def no_memory(width: int) -> None:
    """Remembers nothing: what `MEMORIES["none"]` makes."""
