"""Proposes programs without an LLM: generic program transformations."""

from .engine import NothingToPropose, Proposal, propose
from .program import UnreadableProgram

__all__ = [
    "NothingToPropose",
    "Proposal",
    "UnreadableProgram",
    "propose",
]
