"""Stable orders of rows, in one of several forms.

Numba's own argsort is the surest for long rows, but takes two seconds to compile. Insertion takes a tenth of that and
is the faster one on short rows. Ranks compare each pair of elements once, without a branch, which vector units do many
at a time.
"""

import ast
import textwrap
from typing import Literal

from ..templates import expression
from .base import LoweringBase

SortForm = Literal["ranks", "insertion", "library"]


class SortLowering(LoweringBase):
    """The indices that sort an array along its last axis."""

    sort_form: SortForm = "library"

    def order(self, held: str, axes: int, falls: bool) -> ast.expr:
        """The stable order of the array variable `held` with one or two axes, `falls` when the greatest comes first."""
        if self.sort_form == "library" and axes == 1:
            return expression(f"np.argsort({'-' if falls else ''}{held}, kind='mergesort')")
        rows, row = self.fresh("rows"), self.fresh("row")
        at_row = f"{row}, " if axes == 2 else ""
        match self.sort_form:
            case "library":
                inner = self._library(held, rows, row, falls)
            case "insertion":
                inner = self._inserted(held, rows, at_row, axes - 1, falls)
            case "ranks":
                inner = self._ranked(held, rows, row if axes == 2 else "", falls)
        if axes == 2:
            inner = f"for {row} in range({held}.shape[0]):\n" + textwrap.indent(inner, "    ")
        self.emit(f"{rows} = np.zeros({held}.shape, np.int64)\n{inner}")
        return expression(rows)

    def _library(self, held: str, rows: str, row: str, falls: bool) -> str:
        order, column = self.fresh("order"), self.fresh("column")
        # the assignment of a whole row would make numba compile the text of its error message: seconds
        return (
            f"{order} = np.argsort({'-' if falls else ''}{held}[{row}], kind='mergesort')\n"
            f"for {column} in range({held}.shape[1]):\n"
            f"    {rows}[{row}, {column}] = {order}[{column}]\n"
        )

    def _inserted(self, held: str, rows: str, at_row: str, axis: int, falls: bool) -> str:
        names = ("sorted", "column", "key", "place")
        keys, column, key, place = (self.fresh(name) for name in names)
        sign = "<" if falls else ">"
        self.emit(f"{keys} = np.empty({held}.shape[{axis}], {held}.dtype)")
        return (
            f"for {column} in range({held}.shape[{axis}]):\n"
            f"    {key} = {held}[{at_row}{column}]\n"
            f"    {place} = {column}\n"
            f"    while {place} > 0 and {keys}[{place} - 1] {sign} {key}:\n"
            f"        {keys}[{place}] = {keys}[{place} - 1]\n"
            f"        {rows}[{at_row}{place}] = {rows}[{at_row}{place} - 1]\n"
            f"        {place} -= 1\n"
            f"    {keys}[{place}] = {key}\n"
            f"    {rows}[{at_row}{place}] = {column}\n"
        )

    def _ranked(self, held: str, rows: str, row: str, falls: bool) -> str:
        names = ("keys", "places", "column", "key", "ahead", "other", "later")
        keys, places, column, key, ahead, other, later = (self.fresh(name) for name in names)
        sign = "<" if falls else ">"
        self.emit(f"{places} = np.empty({held}.shape[{1 if row else 0}], np.int32)")
        # elements that compare as no order does, such as nan, may share a place, but always have one in the row
        return (
            f"{keys} = {f'{held}[{row}]' if row else held}\n"
            f"for {column} in range({keys}.shape[0]):\n"
            f"    {key} = {keys}[{column}]\n"
            f"    {ahead} = 0\n"
            f"    for {other} in range({column}):\n"
            f"        {later} = {keys}[{other}] {sign} {key}\n"
            f"        {places}[{other}] += {later}\n"
            f"        {ahead} += not {later}\n"
            f"    {places}[{column}] = {ahead}\n"
            f"for {column} in range({keys}.shape[0]):\n"
            f"    {rows}[{f'{row}, ' if row else ''}{places}[{column}]] = {column}\n"
        )
