"""Whether OpenEvolve can make a program of a reply, by its own rules."""

from dataclasses import dataclass

from eplb_evolve.proposer.prompt import UnknownPrompt, read_prompt

STANDARD_DIFF = r"<<<<<<< SEARCH\n(.*?)=======\n(.*?)>>>>>>> REPLACE"


@dataclass(frozen=True)
class Rules:
    """What a configuration of OpenEvolve says of replies; the attributes are its own keys."""

    diff_pattern: str = STANDARD_DIFF
    enforce_evolve_blocks: bool = False
    max_code_length: int = 10_000_000


def makes_a_program(prompt_text: str, reply: str, rules: Rules, cut: bool = False) -> bool | None:
    """What OpenEvolve 0.4.1 will decide; None when the prompt is not one of its own.

    A diff must apply at least once and change the program. A full rewrite may be any text that differs: where there
    is no code fence, OpenEvolve takes the reply itself for the program, which is no program if it was `cut`.
    """
    from openevolve.utils import code_utils  # takes a second

    try:
        prompt = read_prompt(prompt_text)
    except UnknownPrompt:
        return None
    try:
        if prompt.wants_diff:
            blocks = code_utils.extract_diffs(reply, rules.diff_pattern)
            program, _ = code_utils.apply_diff_blocks(prompt.program, blocks)
        elif cut and "```" not in reply.partition("```")[2]:
            return False
        else:
            program = code_utils.parse_full_rewrite(reply, "python") or prompt.program
        if rules.enforce_evolve_blocks:
            program = code_utils.enforce_evolve_blocks(prompt.program, program)
    except ValueError:  # malformed markers
        return False
    return bool(program != prompt.program and len(program) <= rules.max_code_length)
