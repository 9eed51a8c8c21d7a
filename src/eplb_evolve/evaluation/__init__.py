"""Verify, balance, time and score one candidate against the reference."""
