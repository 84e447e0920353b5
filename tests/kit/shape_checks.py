"""Executes the shapes in senseweave's signatures while the tests run; never part of the package.

jaxtyping's import hook decorates the package's functions and dataclasses with `jaxtyping.jaxtyped`, which `install`
replaces with `checked`: the same checks at a third of their cost. A function whose signature names no array stays as it
is. Of any other beartype is handed just the parameters that are arrays, once a call: what else a caller can get wrong
is refused by the package itself, in a sentence that tests read, and a type checker that spoke first would hide it.

A test that trains calls one function ten thousand times with the same shapes. Each function is therefore checked in its
first calls of a test and in some of the later ones; `make nightly` checks every call.
"""

import dataclasses
import functools
import inspect
import os
import typing
from collections.abc import Callable, Mapping
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

CHECKED_PACKAGES = ("senseweave.perception", "senseweave.envs", "senseweave.policies", "senseweave.agent")
SWITCH = "SENSEWEAVE_SHAPE_CHECKS"
"""`0` in this environment variable leaves the package as users get it; torch.compile needs that. `all`: every call."""
FIRST_CALLS, THEN_ONE_IN = 100, 20

_calls: dict[Callable[..., Any], int] = {}
"""How often each function was called in the test that runs."""

_in_one_scope = functools.partial(jaxtyping.jaxtyped, typechecker=None)  # before `install` replaces it
_check_types = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def _holds_an_array(annotation: Any) -> bool:
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    return any(_holds_an_array(part) for part in typing.get_args(annotation))


def arrays_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Checks the parameters and results of `function` whose annotation names an array's shape, and no others."""
    annotations = function.__annotations__
    arrays = {name: annotation for name, annotation in annotations.items() if _holds_an_array(annotation)}
    if not arrays:
        return function
    function.__annotations__ = arrays
    wrapped = _in_one_scope(_check_types(function))
    function.__annotations__ = wrapped.__annotations__ = annotations
    return wrapped if os.environ.get(SWITCH) == "all" else _sometimes(function, wrapped)


def _sometimes(function: Callable[..., Any], wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """Calls what is checked at first and then at times, and the bare function otherwise."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _calls[function] = number = _calls.get(function, 0) + 1
        if number <= FIRST_CALLS or number % THEN_ONE_IN == 0:
            return wrapped(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def pytest_runtest_setup() -> None:
    """A new test begins: every function is new to it. tests/conftest.py takes this hook in."""
    _calls.clear()


def checked(thing: Any) -> Any:
    """What the hook puts on every function and class: `arrays_only`, of a dataclass on its generated `__init__`."""
    if not inspect.isclass(thing):
        return arrays_only(thing)
    if dataclasses.is_dataclass(thing) and not hasattr(thing.__init__, "__wrapped__"):
        thing.__init__ = arrays_only(thing.__init__)
    return thing


def are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment leaves the checks switched on."""
    return environment.get(SWITCH, "1") != "0"


def install() -> None:
    """Puts the hook in place; only modules that are imported afterwards are checked."""
    jaxtyping.jaxtyped = lambda typechecker: typechecker
    jaxtyping.install_import_hook(list(CHECKED_PACKAGES), "kit.shape_checks.checked")
