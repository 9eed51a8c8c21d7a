"""Runs candidate programs in processes of their own: a zygote forks one worker per candidate and kills it hard."""

from eplb_evolve.sandbox.client import CallResult, Worker, Zygote
from eplb_evolve.sandbox.limits import Limits

__all__ = ["CallResult", "Limits", "Worker", "Zygote"]
