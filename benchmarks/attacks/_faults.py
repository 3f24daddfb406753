"""Faults that can be put into a Python file: each a changed node of its syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

_OTHER: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Fault(NamedTuple):
    """A fault.

    Args:
        line: Line of the changed node.
        kind: Such as ``"boundary"``.
        text: What stood there and what stands there now.
        source: The whole file with the fault.
    """

    line: int
    kind: str
    text: str
    source: str


def faults(source: str) -> Iterator[Fault]:
    """Yield every fault that the file can have, in the order of its lines."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr)]
    skipped = {id(part) for node in nodes for part in _no_code(node)}
    for place, node in enumerate(nodes):
        if id(node) not in skipped:
            for kind, change in _changes(node):
                mutant = copy.deepcopy(tree)
                other = [n for n in ast.walk(mutant) if isinstance(n, ast.stmt | ast.expr)][place]
                made = change(other)
                if made is not other:
                    mutant = _Replaced(other, made).visit(mutant)
                text = f"{ast.unparse(node):.60} -> {ast.unparse(made):.60}".replace("\n", " ")
                yield Fault(node.lineno, kind, text, ast.unparse(ast.fix_missing_locations(mutant)))


class _Replaced(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _no_code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield annotations, what only type checkers read, and texts that stand alone."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield from ast.walk(node)
    if isinstance(node, ast.FunctionDef | ast.AnnAssign):
        arguments = ast.walk(node.args) if isinstance(node, ast.FunctionDef) else ()
        noted = [a.annotation for a in arguments if isinstance(a, ast.arg)]
        noted.append(node.returns if isinstance(node, ast.FunctionDef) else node.annotation)
        yield from (part for note in noted if note is not None for part in ast.walk(note))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield from ast.walk(node)


Change = Callable[[ast.AST], ast.AST]


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """Yield the kinds of faults that a node can have, with the functions that put them in."""
    match node:
        case ast.Compare(ops=[operator]):
            for other in _OTHER.get(type(operator), ()):
                kind = "comparison" if other is not _OTHER[type(operator)][0] else "boundary"
                yield kind, _set("ops", [other()])
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) | ast.AugAssign(op=operator):
            for other in _OTHER.get(type(operator), ()):
                yield (
                    "and/or" if isinstance(node, ast.BoolOp) else "arithmetic",
                    _set("op", other()),
                )
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", lambda n: n.operand  # type: ignore[attr-defined]
        case ast.UnaryOp(op=ast.Not()):
            yield "negated", lambda n: n.operand  # type: ignore[attr-defined]
        case ast.Constant(value=bool(value)):
            yield "constant", _set("value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", _set("value", value + 1)
            yield "constant", _set("value", value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield "min/max", _set("id", _NAMES[name])
        case ast.If(test=_) | ast.IfExp(test=_) | ast.While(test=_):
            yield "negated", _negated
        case ast.Return(value=value) if value is not None:
            yield "return", _set("value", ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Assert():
            yield "deleted", lambda n: ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "deleted", lambda n: ast.Pass()


def _set(field: str, value: object) -> Change:
    def change(node: ast.AST) -> ast.AST:
        setattr(node, field, value)
        return node

    return change


def _negated(node: ast.AST) -> ast.AST:
    node.test = ast.UnaryOp(ast.Not(), node.test)  # type: ignore[attr-defined]
    return node
