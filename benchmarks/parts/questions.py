"""The questions that docs/results.md answers, in their order: what each table shows, and where its story is told."""

from .live_questions import LIVE
from .question import Question

SHARE = ".3f"
"""Of a share: .785, without the zero before the point."""


LEARNED = (
    Question(
        "main-job",
        "How often is the agent of the recipe `reactive` right?",
        "`make train` was this recipe until 2026-12-01; its successor `seek` is still to be measured so. "
        "Success in 512 held-out rooms of Seek; actions are sampled unless the column says greedy. "
        "A guess is right in at most 1/3. "
        "These runs precede a fix of the last update; seeds 0 and 1 gave .924 and .916 after it.",
        {"sampled": SHARE, "greedy": SHARE},
        "2026-11-27-main-job",
        episodes=dict.fromkeys(("sampled", "greedy"), 512),
    ),
    Question(
        "seek-senses",
        "Which sense does an instruction need?",
        "Half of Seek's instructions name a look (SeekSeen), half a sound (SeekHeard). Success in 512 held-out rooms "
        "each of an agent of the recipe `reactive`; where the sense that decides is gone, chance (1/3) is left.",
        {"Seek": SHARE, "SeekSeen": SHARE, "SeekHeard": SHARE, "steps in Seek": ".1f"},
        "2026-11-23-what-seek-needs",
        episodes=dict.fromkeys(("Seek", "SeekSeen", "SeekHeard"), 512),
    ),
    Question(
        "spoken",
        "Can it act on an instruction that it heard once?",
        "SeekSpoken: the instruction is spoken in the first seconds and never written. "
        "Success in 512 held-out rooms; a guess is right in at most 1/3.",
        {"sampled": SHARE, "greedy": SHARE, "without audio": SHARE, "without camera": SHARE},
        "2026-11-28-seek-spoken",
        episodes=dict.fromkeys(("sampled", "greedy", "without audio", "without camera"), 512),
    ),
    Question(
        "episodes-to-99",
        "How many episodes until 99 % in BabyAI's levels?",
        "Our PPO with a GRU, counted as BabyAI's papers count. The last two columns are the policy's success in 1,000 "
        "episodes of minigrid itself, where it never trained.",
        {"thousand episodes": ".1f", "frames": ",.0f", "minigrid, sampled": SHARE, "minigrid, greedy": SHARE},
        "2026-11-24-episodes-to-99",
        episodes=dict.fromkeys(("minigrid, sampled", "minigrid, greedy"), 1000),
    ),
    Question(
        "recipes",
        "How well does `train --env ID` do with nothing else said?",
        "Each level's recipe, one core beside other work; 1,000 held-out episodes of minigrid itself, where it never "
        "trained. The papers' figures (Chevalier-Boisvert et al. 2018, Hui et al. 2020) are their lowest to 99 %: "
        "thousands of episodes by PPO, of demonstrations by imitation. Levels that are not here were not measured.",
        {
            "sampled": SHARE,
            "greedy": SHARE,
            "thousand steps": ".0f",
            "thousand episodes": ".1f",
            "minutes": ".1f",
            "papers: thousand episodes": ".0f",
            "papers: thousand demonstrations": ".0f",
        },
        "2026-12-01-recipes",
        episodes=dict.fromkeys(("sampled", "greedy"), 1000),
    ),
    Question(
        "BabyAI-GoToRedBallGrey-v0",
        "What is the perception worth with SB3's PPO?",
        "BabyAI-GoToRedBallGrey, 300,000 frames; `plain` is a CNN, a GRU over the words and a concatenation. "
        "Success in 512 held-out episodes.",
        {"frames to 95 %": ",.0f", "sampled": SHARE, "greedy": SHARE, "steps": ".1f", "frames/CPU s": ",.0f"},
        "2026-11-21-babyai-with-sb3",
        ("red-ball-curves.png", "Success in training against frames"),
        episodes=dict.fromkeys(("sampled", "greedy"), 512),
    ),
    Question(
        "babyai-local",
        "Does it follow the instruction in GoToLocal?",
        "A million frames with SB3's PPO, two seeds, 512 held-out episodes: one seed learned to follow, one did not. "
        "BabyAI does not punish wrong things, so wandering succeeds more than half of the time.",
        {"sampled": SHARE, "return": SHARE, "steps": ".1f", "x bot's steps": ".2f"},
        "2026-11-21-babyai-with-sb3",
        episodes={"sampled": 512},
    ),
)

