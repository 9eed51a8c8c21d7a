"""Kinds of the attributes, methods and functions of torch and numpy."""

import ast
from collections.abc import Callable
from dataclasses import replace

from .kinds import DTYPE, FLOAT, INT, UNKNOWN, Element, Kind, Library, list_of, tensor, tuple_of

KindOf = Callable[[ast.AST], Kind]

_DTYPES: dict[str, Element] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "long", "int", "int_", "intp"), "int"),
    **dict.fromkeys(("float16", "bfloat16", "float32", "float64", "float", "double", "half", "float_"), "float"),
    **dict.fromkeys(("bool", "bool_"), "bool"),
}
_SAME = frozenset(
    {"cpu", "cuda", "to", "contiguous", "clone", "detach", "copy", "numpy", "abs", "expand_as", "gather"}
    | {"clamp", "cumsum", "flip", "neg", "clip", "masked_fill", "scatter", "scatter_add", "index_add", "fill_"}
    | {"zero_", "add_", "sub_", "mul_", "div_", "scatter_", "scatter_add_", "masked_fill_", "roll", "T", "t"}
    | {"transpose", "pin_memory", "requires_grad_", "copy_", "index_fill_", "add", "sub", "mul", "sort_values"}
)
_CASTS: dict[str, Element] = {"float": "float", "double": "float", "half": "float", "long": "int", "int": "int"}
_SHAPED = frozenset({"view", "reshape", "expand", "repeat", "tile"})
_REDUCTIONS = frozenset({"sum", "mean", "max", "min", "amax", "amin", "prod", "any", "all", "argmax", "argmin"})
_PAIRS = frozenset({"sort", "topk", "kthvalue", "mode"})
_DTYPE_PLACES = {"zeros": 1, "ones": 1, "empty": 1, "full": 2}
"""Where numpy takes a dtype by position."""
_FLOAT_FUNCTIONS = frozenset({"sqrt", "exp", "log", "log2", "linspace", "true_divide"})


def array_attribute(owner: Kind, name: str) -> Kind:
    """Kind of `owner.name`."""
    if name in ("values", "indices") and owner.form == "tuple" and len(owner.items) == 2:
        return owner.items[name == "indices"]
    if owner.form in ("array", "unknown"):
        match name:
            case "shape":
                return list_of(INT) if owner.axes is None else tuple_of(*[INT] * owner.axes)
            case "ndim" | "size" | "nbytes" | "itemsize":
                return INT
            case "T" | "mT":
                return owner
            case "dtype":
                return DTYPE
    return UNKNOWN


def array_method(owner: Kind, method: str, call: ast.Call, of: KindOf) -> Kind:
    """Kind of `owner.method(...)`."""
    if method in ("size", "dim", "numel", "stride") and owner.form in ("array", "unknown"):
        return INT if call.args or method != "size" else list_of(INT)
    if not owner.is_array:
        return UNKNOWN
    library: Library = "numpy" if method == "numpy" else owner.library
    dtype = _dtype_argument(call, of)
    match method:
        case _ if method in _SAME:
            element = dtype or next((dtype_class(part) for part in call.args if dtype_class(part)), owner.element)
            return replace(owner, element=element, library=library)
        case _ if method in _CASTS:
            return replace(owner, element=_CASTS[method])
        case "astype" | "type" if call.args:
            return replace(owner, element=dtype_class(call.args[0]))
        case _ if method in _SHAPED:
            return replace(owner, axes=_shape_axes(call.args, of))
        case "item":
            return Kind("scalar", owner.element)
        case "tolist":
            kind = Kind("scalar", owner.element)
            for _ in range(owner.axes or 0):
                kind = list_of(kind)
            return UNKNOWN if owner.axes is None else kind
        case _ if method in _PAIRS:
            return _sorted(owner)
        case "argsort":
            return replace(owner, element="int")
        case _ if method in _REDUCTIONS:
            return _reduced(owner, method, call)
        case "unsqueeze":
            return replace(owner, axes=None if owner.axes is None else owner.axes + 1)
        case "squeeze" | "select":
            return replace(owner, axes=None if owner.axes is None or not call.args else owner.axes - 1)
        case "unflatten" if len(call.args) == 2 and isinstance(call.args[1], ast.Tuple):
            added = len(call.args[1].elts) - 1
            return replace(owner, axes=None if owner.axes is None else owner.axes + added)
        case "flatten" | "ravel":
            return replace(owner, axes=_flattened(owner.axes, call.args))
        case "new_zeros" | "new_ones" | "new_full" | "new_empty":
            return replace(owner, axes=_shape_axes(call.args[:1], of), element=dtype or owner.element)
    return UNKNOWN


