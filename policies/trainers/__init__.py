"""The trainers that `TRAINERS` names: what each can do stands in a light file, how it trains in one beside it."""
