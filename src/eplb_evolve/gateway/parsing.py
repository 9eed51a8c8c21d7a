"""The program that OpenEvolve makes of a reply, by its own rules."""

import hashlib
from dataclasses import dataclass

from eplb_evolve.proposer.prompt import Prompt

STANDARD_DIFF = r"<<<<<<< SEARCH\n(.*?)=======\n(.*?)>>>>>>> REPLACE"


@dataclass(frozen=True)
class Rules:
    """What a configuration of OpenEvolve says of replies; the attributes are its own keys."""

    diff_pattern: str = STANDARD_DIFF
    enforce_evolve_blocks: bool = False
    max_code_length: int = 10_000_000


def program_of(prompt: Prompt, reply: str, rules: Rules, cut: bool = False) -> str | None:
    """The program that OpenEvolve 0.4.1 makes of a reply to a prompt of its own; None where it makes none.

    A diff must apply at least once and change the program. A full rewrite may be any text that differs: where there
    is no code fence, OpenEvolve takes the reply itself for the program, which is no program if it was `cut`.
    """
    from openevolve.utils import code_utils  # takes a second

    try:
        if prompt.wants_diff:
            blocks = code_utils.extract_diffs(reply, rules.diff_pattern)
            program, _ = code_utils.apply_diff_blocks(prompt.program, blocks)
        elif cut and "```" not in reply.partition("```")[2]:
            return None
        else:
            program = code_utils.parse_full_rewrite(reply, "python") or prompt.program
        if rules.enforce_evolve_blocks:
            program = code_utils.enforce_evolve_blocks(prompt.program, program)
    except ValueError:  # malformed markers
        return None
    fits = program != prompt.program and len(program) <= rules.max_code_length
    return str(program) if fits else None


def sha256(program: str) -> str:
    """As the ledger names a program: of the text in UTF-8, hexadecimal."""
    return hashlib.sha256(program.encode("utf-8", "surrogatepass")).hexdigest()
