"""What a person runs: train, evaluate, explain, watch, live, pretrain. A folder for each thing that can be named."""

from ..perception.registry import moved_modules

moved_modules(
    __name__,
    {
        "build": (".runs.policies", ".runs.machine", ".play.environments", ".train.start"),
        "choice_values": (".explain.choice_values",),
        "config": (".settings.train", ".settings.evaluate", ".settings.watch"),
        "decisions": (".explain.decisions",),
        "episodes": (".play.episodes",),
        "live_config": (".settings.live",),
        "live_loop": (".live.loop", "..envs.live.tick"),
        "players": (".play.players", "..envs.live.tick"),
        "policy_head": (".explain.policy_head",),
        "record": ("..envs.live.sessions.recorder",),
        "rundir": (".runs.directory", ".runs.config"),
        "shapley": (".explain.shapley",),
    },
)
