"""What a model thinks aloud before it answers: its drafts may hold diffs that it drops again."""

import re

_WORD = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad)"
_PAIRS = (
    (rf"<{_WORD}>", rf"</{_WORD}>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<unused94>(?:thought)?", r"<unused95>"),
)
_BEGIN, _END = ("|".join(ends) for ends in zip(*_PAIRS, strict=True))
_DRAFT = re.compile("|".join(rf"{begin}.*?(?:{end})" for begin, end in _PAIRS), re.DOTALL | re.IGNORECASE)
_BEGINS, _ENDS = re.compile(_BEGIN, re.IGNORECASE), re.compile(_END, re.IGNORECASE)
_FINAL = re.compile(r"<\|channel\|>final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_ANALYSIS = re.compile(r"\s*(?:<\|start\|>assistant)?\s*<\|channel\|>(?:analysis|commentary)")
_BARE_FINAL = re.compile(r"\A\s*analysis.*?assistantfinal", re.DOTALL)
_EDIT = ">>>>>>> REPLACE"


def without_drafts(text: str) -> str:
    """The text without what was thought aloud; "" if nothing else is there."""
    text = _BARE_FINAL.sub("", text)
    finals = list(_FINAL.finditer(text))
    if finals:
        text = text[finals[-1].end() :].split("<|", 1)[0]
    elif _ANALYSIS.match(text):
        return ""
    text = _DRAFT.sub("", text)
    text = _after_the_last_end(text)
    begins = _BEGINS.search(text)
    if begins:  # a draft without an end: what stands before it is all there is
        text = text[: begins.start()]
        text = text if _EDIT in text or "```" in text else ""
    return text if text.strip() else ""


def _after_the_last_end(text: str) -> str:
    """Servers may leave the beginning of a draft out, so that everything up to its end is one.

    Where only the text before such an end holds an edit, the end is a stray one, or quoted.
    """
    ends = list(_ENDS.finditer(text))
    if not ends:
        return text
    before, after = text[: ends[-1].start()], text[ends[-1].end() :]
    stray = not after.strip() and _EDIT in before
    return _ENDS.sub("", before) if stray else after
