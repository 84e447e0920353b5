"""The terminal: progress on standard error, and an orderly end on Ctrl-C."""
