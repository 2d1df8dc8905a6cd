"""Small faults put into a module, one at a time, to see whether its tests notice.

The working tree is never touched: a fault is made in the syntax tree as the module is imported.
Run as a program, it takes a module, the numbers of its mutants and the tests to run, and prints
the numbers that no test noticed. Everything that is not the project's is imported once; each
mutant then lives in a process forked from that.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType

import pytest

PACKAGE = Path(__file__).parents[2] / "exporter" / "llm_trace_exporter"
QUIET = (
    *("-q", "-x", "-n0", "-p", "no:cacheprovider", "-m", "not long"),
    # Plugins are imported before pytest could rewrite them: they are none of the tests.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
PASSED, FAILED, NOT_LOADED = 0, 1, 70
LIMIT_S = 120
"""A mutant that takes longer has a loop without end: that is noticed."""

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_WORKED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNREAD = frozenset({"annotation", "returns", "decorator_list", "defaults", "kw_defaults"})

Change = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault; the place of it in `mutants` is its number."""

    function: str
    before: str
    after: str

    def __str__(self) -> str:
        """As the list of those that are excused writes it."""
        return f"{self.function}: {self.before} -> {self.after}"


def mutants(source: str) -> list[Mutant]:
    """Every fault that can be made in the functions of a module."""
    found = []
    for number in range(len(list(_changes(ast.parse(source))))):
        function, whole, change = list(_changes(ast.parse(source)))[number]
        before = ast.unparse(whole)
        change()
        found.append(Mutant(function, before, ast.unparse(whole)))
    return found


def mutated(source: str, number: int | None) -> ast.Module:
    """A module with one fault in it; None: with none."""
    tree = ast.parse(source)
    if number is not None:
        list(_changes(tree))[number][2]()
    return ast.fix_missing_locations(tree)


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, Change]]:
    """(function, the expression to show, what makes the fault), in the order of the text."""
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                for whole, change in _within(inner, inner):
                    yield owner + inner.name, whole, change


def _within(node: ast.AST, whole: ast.AST) -> Iterator[tuple[ast.AST, Change]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in _UNREAD:
                # What is shown is the whole condition or sum, not a word of it.
                outer = whole if isinstance(whole, ast.expr) else child
                yield from ((outer, change) for change in _at(child))
                yield from _within(child, outer if isinstance(child, ast.expr) else child)


def _at(node: ast.AST) -> Iterator[Change]:
    """The faults that can be made in one node."""
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                other = _COMPARED[type(operator)]()
                yield partial(node.ops.__setitem__, place, other)
        case ast.BoolOp():
            other_word = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield partial(setattr, node, "op", other_word)
            for place in range(len(node.values)):
                yield partial(node.values.__delitem__, place)
        case ast.BinOp(op=operation) if type(operation) in _WORKED:
            yield partial(setattr, node, "op", _WORKED[type(operation)]())
        case ast.If() | ast.IfExp() | ast.While() if not isinstance(
            node.test, ast.Compare | ast.BoolOp
        ):
            yield partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield partial(setattr, node.func, "id", _CALLED[name])
        case ast.Constant(value=bool() as said):
            yield partial(setattr, node, "value", not said)
        case ast.Constant(value=int() as number):
            yield partial(setattr, node, "value", number + 1)
        case _:
            pass


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, number: int | None) -> None:
        super().__init__(name, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:
        """The module with its fault, never from what was compiled before."""
        path = self.get_filename(fullname)
        code = compile(mutated(Path(path).read_text(), self._number), path, "exec")
        assert isinstance(code, CodeType)
        return code


@dataclass
class _Finder:
    name: str
    number: int | None

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Take over the import of the one module."""
        del path, target
        if name != self.name:
            return None
        file = str(path_of(name))
        return importlib.util.spec_from_file_location(
            name, file, loader=_Loader(name, file, self.number)
        )


def path_of(module: str) -> Path:
    """The file of `llm_trace_exporter.correlation.merge`."""
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def run_forked(work: Callable[[], int]) -> int:
    """Exit code of work done in a copy of this process; FAILED where it does not end."""
    child = os.fork()
    if not child:
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        os._exit(work())
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return FAILED


def tested(module: str, number: int | None, tests: Sequence[str]) -> int:
    """Exit code of the tests of a module with a fault; NOT_LOADED where they never import it."""
    sys.meta_path.insert(0, _Finder(module, number))  # type: ignore[arg-type]
    code = int(pytest.main([*QUIET, *tests]))
    return NOT_LOADED if module not in sys.modules and code == PASSED else code


def preload(tests: Sequence[str]) -> None:
    """Import what the tests need from elsewhere, so that each mutant has it at once."""
    ours = ("llm_trace_exporter", "tests", "__main__", "conftest")
    told, tell = os.pipe()
    if not os.fork():
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        pytest.main([*QUIET, "--collect-only", *tests])
        names = [n for n, m in sys.modules.items() if isinstance(m, ModuleType)]
        os.write(tell, "\n".join(n for n in names if n.split(".")[0] not in ours).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as lines:
        names = lines.read().split("\n")
    os.wait()
    for name in names:
        if name.isidentifier() or "." in name:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def main(module: str, numbers: str, *tests: str) -> None:
    """Print the numbers of the mutants that live."""
    preload(tests)
    if run_forked(partial(tested, module, None, tests)) != PASSED:
        sys.exit(f"the tests of {module} fail, or never import it, without any fault in it")
    for number in map(int, numbers.split(",")):
        code = run_forked(partial(tested, module, number, tests))
        if code == PASSED:
            print(number, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
