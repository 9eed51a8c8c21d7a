"""Which expressions may be computed earlier, more often or not at all without anyone noticing."""

import ast

from .scope import root_name

_TOTAL_METHODS = frozenset(
    {"size", "dim", "numel", "tolist", "float", "long", "double", "cpu", "clone", "contiguous", "detach", "numpy"}
    | {"abs", "sum", "unsqueeze", "flatten"}
)
_TOTAL_FUNCTIONS = frozenset({"zeros", "ones", "zeros_like", "ones_like", "full_like", "arange", "full"})
_TOTAL_ATTRIBUTES = frozenset({"shape", "dtype", "ndim", "device", "T"})
_TOTAL_BUILTINS = frozenset({"len", "range", "float", "int", "abs"})


def is_total(expr: ast.expr) -> bool:
    """Whether the expression changes nothing, always has a value, and gives an equal value each time."""
    match expr:
        case ast.Constant() | ast.Name():
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return is_total(left) and is_total(right)
        case ast.BinOp(left=left, right=ast.Constant(value=int() | float() as value)) if value:
            return is_total(left)
        case ast.UnaryOp(operand=operand):
            return is_total(operand)
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            return all(is_total(elt) for elt in elts)
        case ast.Attribute(value=owner, attr=name):
            return name in _TOTAL_ATTRIBUTES and is_total(owner)
        case ast.Subscript(value=ast.Attribute(attr="shape") as shape, slice=ast.Constant()):
            return is_total(shape)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return name in _TOTAL_BUILTINS and all(is_total(argument) for argument in arguments)
        case ast.Call(func=ast.Attribute(value=owner, attr=method), args=arguments, keywords=keywords):
            known = method in _TOTAL_METHODS | _TOTAL_FUNCTIONS and root_name(owner) is not None
            values = [*arguments, *(keyword.value for keyword in keywords if keyword.arg != "dtype")]
            return known and is_total(owner) and all(is_total(value) for value in values)
    return False
