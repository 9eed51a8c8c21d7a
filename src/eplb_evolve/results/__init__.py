"""Ledger, ranking, leaderboard and records."""
