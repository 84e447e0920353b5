"""The state of every random generator that training draws from: Python's, numpy's and torch's, without pickle.

stable-baselines3 uses the global generators, so a run that resumes exactly has to put them back.
"""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...perception.errors import CheckpointError


def cuda_devices() -> list[int]:
    """Whose generators `torch.manual_seed` would change, for `torch.random.fork_rng`; none before CUDA is in use."""
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []


def capture() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The generators' states now: a JSON part (Python, numpy) and tensors (torch, and CUDA where it is in use)."""
    version, words, gauss = random.getstate()
    numpy_state: dict[str, Any] = dict(np.random.get_state(legacy=False))
    plain = {
        "python": {"version": version, "words": list(words), "gauss": gauss},
        "numpy": numpy_state | {"state": {**numpy_state["state"], "key": numpy_state["state"]["key"].tolist()}},
    }
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        tensors |= {f"cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return plain, tensors


def restore(plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Puts back what `capture` took. States of CUDA devices that are not here are skipped.

    Raises:
        CheckpointError: the states are not of this form.
    """
    before = capture()
    try:
        _restore(plain, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        _restore(*before)
        raise CheckpointError(
            f"The checkpoint's random states do not fit this Python, numpy or torch ({error}); resume with the "
            "versions that wrote it."
        ) from error


def _restore(plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    python, numpy_state = plain["python"], plain["numpy"]
    random.setstate((python["version"], tuple(python["words"]), python["gauss"]))
    key = np.asarray(numpy_state["state"]["key"], np.uint32)
    np.random.set_state({**numpy_state, "state": {**numpy_state["state"], "key": key}})
    torch.set_rng_state(tensors["torch"])
    for i in range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0):
        if f"cuda.{i}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda.{i}"], i)
