"""Answer questions about what is seen and heard, "what colour is the ringing thing?" and two other sorts.

    python examples/visual_question_answering.py

Camera, audio and question go through one perception; a linear layer reads the answer from its state. Beside it stand
a model without audio, one that gets the question alone (the other senses are absent, by `present`), and chance: the
commonest answer. For the colour of what sounds is asked only where several things are seen.
"""

import argparse

import torch
from rooms_data import SIDES, Scenes, scenes
from torch import Tensor, nn

from senseweave.envs.rooms.codes import COLOURS, KEY, KINDS, SOUNDS
from senseweave.perception import Perception, Spec, default_tokenizer

THINGS = KINDS[KEY : KEY + 3]
ANSWERS = (*COLOURS[:3], *THINGS, *SIDES)
SORTS = ("what colour is the KIND?", "what colour is the SOUNDING thing?", "where is the SOUNDING thing?")


def questions(data: Scenes) -> tuple[list[int], list[str], list[int], list[int]]:
    """Everything that can be asked about things in view: its room, words, sort (row of SORTS) and answer."""
    asked = []
    for room in range(len(data.nearest)):
        kinds, sounds = data.kind[room].tolist(), data.sound[room].tolist()
        for thing in data.is_seen[room].nonzero().flatten().tolist():
            colour, side = int(data.colour[room, thing]), 6 + int(data.side[room, thing])
            if kinds.count(kinds[thing]) == 1:
                asked.append((room, f"what colour is the {THINGS[kinds[thing]]}?", 0, colour))
            if sounds.count(sounds[thing]) == 1:
                asked.append((room, f"where is the {SOUNDS[sounds[thing]]} thing?", 2, side))
                if int(data.is_seen[room].sum()) > 1:
                    asked.append((room, f"what colour is the {SOUNDS[sounds[thing]]} thing?", 1, colour))
    return tuple(map(list, zip(*asked, strict=True)))


class Answerer(nn.Module):
    """A perception, and a linear layer that reads the answer from its state.

    Args:
        spec: audio, camera and question.
        present: which of the three it gets.
    """

    def __init__(self, spec: Spec, present: tuple[int, ...]) -> None:
        super().__init__()
        self.perception = Perception(spec)
        self.reader = nn.Linear(self.perception.config.state_dim, len(ANSWERS))
        self.present = torch.tensor(present)

    def inputs(self, data: Scenes) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Readings, and of each question the room, the sort and the answer."""
        room, words, sort, answer = questions(data)
        readings = self.perception.digest(data.observations)
        readings["question"] = self.perception.prepare({"question": words})["question"]
        return readings, torch.tensor(room), torch.tensor(sort), torch.tensor(answer)

    def forward(self, readings: dict[str, Tensor], room: Tensor, rows: Tensor) -> Tensor:
        """Logits of the answers to some questions."""
        obs = {name: part[rows if name == "question" else room[rows]] for name, part in readings.items()}
        return self.reader(self.perception(obs | {"present": self.present.expand(len(rows), -1)}).embedding)


def main(rooms: int, steps: int, seed: int) -> None:
    """Trains both models and prints their accuracy by the sort of question, in rooms that were never seen."""
    torch.manual_seed(seed)
    train, test = scenes(rooms, seed), scenes(rooms // 6, seed + 1)
    spec = Spec(**dict(train.spec), question=default_tokenizer().instruction(16))
    senses = {"all senses": (1, 1, 1), "without audio": (0, 1, 1), "question alone": (0, 0, 1)}
    models = {name: Answerer(spec, present) for name, present in senses.items()}
    accuracy = {}
    for name, model in models.items():
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        readings, room, _, answer = model.inputs(train)
        for _ in range(steps):
            rows = torch.randint(len(room), (128,))
            loss = nn.functional.cross_entropy(model(readings, room, rows), answer[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        readings, room, sort, answer = model.inputs(test)
        with torch.no_grad():
            parts = [model(readings, room, rows) for rows in torch.arange(len(room)).split(512)]
        accuracy[name] = torch.cat(parts).argmax(dim=1) == answer
    for number, words in enumerate(SORTS):
        here = sort == number
        chance = answer[here].bincount().max() / here.sum()
        shares = ", ".join(f"{name} {right[here].float().mean():.3f}" for name, right in accuracy.items())
        print(f"{words} {shares}, chance {chance:.3f} ({int(here.sum())} questions)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=16_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
