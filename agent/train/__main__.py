"""`torchrun -m senseweave.agent.train ...`: how release 0.1 named `torchrun -m senseweave.agent.cli train ...`."""

import runpy
import sys

sys.argv.insert(1, "train")
runpy.run_module("senseweave.agent.cli", run_name="__main__")
