"""The command line: what the options mean, which command runs, and how a mistake is told."""
