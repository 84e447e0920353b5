"""`senseweave serve`: from the options to a policy behind a WebSocket, until Ctrl-C."""

import asyncio
import time
from typing import Any

import gymnasium
import torch

from ...envs import make
from ...envs.live.remote.facts import Hello, require_plain_space
from ...envs.live.remote.messages import import_msgpack, observation_bytes
from ...envs.live.remote.token import read_token
from ...perception.errors import ConfigError
from ..runs.directory import RunDirectory
from ..runs.machine import choose_device, limit_threads
from ..runs.strangers import choose_env
from ..settings.serve import ServeConfig, is_loopback
from ..terminal.progress import duration, tell
from ..terminal.stop import StopRequest
from .batches import Batches, decide_with
from .server import Limits, Server

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
    run = RunDirectory.open(config.run)
    actions = actions_of(run)
    require_plain_space(actions)
    device = choose_device(config.device)
    limit_threads(run.config.perception)
    policy, steps = run.reader.read(run.path, run.config, run.config.spec.space(), actions)
    policy.set_training_mode(False)
    torch.manual_seed(config.seed)
    batches = Batches(decide_with(policy.to(device), is_greedy=config.greedy), run.config.spec)
    hello = Hello(
        run=run.config.run,
        senses=run.config.spec,
        tokenizer=run.config.tokenizer,
        action_names=run.config.action_names if isinstance(actions, gymnasium.spaces.Discrete) else (),
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


def actions_of(run: RunDirectory) -> gymnasium.Space[Any]:
    """The run's actions; where they are no names, its environment is made for a moment to tell them."""
    if run.reader.chooses_one_action(run.path, run.config):
        return gymnasium.spaces.Discrete(len(run.config.action_names))
    env_id, options = choose_env(run, None, None)
    env = make(env_id, **options)
    try:
        return env.action_space
    finally:
        env.close()


def as_text(result: dict[str, Any]) -> str:
    """The service for people."""
    lines = [
        f"{result['answers']:,} answers to {result['clients']:,} clients in {duration(result['seconds'])}, "
        f"{result['refused']:,} refused",
        f"a pass p50 {result['pass_p50_ms']:.1f} ms, p99 {result['pass_p99_ms']:.1f} ms; {result['passes']:,} passes, "
        f"the largest with {result['largest_batch']} observations",
    ]
    return "\n".join(lines)