def array_function(module: str, function: str, call: ast.Call, of: KindOf) -> Kind:
    """Kind of `module.function(...)` for torch, numpy and math."""
    if module == "math":
        return INT if function in ("floor", "ceil", "gcd", "isqrt", "comb") else FLOAT
    if module not in ("torch", "numpy"):
        return UNKNOWN
    library: Library = "torch" if module == "torch" else "numpy"
    dtype, first = _dtype_argument(call, of), of(call.args[0]) if call.args else UNKNOWN
    if dtype is None and library == "numpy" and len(call.args) > (place := _DTYPE_PLACES.get(function, 9)):
        dtype = _element_of(call.args[place], of)
    match function:
        case "zeros" | "ones" | "empty":
            sizes = call.args if library == "torch" else call.args[:1]
            return tensor(dtype or "float", _shape_axes(sizes, of), library)
        case "rand" | "randn":
            return tensor(dtype or "float", _shape_axes(call.args, of), library)
        case "full":
            filler = of(call.args[1]).element if len(call.args) > 1 else None
            return tensor(dtype or filler, _shape_axes(call.args[:1], of), library)
        case "zeros_like" | "ones_like" | "empty_like" | "full_like":
            return replace(first, form="array", element=dtype or first.element, library=library)
        case "arange":
            kinds = [of(argument) for argument in call.args]
            return tensor(dtype or ("int" if all(kind.is_int for kind in kinds) else None), 1, library)
        case "tensor" | "array" | "asarray" | "as_tensor" | "ascontiguousarray" | "from_numpy":
            return tensor(dtype or first.element or first.innermost.element, first.depth, library)
        case "sort" | "topk" if library == "torch":
            return _sorted(first)
        case "argsort" | "nonzero" | "searchsorted" | "bincount":
            return tensor("int", first.axes if function == "argsort" else None, library)
        case "where" if len(call.args) == 3:
            sides = [of(argument) for argument in call.args[1:]]
            return next((side for side in sides if side.is_array), tensor(None, None, library))
        case "expand_dims":
            return replace(first, axes=None if first.axes is None else first.axes + 1)
        case "broadcast_to" if len(call.args) == 2:
            return replace(first, axes=_shape_axes(call.args[1:], of))
        case "stack":
            return tensor(None, None, library)
        case _ if function in _FLOAT_FUNCTIONS:
            return replace(first, element="float") if first.is_array else tensor("float", None, library)
        case _ if function in _DTYPES:
            return Kind("scalar", _DTYPES[function])
    if first.is_array:
        method = ast.Call(call.func, call.args[1:], call.keywords)
        return array_method(first, function, method, of)
    return UNKNOWN


def dtype_class(expr: ast.AST) -> Element:
    """Class of numbers that a dtype expression such as `torch.int64` names."""
    match expr:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return _DTYPES.get(name)
    return None


def _dtype_argument(call: ast.Call, of: KindOf) -> Element:
    for keyword in call.keywords:
        if keyword.arg == "dtype":
            return _element_of(keyword.value, of)
    return None


def _element_of(dtype: ast.expr, of: KindOf) -> Element:
    """Class of numbers that `np.int64` or `other.dtype` stands for."""
    match dtype:
        case ast.Attribute(value=owner, attr="dtype"):
            return of(owner).element
    return dtype_class(dtype)


def _shape_axes(sizes: list[ast.expr], of: KindOf) -> int | None:
    if len(sizes) == 1:
        kind = of(sizes[0])
        if kind.form == "tuple":
            return len(kind.items)
        if isinstance(sizes[0], ast.Tuple | ast.List):
            return len(sizes[0].elts)
        return 1 if kind.is_int else None
    return len(sizes) if not any(isinstance(size, ast.Starred) for size in sizes) else None


def _sorted(owner: Kind) -> Kind:
    return tuple_of(owner, replace(owner, element="int"))


def _reduced(owner: Kind, method: str, call: ast.Call) -> Kind:
    axis = bool(call.args) or any(keyword.arg in ("dim", "axis") for keyword in call.keywords)
    kept = any(keyword.arg in ("keepdim", "keepdims") for keyword in call.keywords)
    element = {"argmax": "int", "argmin": "int", "any": "bool", "all": "bool", "mean": "float"}.get(method)
    if not axis:
        left: int | None = 0
    elif kept or owner.axes is None:
        left = owner.axes
    else:
        left = owner.axes - 1
    values = replace(owner, axes=left)
    if element is not None:
        return replace(values, element=element)  # type: ignore[arg-type]
    if axis and method in ("max", "min") and owner.library == "torch":
        return tuple_of(values, replace(values, element="int"))
    return values


def _flattened(axes: int | None, arguments: list[ast.expr]) -> int | None:
    if not arguments:
        return 1
    if axes is None:
        return None
    try:
        start = ast.literal_eval(arguments[0])
    except ValueError:
        return None
    if not isinstance(start, int):
        return None
    return start + 1 if start >= 0 else axes + start + 1
