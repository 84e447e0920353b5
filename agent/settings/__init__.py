"""What a command can be told, as frozen dataclasses that check themselves."""
