"""`python -m eplb_evolve`: the same as `eplb`."""

from eplb_evolve.cli.main import main

main()
