"""What two public evaluators of this problem would say about a program, from their formulas, written anew.

SkyDiscover, benchmarks/ADRS/eplb/evaluator/evaluator.py at 59643ef (2026-08-19); the ADRS leaderboard,
problems/eplb/evaluator.py at f856497 (2026-04-08).
"""
