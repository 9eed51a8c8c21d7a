"""Counts of a trace, [steps, layers, logical experts]: what may be in them, and how they lie on disk, in NAME.npz."""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import UsageError
from eplb_evolve.hostile_text import sentence

Counts = NDArray[np.uint32]
Sums = NDArray[np.uint64]
KEY = "counts"
MOST = 2**32 - 1
AXES = ("step", "layer", "expert")


def accept(values: Any, where: str) -> Counts:
    """Counts [steps, layers, experts] as they are stored, from any array of whole numbers 0 to 2^32 - 1.

    `where` is what messages call the array. UsageError for everything that the stored type would change or that no
    server can have counted; a step or a layer without any load is no part of a recording.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise UsageError(f"{where}: the array has masked values; fill them or leave their steps out")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError, RuntimeError) as problem:  # of lists of unequal length, say
        raise UsageError(f"{where}: not an array of numbers: {sentence(str(problem))}") from problem
    if array.dtype.kind not in "uif":
        raise UsageError(f"{where}: counts must be whole numbers, but their type is {array.dtype}; convert them first")
    if array.ndim != 3:
        raise UsageError(f"{where}: counts must have 3 axes, steps x layers x experts, not shape {list(array.shape)}")
    if array.size == 0:
        raise UsageError(
            f"{where}: shape {list(array.shape)} holds nothing; record at least one step, layer and expert"
        )
    if array.dtype.kind == "f":
        array = array.astype(np.promote_types(array.dtype, np.float64))  # half precision cannot hold MOST
        _refuse(~np.isfinite(array), array, where, "is no number; mend the recording")
        _refuse(array != np.floor(array), array, where, "is no whole number; give token counts, not shares or means")
    _refuse(array < 0, array, where, "is negative; a count is 0 or more")
    _refuse(array > MOST, array, where, f"is more than {MOST:,}, the most that is stored; record shorter steps")
    loaded = (array != 0).any(axis=2)
    if not loaded.any(axis=0).all():
        layer = int(loaded.any(axis=0).argmin())
        raise UsageError(f"{where}: layer {layer} has no load in any step; leave layers out that are not MoE layers")
    if not loaded.any(axis=1).all():
        step = int(loaded.any(axis=1).argmin())
        raise UsageError(f"{where}: step {step} has no load in any layer; leave steps out in which the server was idle")
    return array.astype(np.uint32)


def _refuse(wrong: NDArray[np.bool_], array: NDArray[Any], where: str, why: str) -> None:
    """Raise UsageError with the first entry that is wrong."""
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        named = ", ".join(f"{axis} {index}" for axis, index in zip(AXES, place, strict=True))
        raise UsageError(f"{where}: {named}: {array[place]} {why}")


def write_counts(path: Path, counts: Any) -> str:
    """Write counts [steps, layers, experts] in the smallest dtype that holds them; return the file's sha256.

    UsageError, and no file, for what `accept` refuses. The zip entry carries a fixed time, so the same counts give the
    same bytes (with the same zlib).
    """
    accepted = accept(counts, path.name)
    array = io.BytesIO()
    np.save(array, accepted.astype(np.min_scalar_type(int(accepted.max()))))
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
    except (KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path.name}: not an .npz archive with an array '{KEY}' ({sentence(str(error))})") from error
    if counts.shape != shape:
        raise UsageError(f"{path.name}: '{KEY}' has shape {list(counts.shape)}, the card says {list(shape)}")
    return accept(counts, path.name)


def sum_windows(counts: Counts, interval_steps: int) -> Sums:
    """Counts summed over consecutive intervals, [windows, layers, experts]; a shorter rest is dropped.

    Sums are of 64 bits: they do not wrap, whatever the counts.
    """
    steps, layers, experts = counts.shape
    windows = steps // interval_steps
    whole = counts[: windows * interval_steps].reshape(windows, interval_steps, layers, experts)
    result: Sums = whole.sum(axis=1, dtype=np.uint64)
    return result
