"""Style fails the build: import order, lengths, banned calls, words that do not belong."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gxsim"
ORDER = (
    "errors units rng kernels model api load state timeline scheduler controllers consensus engine traffic storage "
    "network security observe study plan audit validate report cli"
).split()
FREE = ("__init__", "__main__")  # the public surface, which imports lazily, and the entry point
FUNCTION_LINES, FILE_LINES = 60, 400
ONLY_IN = {"simpy": "engine", "yaml": "load", "typer": "cli", "jinja2": "report", "matplotlib": "report"}
DRAWS = {"rand", "randn", "randint", "random", "choice", "shuffle", "seed", "normal", "uniform", "permutation"}
WORDS = re.compile(r"\b(TODO|FIXME)\b|NotImplementedError")

FILES = sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def guarded(tree: ast.Module) -> ast.Module:
    """The tree without what stands under ``if TYPE_CHECKING:``."""
    body = [n for n in tree.body if not (isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")]
    return ast.Module(body, [])


@pytest.fixture(params=FILES, ids=lambda p: str(p.relative_to(ROOT)))
def source(request: pytest.FixtureRequest) -> tuple[Path, str, ast.Module]:
    text = request.param.read_text()
    return request.param, text, ast.parse(text)


def test_units_import_only_what_stands_before_them(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    unit = unit_of(path)
    if unit in FREE:
        return
    for module in imports(guarded(tree)):
        if module.startswith("gxsim."):
            other = module.split(".")[1]
            assert ORDER.index(other) <= ORDER.index(unit), f"{path}: {unit} may not import {other}"


def test_kernels_import_numpy_only(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    if unit_of(path) != "kernels":
        return
    allowed = {"numpy", "gxsim"} | sys.stdlib_module_names
    assert {module.split(".")[0] for module in imports(tree)} <= allowed
    assert all(m.startswith("gxsim.kernels") for m in imports(tree) if m.startswith("gxsim"))


def test_each_library_has_its_room(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    for module in imports(tree):
        room = ONLY_IN.get(module.split(".")[0])
        assert room in (None, unit_of(path)), f"{path}: {module} is for {room} only"


def test_engine_and_observers_meet_in_the_timeline_only(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    if unit_of(path) in ("traffic", "storage", "network", "security", "observe"):
        assert not [m for m in imports(tree) if m.startswith("gxsim.engine")]


def test_functions_fit_on_a_screen(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{path}:{node.lineno}: {node.name} has {lines} lines"


def test_files_stay_short(source: tuple[Path, str, ast.Module]) -> None:
    path, text, _ = source
    assert text.count("\n") <= FILE_LINES, f"{path} has {text.count(chr(10))} lines; split it by noun"


def test_banned_calls_are_absent(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        banned = {
            "eval",
            "exec",
            "hash",
            "time.time",
            "datetime.now",
            "datetime.utcnow",
            "yaml.load",
            "yaml.unsafe_load",
        }
        assert name not in banned, f"{path}:{node.lineno}: {name}()"
        if name == "print":
            assert unit_of(path) == "cli", f"{path}:{node.lineno}: print() outside cli"
        drawn = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", name)
        assert not (drawn and drawn[1] in DRAWS), f"{path}:{node.lineno}: {name}() is not a named stream"
    assert "random" not in {m.split(".")[0] for m in imports(tree)}, f"{path} imports random"


def test_no_word_that_does_not_belong() -> None:
    prose = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *FILES, *(ROOT / "scenarios").rglob("*.*")]
    for path in prose:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not WORDS.search(line), f"{path}:{number}: {line.strip()}"


def test_every_module_says_what_it_is(source: tuple[Path, str, ast.Module]) -> None:
    path, _, tree = source
    assert ast.get_docstring(tree), f"{path} has no docstring"
