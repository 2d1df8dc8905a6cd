"""What the pages for contributors name is there; functions of a walk call each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import pytest

from tests.docs.pages import ROOT
from tests.test_architecture import MAY_KNOW

PACKAGE = ROOT / "exporter" / "llm_trace_exporter"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"

_CODE = re.compile(r"`([^`\n]+)`")
_FUNCTION = re.compile(r"([\w/]+\.py): ([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_MODULE = re.compile(r"(\w+/)*\w+\.py|(\w+/)+[\w<>]+\.(py|json|yml|md)")
_PATH = re.compile(r"[\w.-]+(/[\w.*<>-]+)*/?")
_STEP = re.compile(r"^( *)- `([\w/]+\.py): ([\w.]+)`")


@dataclass(slots=True)
class Step:
    """A function of a walk, and those that it is said to call, in their order."""

    module: str
    name: str
    calls: list[Step] = field(default_factory=list)

    @property
    def title(self) -> str:
        """As the page has it."""
        return f"{self.module}: {self.name}"


@cache
def tree_of(module: str) -> ast.Module:
    """A module of the package."""
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def definition(module: str, name: str) -> ast.AST | None:
    """A function, class, method or name of a module; None where it has none."""
    found: ast.AST = tree_of(module)
    for part in name.split("."):
        inner = next((n for n in ast.iter_child_nodes(found) if part in _names(n)), None)
        if inner is None:
            return None
        found = inner
    return found


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def mentions(caller: ast.AST, name: str) -> Iterator[tuple[int, int]]:
    """Where (line, column) the code of a function or class names something."""
    for node in ast.walk(caller):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        if name == (node.attr if isinstance(node, ast.Attribute) else node.id):
            yield node.end_lineno or 0, node.end_col_offset or 0


def functions_in(text: str) -> list[tuple[str, str]]:
    """(module, function) of every `room/module.py: name` of a page."""
    return [(m[1], m[2]) for code in _CODE.findall(text) if (m := _FUNCTION.fullmatch(code))]


def walks(text: str) -> list[Step]:
    """The lines at the margin of the section about walks, with all beneath them."""
    section = text.partition("## Four walks")[2].partition("\n## ")[0]
    roots: list[Step] = []
    path: list[Step] = []
    for line in section.splitlines():
        if found := _STEP.match(line):
            step = Step(found[2], found[3])
            depth = len(found[1]) // 2
            (path[depth - 1].calls if depth else roots).append(step)
            path[depth:] = [step]
    return roots


def steps(roots: list[Step]) -> Iterator[Step]:
    """Steps and all beneath them."""
    for step in roots:
        yield step
        yield from steps(step.calls)


PAGE = ARCHITECTURE.read_text(encoding="utf-8")
GUIDE = CONTRIBUTING.read_text(encoding="utf-8")
WALKS = walks(PAGE)


@pytest.mark.parametrize(
    ("module", "name"),
    sorted({*functions_in(PAGE), *functions_in(GUIDE)}),
    ids=lambda part: part.replace("/", "."),
)
def test_what_a_page_names_is_there(module: str, name: str) -> None:
    assert (PACKAGE / module).is_file()
    assert definition(module, name) is not None


@pytest.mark.parametrize("step", [s for s in steps(WALKS) if s.calls], ids=lambda s: s.title)
def test_each_step_calls_those_beneath_it_in_this_order(step: Step) -> None:
    caller = definition(step.module, step.name)
    assert caller is not None
    at = (0, 0)
    for called in step.calls:
        later = [place for place in mentions(caller, called.name.split(".")[-1]) if place > at]
        assert later, f"{step.title} does not name {called.title} there"
        at = min(later)


def test_the_walks_are_found() -> None:
    assert len(WALKS) >= 8
    assert sum(1 for _ in steps(WALKS)) == len(_lines_of_walks())


def _lines_of_walks() -> list[str]:
    section = PAGE.partition("## Four walks")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.lstrip().startswith("- ")]


def test_the_tree_shows_every_room_and_no_other() -> None:
    (tree,) = re.findall(r"```text\n(model\.py.*?)```", PAGE, flags=re.DOTALL)
    shown = [line.split()[0].rstrip("/").removesuffix(".py") for line in tree.splitlines()]
    assert sorted(shown) == sorted(MAY_KNOW)
    assert all(len(line.split()) > 3 for line in tree.splitlines())


def test_the_table_of_the_engine_shows_every_module() -> None:
    shown = re.findall(r"^\| `engine/(\w+)\.py` \|", PAGE, flags=re.MULTILINE)
    there = {path.stem for path in (PACKAGE / "engine").glob("*.py")} - {"__init__"}
    assert sorted(shown) == sorted(there)


@pytest.mark.parametrize("text", [PAGE, GUIDE], ids=["architecture", "contributing"])
def test_modules_and_paths_that_a_page_names_are_there(text: str) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    for code in _CODE.findall(text):
        path = code.partition(":")[0]
        if not _PATH.fullmatch(path):
            continue
        first = path.split("/")[0]
        if "/" in path and first in tops:
            assert list(ROOT.glob(re.sub(r"<\w+>", "*", path).rstrip("/"))), code
        elif _MODULE.fullmatch(path) or (path.endswith("/") and "/" in path):
            pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
            assert list(PACKAGE.glob(pattern)) or list(ROOT.glob(pattern)), code
