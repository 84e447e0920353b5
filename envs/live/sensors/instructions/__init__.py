"""Instructions: a text, lines that somebody types, or what somebody says."""
