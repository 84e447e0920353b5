"""`senseweave evaluate` and `senseweave watch`: trained policies on episodes that they never saw."""
