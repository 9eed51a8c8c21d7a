"""Runs candidate programs in processes of their own: a zygote forks, for each, a timekeeper and its frozen worker."""

from eplb_evolve.sandbox.client import CallResult, Worker, Zygote
from eplb_evolve.sandbox.levels import LEVELS, STRONGEST_ON_GPU, Level, at_least
from eplb_evolve.sandbox.limits import Limits

__all__ = ["LEVELS", "STRONGEST_ON_GPU", "CallResult", "Level", "Limits", "Worker", "Zygote", "at_least"]
