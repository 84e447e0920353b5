"""`senseweave live`: a loop that keeps time between real sensors and a policy."""
