"""Text of candidates is hostile: what a person sees of it must neither move a cursor nor turn the writing round."""


def printable(text: str) -> str:
    """Without control characters and those that turn the direction of writing: they are spelled out."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def one_line(text: str) -> str:
    """The same for a name or a sentence, which has no lines: their ends and tabs are spelled out too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
