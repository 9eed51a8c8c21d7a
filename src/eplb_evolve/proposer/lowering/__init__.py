"""Python, torch and numpy code rewritten so that numba compiles it."""
