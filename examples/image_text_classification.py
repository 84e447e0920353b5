"""Does this sentence describe this frame? Image and text fused by gated cross-attention and by concatenation.

    python examples/image_text_classification.py [--fusions gated_cross_attention concat]

Half of the sentences are true; in the other half one word is wrong: the colour, the thing, the distance or the side of
the nearest thing that is seen. Chance is a half. Measured in rooms that were never seen.
"""

import argparse
import random
import time

import torch
from rooms_data import SIDES, Scenes, scenes
from torch import nn

from senseweave.envs.rooms.codes import COLOURS, KEY, KINDS
from senseweave.perception import FUSIONS, Perception, PerceptionConfig, Spec, default_tokenizer

CHOICES = (COLOURS[:3], KINDS[KEY : KEY + 3], tuple(str(cells) for cells in range(1, 6)), SIDES)
"""Words that may stand in the places of a caption that matter."""


def sentences(data: Scenes, draw: random.Random) -> tuple[list[str], torch.Tensor]:
    """A sentence for each scene, and whether it is true."""
    texts, is_true = [], []
    for caption in data.captions():
        words = caption.split()
        is_true.append(draw.random() < 0.5)
        if not is_true[-1]:
            choices = draw.choice(CHOICES)
            place = next(place for place, word in enumerate(words) if word in choices)
            words[place] = draw.choice([word for word in choices if word != words[place]])
        texts.append(" ".join(words))
    return texts, torch.tensor(is_true, dtype=torch.float32)


def main(rooms: int, steps: int, fusions: list[str], seed: int) -> None:
    """Trains one classifier for each fusion and prints how often it is right."""
    train, test = scenes(rooms, seed), scenes(rooms // 6, seed + 1)
    spec = Spec(camera=train.spec["camera"], sentence=default_tokenizer().instruction(16))
    draw = random.Random(seed)
    told = [sentences(train, draw) for _ in range(8)]  # each frame with several sentences
    told_test = sentences(test, draw)
    for fusion in fusions:
        torch.manual_seed(seed)
        began = time.perf_counter()
        perception = Perception(spec, PerceptionConfig(fusion=fusion))
        head = nn.Linear(perception.config.state_dim, 1)
        optimizer = torch.optim.Adam([*perception.parameters(), *head.parameters()], lr=1e-3, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        frames = train.observations["camera"]
        texts = torch.stack([perception.prepare({"sentence": words})["sentence"] for words, _ in told])
        truths = torch.stack([truth for _, truth in told])
        for _ in range(steps):
            row, telling = torch.randint(len(frames), (128,)), torch.randint(len(told), (128,))
            logits = head(perception({"camera": frames[row], "sentence": texts[telling, row]}).embedding)[:, 0]
            loss = nn.functional.binary_cross_entropy_with_logits(logits, truths[telling, row])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        obs = perception.prepare({"camera": test.observations["camera"], "sentence": told_test[0]})
        with torch.no_grad():
            right = (head(perception(obs).embedding)[:, 0] > 0) == told_test[1].bool()
        seconds = time.perf_counter() - began
        print(f"{fusion}: right in {right.float().mean():.3f} of {len(right)} (chance .5), {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--fusions", nargs="+", choices=sorted(FUSIONS), default=["gated_cross_attention", "concat"])
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
