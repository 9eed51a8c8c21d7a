"""The command line, `eplb`."""
