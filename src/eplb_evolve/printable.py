"""Text of candidates is hostile: what a person sees of it must neither move a cursor nor turn the writing round."""


def printable(text: str) -> str:
    """Without control characters and those that turn the direction of writing: they are spelled out."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
