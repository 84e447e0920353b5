"""The questions of docs/results.md about live loops and policies that left their trainer; see questions.py."""

from .question import Question

LIVE = (
    Question(
        "live-jitter",
        "How punctual is the live loop?",
        "Lateness of a tick against its deadline over 60 s, a clip as camera and microphone, the laptop policy; "
        "timer: a process beside it that only sleeps and wakes.",
        {
            "ticks": ",.0f",
            "missed": ".0f",
            "late p50 ms": ".2f",
            "late p99 ms": ".2f",
            "latest ms": ".1f",
            "timer p99 ms": ".2f",
            "work p99 ms": ".1f",
        },
        "2026-11-24-live-punctuality",
    ),
    Question(
        "live-soak",
        "Does it survive half an hour of failing devices?",
        "`senseweave live` at 10 Hz with recording and report; every 40 s a device raises, falls silent or hangs.",
        {"after a sixth": ",.1f", "at the end": ",.1f", "most": ",.1f"},
        "2026-11-24-live-soak",
    ),
    Question(
        "export-live",
        "What does a robot save by an exported policy?",
        "`senseweave live` at 30 Hz on a clip, with a run and with what `senseweave export` made of it, the latter in "
        "a Python without torch. The policy was hardly trained, which changes nothing here.",
        {
            "late p99 ms": ".1f",
            "work p50 ms": ".1f",
            "work p99 ms": ".1f",
            "peak MB": ".0f",
            "start s": ".1f",
            "installed MB": ",.0f",
        },
        "2026-12-01-export",
    ),
    Question(
        "serving-speed",
        "How long does a policy on another machine take?",
        "From packing an observation to having its action, over loopback, 30 observations a second of each client "
        "(clients in processes of their own on the same two cores); beside it the same policy in the same process. "
        "`unanswered`: not within a second.",
        {"answers": ",.0f", "p50 ms": ".1f", "p99 ms": ".1f", "most ms": ".0f", "unanswered": ".0f"},
        "2026-12-01-serving",
    ),
    Question(
        "serving-faults",
        "What does a rig do when its policy's server is late, gone, or back?",
        "A rig at 20 Hz (a tick is 50 ms, the safe action is due after 0.5 s) behind a TCP proxy, or whose server is "
        "killed with SIGKILL and started again. To safety: from the policy's last action to the safe one, at most; to "
        "action: from when the server could be reached to the policy's next action.",
        {"ticks": ",.0f", "missed": ",.0f", "oldest action ms": ".0f", "to safety s": ".2f", "to action s": ".2f"},
        "2026-12-01-serving",
    ),
    Question(
        "serving-fuzz",
        "What can strangers do to a policy server?",
        "Messages of each kind, each on a connection of its own, to one server; a flood sends observations as fast as "
        "they go and takes no answer. Answered after: whether another client is.",
        {"cases": ",.0f", "crashes": ".0f", "answered after": ".0f", "more MB": ".1f"},
        "2026-12-01-serving",
    ),
    Question(
        "hostile-sources",
        "What can a hostile network camera do to it?",
        "`senseweave live` at 20 Hz; its camera is a server that resets, trickles, sends noise, bombs, pictures of "
        "other sizes, or nothing. It holds where the process ends as told, or is refused in one sentence, keeps 95 % "
        "of its rate, and stays below 1.5 GB with its decoder.",
        {"cases": ".0f", "held": ".0f", "slowest Hz": ".2f", "largest MB": ".0f", "longest s": ".1f"},
        "2026-11-30-edges",
    ),
    Question(
        "speech",
        "How often are spoken instructions understood?",
        "Synthesised voices that did not choose the thresholds: 90 phrases (42 of Seek's), 48 other sentences and 48 "
        "near misses in each row. No person has spoken.",
        {
            "understood, %": ".0f",
            "as another phrase, %": ".0f",
            "other sentences taken": ".0f",
            "near misses taken": ".0f",
            "stopped for nothing": ".0f",
        },
        "2026-11-24-spoken-instructions",
    ),
)
