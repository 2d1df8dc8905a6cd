"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.every import every

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "exporter" / "llm_trace_exporter"
MAX_LINES = 400

SKIPPED_FOLDERS = {
    *(".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    *("__pycache__", "node_modules", "dist", "build", "corpus", "traces", "target"),
}
"""Not ours to word: tools' folders and recorded traces."""

WRITTEN = {".cfg", ".ini", ".js", ".json", ".md", ".py", ".rs", ".sh", ".toml", ".yaml", ".yml", ""}

FORBIDDEN = (
    r"/(?:home|root|Users)/\w",
    r"/(?:work|tmp)/(?:main|shared|tools|captures|venv)\b",
    r"\.\./shared\b",
    r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b",
    r"\b[Ii]ssue #?\d",
    r"(?i)lorem ip" r"sum",
)
"""Paths of one machine and unfinished work."""


def ours() -> Iterator[Path]:
    """Every text file that people wrote."""
    pending = [ROOT]
    while pending:
        for path in pending.pop().iterdir():
            if path.is_dir():
                if path.name not in SKIPPED_FOLDERS and not path.name.endswith(".egg-info"):
                    pending.append(path)
            # In a linked worktree `.git` is a file.
            elif path.suffix in WRITTEN and path != Path(__file__) and path.name != ".git":
                yield path


MODULES = sorted(PACKAGE.rglob("*.py"))
FILES = sorted(ours())


def name_of(path: Path) -> str:
    """The path as people say it."""
    return str(path.relative_to(ROOT))


@every(FILES, name_of)
def test_no_file_holds_what_is_only_true_here(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [m.group() for pattern in FORBIDDEN for m in re.finditer(pattern, text)]
    assert not found


@every([p for p in FILES if p.suffix == ".py"], name_of)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@every(MODULES, name_of)
def test_everything_public_is_described(path: Path) -> None:
    tree = ast.parse(path.read_text())
    bare = [] if ast.get_docstring(tree) else [path.name]
    scopes: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    while scopes:
        within, body = scopes.pop()
        for node in body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                bare.append(f"{within}{node.name}")
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{node.name}.", node.body))
    assert not bare


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "util", "helpers", "common", "misc"}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = project["dependencies"] + extras["content-rules"] + extras["simulate"]
    named = {re.split(r"[<>=;]", d)[0] for d in declared}
    known = {
        "bcrypt": "bcrypt",
        "google.protobuf": "protobuf",
        "google.rpc": "googleapis-common-protos",
        "opentelemetry.proto": "opentelemetry-proto",
        "detect_secrets": "detect-secrets",
        "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry": "opentelemetry-sdk",
        "genai_prices": "genai-prices",
        "grpc": "grpcio",
        "httptools": "httptools",
        "httpx2": "httpx2",
        "jsonschema": "jsonschema",
        "phonenumbers": "phonenumbers",
        "prometheus_client": "prometheus-client",
        "py3langid": "py3langid",
        "referencing": "referencing",
        "requests": "requests",
        "rich": "rich",
        "starlette": "starlette",
        "stdnum": "python-stdnum",
        "uvicorn": "uvicorn",
        "msgspec": "msgspec",
        "yaml": "pyyaml",
        "zstandard": "zstandard",
    }
    standard = sys.stdlib_module_names
    # Imported by uvicorn, by name, and by zoneinfo.
    needed: set[str] = {"detect-secrets", "httptools", "tzdata", "uvloop"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                if name.split(".")[0] in standard or name.split(".")[0] == PACKAGE.name:
                    continue
                needed.add(next(d for p, d in known.items() if f"{name}.".startswith(f"{p}.")))
    assert needed == named


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) >= 200
