"""Loops over independent rows rewritten as operations on all rows at once."""
