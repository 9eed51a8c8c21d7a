"""What a value is, as far as the code shows it: an integer, an array of floats with two axes, a list of integers.

Nothing is concluded from what a variable is called, only from where its value comes from and how it is used.
"""

from dataclasses import dataclass, replace
from typing import Literal

Form = Literal["unknown", "nothing", "scalar", "array", "list", "tuple", "none", "dtype"]
Element = Literal["bool", "int", "float"] | None
Library = Literal["torch", "numpy"] | None

_RANK = {"bool": 0, "int": 1, "float": 2}


@dataclass(frozen=True)
class Kind:
    """What is known about a value."""

    form: Form = "unknown"
    element: Element = None
    """Class of a scalar, or of the elements of an array."""
    axes: int | None = None
    """Number of axes of an array."""
    items: tuple["Kind", ...] = ()
    """Kinds of a tuple's items, or the one kind of a list's items."""
    library: Library = None
    """Whose array it is."""

    @property
    def is_int(self) -> bool:
        """Whether it is an integer or a truth value."""
        return self.form == "scalar" and self.element in ("int", "bool")

    @property
    def is_scalar(self) -> bool:
        """Whether it is a number."""
        return self.form == "scalar"

    @property
    def is_array(self) -> bool:
        """Whether it is a tensor or a numpy array."""
        return self.form == "array"

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor."""
        return self.form == "array" and self.library == "torch"

    @property
    def item(self) -> "Kind":
        """Kind of what iteration over this value gives."""
        if self.form == "list":
            return self.items[0]
        if self.form == "tuple" and self.items:
            return join_all(self.items)
        if self.form == "array":
            if self.axes is None:
                return replace(self, axes=None)
            return replace(self, axes=self.axes - 1) if self.axes > 0 else UNKNOWN
        return UNKNOWN

    @property
    def innermost(self) -> "Kind":
        """Kind of the elements of a nested list, or this kind."""
        kind = self
        while kind.form == "list":
            kind = kind.items[0]
        return kind

    @property
    def depth(self) -> int | None:
        """Number of indices that lead to an element."""
        if self.form == "list":
            inner = self.items[0].depth
            return None if inner is None else inner + 1
        if self.form == "array":
            return self.axes
        return 0 if self.form == "scalar" else None


UNKNOWN = Kind()
NOTHING = Kind("nothing")
"""Kind of the items of an empty list."""
INT = Kind("scalar", "int")
FLOAT = Kind("scalar", "float")
BOOL = Kind("scalar", "bool")
NONE = Kind("none")
DTYPE = Kind("dtype")


def list_of(item: Kind) -> Kind:
    """Kind of a list whose items are of kind `item`."""
    return Kind("list", items=(item,))


def tuple_of(*items: Kind) -> Kind:
    """Kind of a tuple."""
    return Kind("tuple", items=items)


def tensor(element: Element = None, axes: int | None = None, library: Library = "torch") -> Kind:
    """Kind of an array."""
    return Kind("array", element, axes, library=library)


def as_element(kind: Kind) -> Kind:
    """An array without axes seen as the scalar that it holds."""
    if kind.form == "array" and kind.axes == 0:
        return Kind("scalar", kind.element)
    return kind


def join_elements(first: Element, second: Element) -> Element:
    """Class of the numbers that may be of either class."""
    if first is None or second is None:
        return None
    return first if _RANK[first] >= _RANK[second] else second


def join(first: Kind | None, second: Kind | None) -> Kind | None:
    """Kind of a value that may be of either kind; None stands for no value at all."""
    if first is None or second is None:
        return first if second is None else second
    if second in (first, NOTHING):
        return first
    if first == NOTHING:
        return second
    if {first.form, second.form} == {"scalar", "array"}:
        first, second = as_element(first), as_element(second)
    if first.form != second.form:
        return UNKNOWN
    match first.form:
        case "scalar":
            return Kind("scalar", join_elements(first.element, second.element))
        case "array":
            return Kind(
                "array",
                join_elements(first.element, second.element),
                first.axes if first.axes == second.axes else None,
                library=first.library if first.library == second.library else None,
            )
        case "list":
            return list_of(join(first.items[0], second.items[0]) or UNKNOWN)
        case "tuple" if len(first.items) == len(second.items):
            return tuple_of(*(join(a, b) or UNKNOWN for a, b in zip(first.items, second.items, strict=True)))
    return UNKNOWN


def join_all(kinds: tuple[Kind, ...]) -> Kind:
    """Kind of a value that may be of any of these kinds."""
    joined: Kind | None = None
    for kind in kinds:
        joined = join(joined, kind)
    return joined or UNKNOWN
