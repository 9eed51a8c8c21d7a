"""Whether OpenEvolve can make a program of a reply, by its own rules."""

from eplb_evolve.proposer.prompt import UnknownPrompt, read_prompt


def makes_a_program(prompt_text: str, reply: str) -> bool | None:
    """What OpenEvolve 0.4.1 will decide, its length limit aside; None when the prompt is not one of its own.

    A diff must apply at least once and change the program. A full rewrite may be any text that differs: where there
    is no code fence, OpenEvolve takes the reply itself for the program.
    """
    from openevolve.utils.code_utils import apply_diff_blocks, extract_diffs, parse_full_rewrite  # takes a second

    try:
        prompt = read_prompt(prompt_text)
    except UnknownPrompt:
        return None
    if not prompt.wants_diff:
        program = parse_full_rewrite(reply, "python")
        return bool(program and program != prompt.program)
    try:
        program, applied = apply_diff_blocks(prompt.program, extract_diffs(reply))
    except ValueError:  # malformed markers
        return False
    return bool(applied > 0 and program != prompt.program)