FUSED = (
    Question(
        "fusions",
        "Which fusion learns soonest?",
        "Each imitates the expert in the same 100,000 states of Seek, with equal encoders and numbers of parameters. "
        "Success in 512 held-out rooms, sampled; failing: every sense is gone half of the time. A guess: at most 1/3. "
        "Time is that of forward and backward, as a multiple of the default's.",
        {
            "all senses": SHARE,
            "without audio": SHARE,
            "without camera": SHARE,
            "failing": SHARE,
            "never shown": SHARE,
            "time": ".2f",
        },
        "2026-11-27-thirteen-fusions",
        ("fusions.png", "Success in Seek of every fusion, in each case, each seed"),
        episodes=dict.fromkeys(("all senses", "without audio", "without camera", "failing", "never shown"), 512),
    ),
    Question(
        "fusions-reinforced",
        "Which fusion is best after longer training?",
        "200,000 steps of imitation and 100,000 of PPO instead, networks of equal size; the same held-out rooms. "
        "Here a concatenation is as good as the default.",
        {
            "all senses": SHARE,
            "without audio": SHARE,
            "without camera": SHARE,
            "failing": SHARE,
            "never shown": SHARE,
        },
        "2026-11-27-thirteen-fusions",
        episodes=dict.fromkeys(("all senses", "without audio", "without camera", "failing", "never shown"), 512),
    ),
    Question(
        "fusions-grounded",
        "Which fusion follows instructions of several attributes?",
        'SeekGrounded: 70 instructions such as "go to the tall red ball" among five things; a guess is 1/5. '
        "Never shown: 15 instructions that training left out.",
        {"all senses": SHARE, "without camera": SHARE, "without instruction": SHARE, "never shown": SHARE},
        "2026-11-28-seek-grounded",
        episodes=dict.fromkeys(("all senses", "without camera", "without instruction", "never shown"), 512),
    ),
)

FAILED = (
    Question(
        "missing-senses",
        "How much is lost as senses fail?",
        "Success in 512 held-out rooms of Seek when every sense is gone for this part of the time, a second at a time. "
        "An absent sense has no influence, so dropout pays only where most is gone.",
        {"0 %": SHARE, "10 %": SHARE, "25 %": SHARE, "50 %": SHARE, "75 %": SHARE},
        "2026-11-28-missing-senses",
        ("missing-senses.png", "Success against the part of the time that each sense is gone, each seed"),
        episodes=dict.fromkeys(("0 %", "10 %", "25 %", "50 %", "75 %"), 512),
    ),
    Question(
        "token-deletion",
        "Do explanations point at what decides?",
        "How far the choice moves, in nats, when the tokens that are ranked first are taken away; one decision of each "
        "of 512 episodes. A ratio of 1 is chance.",
        {
            "chance": SHARE,
            "attention": SHARE,
            "x chance, attention": ".1f",
            "integrated gradients": SHARE,
            "x chance, gradients": ".1f",
        },
        "2026-11-27-token-deletion",
    ),
    Question(
        "killed",
        "Does training survive being killed?",
        "SIGKILL and the other signals that end a process at random moments, then `--resume` in a new process. "
        "Recovered: the end is that of the run that nobody disturbed.",
        {"kills": ".0f", "recovered": ".0f"},
        "2026-11-30-nothing-is-lost",
    ),
    Question(
        "faults",
        "What is left when an environment fails?",
        "One of four environments raises, leaves the process, or gives what no environment may, in the second rollout. "
        "Named: with its number and step, in a sentence; two faults end the process at once. Kept: the rollout before. "
        "Same end: the run that goes on in a mended world ends with the bits of one in which nothing failed.",
        {"faults": ".0f", "named": ".0f", "kept": ".0f", "same end": ".0f"},
        "2026-11-30-nothing-is-lost",
    ),
    Question(
        "file-fuzz",
        "Does any file hurt whoever reads it?",
        "Damaged and hostile files (bits, lengths, pieces, FIFOs, devices, files of holes, hostile values under right "
        "checksums), each read in a process of its own. It holds where what is read is the same, is refused in one "
        "sentence, is told, or is what the file says under a right checksum. It fails by a traceback, by 10 s, by "
        "500 MB, or by a difference that nobody is told of.",
        {
            "cases": ",.0f",
            "held": ",.0f",
            "traceback": ".0f",
            "hang": ".0f",
            "memory": ".0f",
            "silent": ".0f",
            "longest s": ".1f",
            "most MB": ".0f",
        },
        "2026-11-28-killed-and-resumed",
    ),
    Question(
        "exported-contract",
        "Does an exported file keep the contract for absent senses?",
        "Every subset of six senses, with noise, silence, a dead channel, 1e30, NaN and inf where nothing is and where "
        "something is; in onnxruntime, and as a file of torch.export. What is absent must leave no bit; the largest "
        "difference from torch is in parts of the largest number of its states.",
        {"states": ",.0f", "from torch, 1e-6": ".2f", "wrong": ".0f"},
        "2026-12-01-export",
    ),
)

