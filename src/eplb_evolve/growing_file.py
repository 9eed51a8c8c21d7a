"""A text file that another process goes on writing, read line by line as it grows."""

import os
from pathlib import Path


class GrowingFile:
    """Reads what is new since the last look.

    Attributes:
        replaced: whether the last look found a shorter file, which is another one: it was read from its beginning
    """

    def __init__(self, file: Path, begins_at: int = 0) -> None:
        self.file, self.replaced = file, False
        self._read_until = begins_at

    def new_lines(self, ended: bool = False) -> list[bytes]:
        """The lines completed since the last look, without their ends. A torn last line counts only if `ended`.

        None of them before the file is there. Raises OSError where it cannot be read.
        """
        self.replaced = False
        try:
            with self.file.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_until:
                    self.replaced, self._read_until = True, 0
                file.seek(self._read_until)
                new = file.read()
        except FileNotFoundError:
            return []
        complete = new if ended else new[: new.rfind(b"\n") + 1]
        self._read_until += len(complete)
        return complete.removesuffix(b"\n").split(b"\n") if complete else []
