"""`senseweave serve`: from the options to a policy behind a WebSocket, until Ctrl-C."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ...envs.live.remote.facts import Hello, require_plain_space
from ...envs.live.remote.messages import import_msgpack, observation_bytes
from ...envs.live.remote.token import read_token
from ...perception.errors import ConfigError
from ..runs.actions import actions_of
from ..runs.exported import ExportedRun, open_policy
from ..settings.serve import ServeConfig, is_loopback
from ..terminal.progress import duration, tell
from ..terminal.stop import StopRequest
from .batches import Batches, Decide, Memory
from .server import Limits, Server

if TYPE_CHECKING:
    from stable_baselines3.common.policies import ActorCriticPolicy

    from ..runs.exported import PolicyFolder

LOOK_S = 0.1
"""How often it is looked whether somebody wants to stop."""


def serve(config: ServeConfig) -> dict[str, Any]:
    """Serves until somebody stops it.

    Returns:
        What `serve --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    import_msgpack()
    token = "" if config.token is None else read_token(config.token, tell)
    run = open_policy(config.run)
    actions, decide, steps = _load(run, config)
    require_plain_space(actions)
    spec, names = run.config.spec, run.config.action_names
    batches = Batches(decide, spec)
    hello = Hello(
        run=run.config.run,
        senses=spec,
        tokenizer=run.policy.description.tokenizer if isinstance(run, ExportedRun) else run.config.tokenizer,
        action_names=names if isinstance(actions, gymnasium.spaces.Discrete) else (),
        action_space=actions,
        step_s=run.config.step_s,
        max_age_s=run.config.max_age_s,
        memory=batches.memory,
        is_greedy=config.greedy,
    )
    server = Server(hello, batches, token=token, limits=Limits(config.max_clients, config.idle_s), tell=tell)
    stop = StopRequest("Ending; once more quits at once.")
    began_s = time.monotonic()
    with stop:
        url = asyncio.run(_listen(config, server, batches, hello, stop))
    return {
        "run": str(run.path),
        "steps": steps,
        "url": url,
        "seconds": time.monotonic() - began_s,
        "clients": server.clients,
        "refused": server.refused,
        "answers": batches.answers,
        "passes": batches.passes,
        "largest_batch": batches.largest,
        "pass_p50_ms": batches.times.percentile_ms(50),
        "pass_p99_ms": batches.times.percentile_ms(99),
    }


async def _listen(config: ServeConfig, server: Server, batches: Batches, hello: Hello, stop: StopRequest) -> str:
    """Serves until `stop` is set.

    Returns:
        The address.
    """
    try:
        async with batches, server.listening(config.host, config.port) as port:
            host = f"[{config.host}]" if ":" in config.host else config.host
            url = f"ws://{host}:{port}"
            senses = ", ".join(hello.senses)
            tell(
                f"{config.run} acts at {url} on {senses}; at most {observation_bytes(hello.senses):,} bytes a message."
            )
            if not is_loopback(config.host):
                tell("The token and what is sensed are not encrypted on their way; docs/how/serve.md has two cures.")
            while not stop.is_set:
                await asyncio.sleep(LOOK_S)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"Nothing can be served at {config.host}, port {config.port} ({reason}); choose another --port or --host."
        ) from error
    return url


def _load(run: "PolicyFolder", config: ServeConfig) -> tuple[gymnasium.Space[Any], Decide, int]:
    """The policy's actions, what asks it, and the steps that it was trained for; torch only where a run acts."""
    if isinstance(run, ExportedRun):
        policy = run.policy
        policy.seed(config.seed)
        return (
            policy.action_space,
            lambda batch, memory, starts: policy.decide(batch, memory, starts, config.greedy),
            run.steps,
        )
    import torch

    from ..runs.machine import choose_device, limit_threads

    device = choose_device(config.device)
    limit_threads(run.config.perception)
    actions = actions_of(run)
    trained, steps = run.reader.read(run.path, run.config, run.config.spec.space(), actions)
    trained.set_training_mode(False)
    torch.manual_seed(config.seed)
    return actions, decide_with(trained.to(device), is_greedy=config.greedy), steps


def decide_with(policy: "ActorCriticPolicy", *, is_greedy: bool) -> Decide:
    """How a policy of stable-baselines3, or ours, is asked for everything at once."""
    from ...policies.heads import decide

    def ask(
        batch: dict[str, NDArray[Any]], memory: Memory | None, starts: NDArray[np.bool_]
    ) -> tuple[Any, Any, dict[str, Any]]:
        actions, after, gates = decide(policy, batch, memory, starts, is_greedy)
        return actions, after, {name: gate.detach().cpu().numpy() for name, gate in gates.items()}

    return ask


def as_text(result: dict[str, Any]) -> str:
    """The service for people."""
    lines = [
        f"{result['answers']:,} answers to {result['clients']:,} clients in {duration(result['seconds'])}, "
        f"{result['refused']:,} refused",
        f"a pass p50 {result['pass_p50_ms']:.1f} ms, p99 {result['pass_p99_ms']:.1f} ms; {result['passes']:,} passes, "
        f"the largest with {result['largest_batch']} observations",
    ]
    return "\n".join(lines)
