"""The rules of the source tree, read from its text: nothing is imported."""

import ast
import pathlib
import re
import statistics

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_eff"
PACKAGE_FILES = sorted(PACKAGE.rglob("*.py"))
PYTHON_FILES = sorted(
    path
    for folder in ("keras_eff", "tests", "examples", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
PROSE_FILES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

# Each part of keras_eff, and the other parts it may import.
MAY_IMPORT = {
    "ops": set(),
    "schedules": set(),
    "printable": set(),
    "draft": set(),
    "command": {"printable"},
    "child_main": set(),
    "child_process": {"command", "draft", "printable"},
    "registration": set(),
    "layers": {"ops", "schedules"},
    "distillation": {"draft"},
    "callbacks": {
        *("layers", "schedules", "ops", "distillation", "transforms"),
        "channels",
    },
    "transforms": {"layers", "schedules", "ops"},
    "channels": {"layers", "transforms", "export", "latency", "draft"},
    "export": {
        *("layers", "transforms", "ops", "child_process", "command"),
        *("draft", "printable"),
    },
    "latency": {"export", "child_process", "command", "printable"},
    "text": set(),
}
MAY_IMPORT_ALL = {"__init__", "__main__", "command_line", "tuning"}
MAY_PRINT = {"command_line"}
DEPLOYMENT_PARTS = {"export", "latency", "text", "tuning"}
DEPLOYMENT_LIBRARIES = {
    "tensorflow",
    "ai_edge_litert",
    "flatbuffers",
    "keras_tuner",
}
PRIVATE_MODULES = ("keras.src", "tensorflow.python")
VAGUE_WORDS = {"util", "utils", "misc", "common", "helper", "helpers"}
# Written so that it does not find itself.
OUTSIDE_PATHS = re.compile(r"/work[/]|[.][.]/shared")


def each_file(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda path: str(path.relative_to(ROOT))
    )


def part(path):
    """The part of keras_eff that a file belongs to: `layers`, `export`, ..."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def syntax(path):
    return ast.parse(path.read_text())


def imported_names(path):
    """Full dotted names of all that a file imports, at any depth."""
    names = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(filter(None, [folder(path, node), node.module]))
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def folder(path, import_from):
    """The dotted name that the dots of a relative import stand for."""
    if not import_from.level:
        return ""
    return ".".join(path.relative_to(ROOT).parts[: -import_from.level])


def public_classes(path):
    return [
        node.name
        for node in syntax(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def line_count(path):
    return len(path.read_text().splitlines())


@each_file(PACKAGE_FILES)
def test_imports_go_one_way(path):
    if part(path) in MAY_IMPORT_ALL:
        return
    assert part(path) in MAY_IMPORT, "add the new part to MAY_IMPORT"
    imported_parts = {
        (name.split(".") + ["__init__"])[1]
        for name in imported_names(path)
        if name.split(".")[0] == "keras_eff"
    }
    assert imported_parts <= MAY_IMPORT[part(path)] | {part(path)}


@each_file(PACKAGE_FILES)
def test_only_deployment_parts_import_deployment_libraries(path):
    libraries = {name.split(".")[0] for name in imported_names(path)}
    if part(path) not in DEPLOYMENT_PARTS:
        assert not libraries & DEPLOYMENT_LIBRARIES


@each_file(PYTHON_FILES)
def test_private_modules_are_not_used(path):
    names = imported_names(path) | {
        ast.unparse(node)
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Attribute)
    }
    private = [
        name
        for name in names
        for module in PRIVATE_MODULES
        if f"{name}.".startswith(f"{module}.")
    ]
    assert not private


@each_file(PACKAGE_FILES)
def test_no_module_is_over_300_lines(path):
    assert line_count(path) <= 300


def test_the_median_file_is_at_most_150_lines():
    modules = [path for path in PACKAGE_FILES if path.name != "__init__.py"]
    assert statistics.median(map(line_count, modules)) <= 150


@each_file(PYTHON_FILES)
def test_no_file_or_folder_has_a_vague_name(path):
    names = path.relative_to(ROOT).with_suffix("").parts
    words = {word for name in names for word in name.split("_")}
    assert not words & VAGUE_WORDS


@each_file(PACKAGE_FILES)
def test_a_layer_or_callback_file_has_one_public_class(path):
    if part(path) in {"layers", "callbacks"}:
        assert len(public_classes(path)) <= 1


@each_file(PACKAGE_FILES)
def test_the_package_does_not_print(path):
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call)
    ]
    assert "print" not in calls or part(path) in MAY_PRINT


@each_file(sorted(ROOT.glob("tests/*/**/*_test.py")))
def test_each_test_file_has_the_file_it_tests(path):
    tested = path.relative_to(ROOT / "tests")
    name = tested.name.removesuffix("_test.py") + ".py"
    home = ROOT if tested.parts[0] in {"examples", "benchmarks"} else PACKAGE
    assert (home / tested).with_name(name).is_file()


@each_file(PYTHON_FILES + PROSE_FILES)
def test_no_file_points_outside_the_tree(path):
    assert not OUTSIDE_PATHS.search(path.read_text())
