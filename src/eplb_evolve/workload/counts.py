"""Recorded counts on disk: one compressed array `counts` [steps, layers, logical experts] in NAME.npz."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import UsageError

Counts = NDArray[np.uint32]
KEY = "counts"


def write_counts(path: Path, counts: NDArray[np.unsignedinteger]) -> str:
    """Write counts [steps, layers, experts] in the smallest dtype that holds them; return the file's sha256.

    The zip entry carries a fixed time, so the same counts give the same bytes (with the same zlib).
    """
    array = io.BytesIO()
    np.save(array, counts.astype(np.min_scalar_type(int(counts.max(initial=0)))))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        entry = zipfile.ZipInfo(f"{KEY}.npy", date_time=(1980, 1, 1, 0, 0, 0))
        file.writestr(entry, array.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    path.write_bytes(archive.getvalue())
    return hashlib.sha256(archive.getvalue()).hexdigest()


def read_counts(path: Path, sha256: str, shape: tuple[int, int, int]) -> Counts:
    """Counts [steps, layers, experts] from `path`, after its sha256 and shape were found to be the card's."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read ({error.strerror}); restore it beside its card") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise UsageError(
            f"{path.name}: not the file that its card describes: expected sha256 {sha256}, found {found}; "
            "restore the file, or mend the card if the change is meant"
        )
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            counts = archive[KEY]
    except (KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path.name}: not an .npz archive with an array '{KEY}' ({error})") from error
    if not np.issubdtype(counts.dtype, np.unsignedinteger):
        raise UsageError(f"{path.name}: '{KEY}' must hold unsigned whole numbers, it is {counts.dtype}")
    if counts.shape != shape:
        raise UsageError(f"{path.name}: '{KEY}' has shape {list(counts.shape)}, the card says {list(shape)}")
    result: Counts = counts.astype(np.uint32)
    return result


def sum_windows(counts: Counts, interval_steps: int) -> Counts:
    """Counts summed over consecutive intervals, [windows, layers, experts]; a shorter rest is dropped."""
    steps, layers, experts = counts.shape
    windows = steps // interval_steps
    whole = counts[: windows * interval_steps].reshape(windows, interval_steps, layers, experts)
    result: Counts = whole.sum(axis=1, dtype=np.uint32)
    return result
