"""What a person runs: the command line, training, evaluation, and the run directories that they share."""
