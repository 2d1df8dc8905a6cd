"""What pyproject.toml asks for, what the lock pins, and what goes on without the extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NATIVE = tomllib.loads((ROOT / "exporter" / "native" / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS: Mapping[str, list[str]] = PROJECT["optional-dependencies"]
LOCKED: Mapping[str, list[str]] = {
    "image": [*PROJECT["dependencies"], *EXTRAS["content-rules"], *EXTRAS["simulate"]],
    "test": [*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)],
    "build": [
        *PYPROJECT["build-system"]["requires"],
        *NATIVE["build-system"]["requires"],
    ],
}
"""File of the lock -> the requirements that it pins."""
LARGE = ("detect_secrets", "numpy", "phonenumbers", "py3langid", "stdnum")
"""What the extra `content-rules` brings."""


Environment = Mapping[str, str]
"""Values of the variables in markers."""

HERE: Environment = {name: str(value) for name, value in default_environment().items()}


def environments() -> Iterator[Environment]:
    """The machines that it is for, as far as a marker can tell them apart."""
    for minor in (11, 12, 13, 14):
        for system, platform, machine in (
            ("Linux", "linux", "x86_64"),
            ("Linux", "linux", "aarch64"),
            ("Darwin", "darwin", "arm64"),
        ):
            yield {
                **HERE,
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.1",
                "platform_system": system,
                "sys_platform": platform,
                "platform_machine": machine,
            }


def holds(requirement: Requirement, environment: Environment) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""})


def entries(name: str) -> Iterator[tuple[Requirement, int]]:
    """Each pin of a file of the lock, and how many hashes it has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for entry in re.split(r"\n(?=[\w])", text.replace("\\\n", " ")):
        line = entry.splitlines()[0]
        if not line.startswith("#"):
            requirement, *hashes = line.split("--hash=sha256:")
            yield Requirement(requirement.strip()), len(hashes)


def pins(name: str, environment: Environment) -> dict[str, str]:
    """Name -> version of what a file of the lock installs on a machine."""
    found: dict[str, str] = {}
    for pin, _ in entries(name):
        if holds(pin, environment):
            (only,) = pin.specifier
            assert only.operator == "=="
            assert found.setdefault(canonicalize_name(pin.name), only.version) == only.version
    return found


def unmet(wanted: Iterable[str], pinned: Mapping[str, str], environment: Environment) -> set[str]:
    """Requirements that the pins leave out, or meet with another version."""
    requirements = [r for r in map(Requirement, wanted) if r.name != PROJECT["name"]]
    return {
        str(requirement)
        for requirement in requirements
        if holds(requirement, environment)
        and not requirement.specifier.contains(
            pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    }


@pytest.mark.parametrize("name", LOCKED)
def test_the_lock_pins_every_requirement_in_its_range(name: str) -> None:
    told = "run `make lock`, and commit what it wrote"
    for environment in environments():
        assert not unmet(LOCKED[name], pins(name, environment), environment), told


@pytest.mark.parametrize("name", LOCKED)
def test_every_pin_is_known_by_hash(name: str) -> None:
    found = list(entries(name))
    assert len(found) >= len(LOCKED[name])
    assert [str(pin) for pin, hashes in found if not hashes] == []


def test_what_is_tested_is_what_the_image_has() -> None:
    for environment in environments():
        image, test = pins("image", environment), pins("test", environment)
        assert image == {name: test.get(name) for name in image}


def test_what_the_requirements_bring_is_pinned_too() -> None:
    pinned = pins("test", HERE)
    pending = [Requirement(each) for each in LOCKED["test"]]
    seen: set[str] = set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name == PROJECT["name"] or f"{requirement}" in seen:
            continue
        if not holds(requirement, HERE):
            continue
        seen.add(f"{requirement}")
        assert name in pinned
        for extra in requirement.extras or {""}:
            pending += brought(name, {**HERE, "extra": extra})
    assert len({requirement.partition("=")[0] for requirement in seen}) > len(LOCKED["image"])


def brought(name: str, environment: Environment) -> Iterator[Requirement]:
    """What an installed distribution asks for in turn."""
    try:
        asked = requires(name) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, asked):
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            # The condition is met; without it, nobody asks again.
            requirement.marker = None
            yield requirement


def test_the_image_installs_nothing_but_what_is_pinned() -> None:
    installed = re.findall(r"pip install (.*?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
    assert installed == [
        "--require-hashes -r requirements/build.txt",
        "--require-hashes -r requirements/image.txt",
        "--no-index --no-deps dist/*.whl",
    ]
    assert "pip wheel --no-build-isolation --no-deps" in DOCKERFILE


def test_every_requirement_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    wanted = [*PROJECT["dependencies"], *EXTRAS["content-rules"]]
    bare = [
        each
        for each in wanted
        if not re.search(rf'^  # .+\n  "{re.escape(each)}"', text, re.MULTILINE)
    ]
    assert not bare


def command(*lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )


def test_a_check_looks_for_the_large_libraries_and_loads_none(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("content_rules: {language: 1, secrets: 1, personal_data: 1}\n")
    done = command(
        "import sys",
        "from llm_trace_exporter.cli.main import main",
        f"code = main(['check', {str(file)!r}])",
        f"print(code, [name for name in {LARGE} if name in sys.modules])",
    )
    assert done.stdout.splitlines() == [f"{file}: configuration is valid", "0 []"], done.stderr


def test_without_the_large_libraries_the_other_rules_go_on(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    rules = ("refusal", "empty_answer", "json_format", "injection", "document_injection")
    file.write_text(f"content_rules: {{{': 1, '.join(rules)}: 1}}\n")
    traces = ROOT / "tests" / "corpus" / "openinference-openai"
    done = command(
        "import sys",
        f"sys.modules.update(dict.fromkeys({LARGE}))",
        "from llm_trace_exporter.cli.main import main",
        f"sys.exit(main(['replay', '--config.file', {str(file)!r}, {str(traces)!r}]))",
    )
    assert done.returncode == 0, done.stderr
    counted = re.findall(r'^llm_judge_verdicts_total{.*judge="(\w+)"', done.stdout, re.MULTILINE)
    assert {"refusal", "empty_answer", "injection"} <= set(counted)
