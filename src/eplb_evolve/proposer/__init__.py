"""Proposes programs without an LLM: generic program transformations behind an OpenAI-compatible endpoint."""

from .engine import NothingToPropose, Proposal, propose
from .lifecycle import Endpoint, PortBusy, ensure_running
from .program import UnreadableProgram

__all__ = [
    "Endpoint",
    "NothingToPropose",
    "PortBusy",
    "Proposal",
    "UnreadableProgram",
    "ensure_running",
    "propose",
]