OTHER_TASKS = (
    Question(
        "examples-scenes",
        "What is the nearest thing, and what does it sound like?",
        "Classification with four heads, 736 held-out rooms; mean of the four heads as camera and audio are taken away "
        "independently in a part of the rooms. The task does not tell the fusions apart.",
        {"kind": SHARE, "sound": SHARE, "mean": SHARE, "a quarter missing": SHARE, "half": SHARE},
        "2026-11-27-examples",
        ("scene-missing.png", "Accuracy against the part of the senses that is missing"),
    ),
    Question(
        "examples-retrieval",
        "Does a sound, or a caption, find its frame?",
        "Recall among 234 held-out frames.",
        {
            "sound, @1": SHARE,
            "sound, @5": SHARE,
            "sound, @10": SHARE,
            "caption, @1": SHARE,
            "caption, @5": SHARE,
            "caption, @10": SHARE,
        },
        "2026-11-27-examples",
    ),
    Question(
        "examples-image-text",
        "Does the sentence describe the frame?",
        "736 held-out rooms with 8 sentences each, half of them with one wrong word.",
        {"right": SHARE, "s": ".0f"},
        "2026-11-27-examples",
    ),
    Question(
        "examples-questions",
        "Can it answer questions about what it sees and hears?",
        "2,666 held-out rooms; the number of questions in parentheses. Each model is trained for the senses it gets.",
        {"all senses": SHARE, "without audio": SHARE, "question alone": SHARE, "chance": SHARE},
        "2026-11-27-examples",
    ),
)

SPEED = (
    Question(
        "race",
        "How soon is a policy right in 97 % of the episodes?",
        "GoToRedBallGrey, each trainer with its best known settings, ours in Rooms, SB3 (plain CNN and GRU) in "
        "minigrid. Seconds to a share of the last 200 training episodes; held out: 1,000 episodes of minigrid itself. "
        "The compiled run found its graphs in inductor's cache; with an empty cache it takes 37 s more.",
        {"s to 95 %": ".0f", "s to 97 %": ".0f", "s to 99 %": ".0f", "frames to 97 %": ",.0f", "held out": SHARE},
        "2026-11-28-on-device-trainer",
        episodes={"held out": 1000},
    ),
    Question(
        "training-speed",
        "How many frames a second does it train?",
        "Equal network, batches and epochs; SB3 with its better number of threads. "
        "Targets: 2x and 1.5x. Reached with `--compile`, missed without.",
        {"frames/s": ",.0f", "x SB3": ".2f"},
        "2026-11-28-on-device-trainer",
    ),
    Question(
        "two-checkouts",
        "Is it as fast as the release before?",
        "The release before Edges and this one take turns at the same training and at live on the same clip at 30 Hz, "
        "one figure a round. Both trainings end with the same bits.",
        {"before": ",.2f", "now": ",.2f", "now / before": ".2f"},
        "2026-11-30-edges",
    ),
    Question(
        "rooms-speed",
        "How fast is the simulator?",
        "Steps a second of all environments together, GoToRedBallGrey, random actions, one thread; "
        "the last number of a row is how many environments ran at once.",
        {"steps/s": ",.0f", "x minigrid": ".2f", "x ViZDoom": ".2f", "x XLand-MiniGrid": ".2f", "resident MB": ".0f"},
        "2026-11-23-rooms-speed",
        ("rooms-speed.png", "Time per step against the number of environments"),
    ),
    Question(
        "perception-speed",
        "What does the perception cost beside other libraries?",
        "Preset `base`, forward and backward of 256 samples on one core, the same encoders for all; "
        "x is how many times our time a fusion takes. Only ours keeps the absence contract.",
        {"ms": ".0f", "x": ".2f", "fusion alone, x": ".2f"},
        "2026-11-21-cost-of-perception",
    ),
    Question(
        "laptop-cost",
        "What does a sample cost in the preset `laptop`?",
        "Forward and backward on one core, 0.1 s of sound; parts are timed alone, so shares need not add up to 100 %. "
        "These networks had 2,048 parameters less than today's.",
        {
            "parameters": ",.0f",
            "ms a sample": ".2f",
            "audio, %": ".0f",
            "camera, %": ".0f",
            "instruction, %": ".0f",
            "fusion, %": ".0f",
        },
        "2026-11-21-cost-of-perception",
    ),
    Question(
        "export-speed",
        "How fast is an exported perception?",
        "The laptop preset on one core, all senses here; medians of 15 rounds. The error is the largest difference from"
        " eager torch. int8 is slower and further off, and so not offered.",
        {
            "batch 1, ms": ".2f",
            "batch 1, CPU ms": ".2f",
            "batch 64, ms": ".1f",
            "batch 64, CPU ms": ".1f",
            "error, 1e-6": ",.1f",
        },
        "2026-12-01-export",
    ),
)

SECTIONS: dict[str, tuple[Question, ...]] = {
    "What agents learn": LEARNED,
    "Fusions": FUSED,
    "When things fail": FAILED,
    "Other tasks": OTHER_TASKS,
    "Speed": SPEED,
    "Live": LIVE,
}
