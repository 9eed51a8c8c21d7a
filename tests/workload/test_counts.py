"""Counts on disk: the same bytes each time, and nothing but the file that the card describes is read."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from eplb_evolve.errors import UsageError
from eplb_evolve.workload.counts import MOST, Counts, accept, read_counts, sum_windows, write_counts


def test_counts_come_back_as_uint32_from_a_small_file(tmp_path: Path, counts: Counts) -> None:
    """Small counts are stored in one byte each and read as uint32; sha256 is that of the file."""
    path = tmp_path / "a.npz"
    sha256 = write_counts(path, counts)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path) as archive:
        assert archive["counts"].dtype == np.uint8
    back = read_counts(path, sha256, (58, 6, 8))
    assert back.dtype == np.uint32
    np.testing.assert_array_equal(back, counts)


def test_large_counts_keep_their_values(tmp_path: Path) -> None:
    """The dtype grows with the counts."""
    counts = np.array([[[0, 70_000, 2**32 - 1]]], dtype=np.uint32)
    sha256 = write_counts(tmp_path / "a.npz", counts)
    np.testing.assert_array_equal(read_counts(tmp_path / "a.npz", sha256, (1, 1, 3)), counts)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, counts: Counts) -> None:
    """No time of day in the file."""
    assert write_counts(tmp_path / "a.npz", counts) == write_counts(tmp_path / "b.npz", counts)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message names the file and where it belongs."""
    with pytest.raises(UsageError, match=r"a.npz: cannot be read \(No such file .*restore it beside its card"):
        read_counts(tmp_path / "a.npz", "0" * 64, (1, 1, 1))


def test_a_changed_file_is_refused(tmp_path: Path, counts: Counts) -> None:
    """Expected and found sha256 are both in the message."""
    found = write_counts(tmp_path / "a.npz", counts)
    with pytest.raises(UsageError, match=f"a.npz: .* expected sha256 {'0' * 64}, found {found}; restore"):
        read_counts(tmp_path / "a.npz", "0" * 64, (58, 6, 8))


def as_file(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", b"text"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Even one whose sha256 is right."""
    with pytest.raises(UsageError, match=r"a.npz: not an .npz archive with an array 'counts'"):
        read_counts(tmp_path / "a.npz", as_file(tmp_path / "a.npz", data), (1, 1, 1))


def test_an_array_without_archive_is_refused(tmp_path: Path) -> None:
    """A .npy under the name of an .npz is no archive."""
    np.save(tmp_path / "a.npy", np.zeros((1, 1, 1), np.uint8))
    sha256 = as_file(tmp_path / "a.npz", (tmp_path / "a.npy").read_bytes())
    with pytest.raises(UsageError, match=r"a.npz: not an .npz archive"):
        read_counts(tmp_path / "a.npz", sha256, (1, 1, 1))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"load": np.zeros((1, 1, 1), np.uint8)}, "not an .npz archive with an array 'counts'"),
        ({"counts": np.full((1, 1, 1), 0.5)}, "step 0, layer 0, expert 0: 0.5 is no whole number"),
        ({"counts": np.zeros((2, 1, 1), np.uint8)}, r"has shape \[2, 1, 1\], the card says \[1, 1, 1\]"),
        ({"counts": np.array([{}], dtype=object)}, "not an .npz archive"),
    ],
)
def test_an_unfit_array_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    """Another name, another kind of number, another shape, pickled objects."""
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        read_counts(path, hashlib.sha256(path.read_bytes()).hexdigest(), (1, 1, 1))


def test_windows_are_sums_of_whole_intervals(counts: Counts) -> None:
    """Window i sums the steps of interval i; the rest is dropped."""
    windows = sum_windows(counts, 5)
    assert windows.shape == (11, 6, 8)
    np.testing.assert_array_equal(windows[3], counts[15:20].sum(axis=0))


def changed(value: object, dtype: type = np.int64) -> np.ndarray:
    array = np.ones((4, 3, 8), dtype)
    array[3, 1, 2] = value
    return array


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(-100), "step 3, layer 1, expert 2: -100 is negative"),
        (changed(np.nan, np.float64), "step 3, layer 1, expert 2: nan is no number"),
        (changed(np.inf, np.float16), "expert 2: inf is no number"),
        (changed(0.01, np.float64), "expert 2: 0.01 is no whole number; give token counts, not shares"),
        (changed(2**32), "expert 2: 4294967296 is more than 4,294,967,295"),
        (changed(2**64 - 1, np.uint64), "expert 2: 18446744073709551615 is more than"),
        (changed(1e99, np.float64), r"expert 2: 1e\+99 is more than"),
        (changed(1) > 0, "must be whole numbers, but their type is bool"),
        (changed(1, np.complex128), "their type is complex128"),
        (changed(2**70, object), "their type is object"),
        (changed(1).astype(str), "their type is <U21"),
        ([[1], [1, 2]], "not an array of numbers"),
        (np.ma.masked_equal(changed(7), 7), "has masked values"),
        (changed(1)[0], r"3 axes, steps x layers x experts, not shape \[3, 8\]"),
        (changed(1)[:0], r"shape \[0, 3, 8\] holds nothing"),
        (changed(1) * np.array([1, 0, 1])[:, None], "layer 1 has no load in any step"),
        (changed(1) * np.array([1, 1, 0, 1])[:, None, None], "step 2 has no load in any layer"),
    ],
)
def test_counts_that_do_not_fit_are_named_with_their_place(tmp_path: Path, values: object, message: str) -> None:
    """One sentence with file, place and value; nothing is written, nothing is read."""
    path = tmp_path / "mine.npz"
    with pytest.raises(UsageError, match=f"^mine.npz: .*{message}"):
        write_counts(path, values)
    assert not path.exists()


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float16, np.float32, np.longdouble])
def test_whole_numbers_of_any_type_are_counts(dtype: type) -> None:
    """Also where a library sums in floating point."""
    assert accept(changed(100, dtype), "x").tolist() == changed(100).tolist()
    assert accept(changed(100).tolist(), "x").dtype == np.uint32


def test_a_file_that_somebody_else_wrote_is_checked_too(tmp_path: Path) -> None:
    """Nothing is narrowed on the way in."""
    np.savez(tmp_path / "a.npz", counts=changed(2**40))
    sha256 = hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=r"a\.npz: step 3, layer 1, expert 2: 1099511627776 is more than"):
        read_counts(tmp_path / "a.npz", sha256, (4, 3, 8))


def test_window_sums_do_not_wrap() -> None:
    """The largest counts in all steps of a window."""
    counts = np.full((6, 1, 2), MOST, np.uint32)
    assert sum_windows(counts, 3).tolist() == [[[3 * MOST] * 2]] * 2
