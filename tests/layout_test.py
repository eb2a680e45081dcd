"""The rules of the source tree, read from its text: nothing is imported."""

import ast
import functools
import importlib.util
import pathlib
import re
import statistics

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_eff"
PACKAGE_FILES = sorted(PACKAGE.rglob("*.py"))
PYTHON_FILES = sorted(
    path
    for folder in ("keras_eff", "tests", "examples", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
PROSE_FILES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)

# Parts of keras_eff, and the other parts that each may import: what is not
# listed, such as a new technique, may import the engine.
_PLAIN = {"atomic_write", "figure", "printable", "command", "child_process"}
_ENGINE = {"ops", "schedules", "layers", "graph"}
_TECHNIQUES = {"quantization", "pruning", "factorization"}
_FILES = {*_PLAIN, *_ENGINE, "quantization", "lowering", "tflite"}
MAY_IMPORT = {
    "ops": set(),
    "schedules": set(),
    "printable": set(),
    "atomic_write": set(),
    "messages": {"printable"},
    "program": {"messages"},
    "figure": {"atomic_write"},
    "command": {"printable"},
    "child_main": set(),
    "child_process": {"command", "atomic_write", "printable"},
    "registration": set(),
    "layers": {"ops", "schedules"},
    "graph": {"layers"},
    "distillation": {*_ENGINE, "atomic_write"},
    "channels": {*_ENGINE, "atomic_write", "figure"},
    "callbacks": {
        *(*_ENGINE, *_TECHNIQUES, "distillation", "channels", "tuning"),
    },
    "lowering": {*_ENGINE, "quantization"},
    "tflite": {*_PLAIN, "ops", "layers", "graph"},
    "debugging": _FILES,
    "micro": _FILES,
    "export": {*_FILES, "debugging", "micro", "edgetpu"},
    "edgetpu": {*_FILES, "export"},
    "latency": {*_PLAIN, "tflite", "export"},
    "planning": {*_ENGINE, "atomic_write", "channels", "export", "latency"},
    "tuning": {
        *(*_PLAIN, *_ENGINE, "quantization", "export", "latency"),
        *("messages", "program"),
    },
    "text": set(),
    "arguments": set(),
    "renamed": set(),
    "table": set(),
}
ALL_MAY_IMPORT = {"arguments", "renamed", "table"}
MAY_IMPORT_ALL = {"__init__", "__main__", "command_line"}
MAY_PRINT = {"command_line", "messages"}
ONE_CLASS_A_FILE = {"layers", "callbacks"}
DEPLOYMENT_PARTS = {
    *("lowering", "tflite", "debugging", "export", "edgetpu", "micro"),
    *("latency", "text", "tuning"),
}
DEPLOYMENT_LIBRARIES = {
    "tensorflow",
    "ai_edge_litert",
    "flatbuffers",
    "keras_tuner",
}
PRIVATE_MODULES = ("keras.src", "tensorflow.python")
VAGUE_WORDS = {"util", "utils", "misc", "common", "helper", "helpers"}
# The book of layers, and a table of operator types of TensorFlow.
MAY_LIST_LAYERS = {
    "graph/layer_entries.py",
    "graph/operation_entries.py",
    "lowering/traced_graph.py",
}
# What the pages run and link to.
COMMANDS = re.compile(r"python (?:-m (benchmarks[.\w]+)|(examples/\w+)\.py)")
LINKS = re.compile(r"\]\((?!https?:)([^)#]+)")
# Written so that it does not find itself.
OUTSIDE_PATHS = re.compile(r"/work[/]|[.][.]/shared")


def check(paths, fault_of):
    """Fails with all files in which there is a fault, and what it is."""
    faults = {path.relative_to(ROOT): fault_of(path) for path in paths}
    lines = [f"{name}: {fault}" for name, fault in faults.items() if fault]
    assert not lines, "\n".join(lines)


def part(path):
    """The part of keras_eff that a file belongs to: `layers`, `export`, ..."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def syntax(path):
    return ast.parse(path.read_text())


@functools.cache
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


def test_imports_go_one_way():
    def forbidden(path):
        if part(path) in MAY_IMPORT_ALL:
            return set()
        imported_parts = {
            (name.split(".") + ["__init__"])[1]
            for name in imported_names(path)
            if name.split(".")[0] == "keras_eff"
        }
        allowed = {part(path), *ALL_MAY_IMPORT}
        return imported_parts - allowed - MAY_IMPORT.get(part(path), _ENGINE)

    check(PACKAGE_FILES, forbidden)


def test_only_deployment_parts_import_deployment_libraries():
    def forbidden(path):
        libraries = {name.split(".")[0] for name in imported_names(path)}
        if part(path) in DEPLOYMENT_PARTS:
            return set()
        return libraries & DEPLOYMENT_LIBRARIES

    check(PACKAGE_FILES, forbidden)


def test_private_modules_are_not_used():
    def private(path):
        names = imported_names(path) | {
            ast.unparse(node)
            for node in ast.walk(syntax(path))
            if isinstance(node, ast.Attribute)
        }
        return [
            name
            for name in names
            for module in PRIVATE_MODULES
            if f"{name}.".startswith(f"{module}.")
        ]

    check(PYTHON_FILES, private)


def test_no_module_is_over_300_lines_and_half_are_at_most_150():
    check(PACKAGE_FILES, lambda path: max(line_count(path) - 300, 0))
    modules = [path for path in PACKAGE_FILES if path.name != "__init__.py"]
    assert statistics.median(map(line_count, modules)) <= 150


def test_no_file_or_folder_has_a_vague_name():
    def vague(path):
        names = path.relative_to(ROOT).with_suffix("").parts
        return {w for name in names for w in name.split("_")} & VAGUE_WORDS

    check(PYTHON_FILES, vague)


@functools.cache
def keras_layers():
    """The names of the layer classes of Keras."""
    package = pathlib.Path(importlib.util.find_spec("keras").origin).parent
    imports = ast.parse((package / "layers" / "__init__.py").read_text())
    names = {
        alias.name
        for node in imports.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {name for name in names if name[0].isupper()} - {"Layer"}


def named_layers(nodes):
    """The layer classes of Keras that strings and attributes name."""
    words = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set(node.value.split())
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
    return words & keras_layers()


def items(node):
    if isinstance(node, (ast.List, ast.Set, ast.Tuple)):
        return node.elts
    return node.keys + node.values if isinstance(node, ast.Dict) else []


def compared_names(node):
    """What the name of a class is compared with: layers of Keras, or a part."""
    if not isinstance(node, ast.Compare) or "__name__" not in ast.unparse(node):
        return []
    return [
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant)
        and isinstance(part.value, str)
        and part.value[:1].isupper()
        and any(part.value in name for name in keras_layers())
    ]


def test_only_the_book_of_layers_knows_them_by_name():
    def known(path):
        if path.relative_to(PACKAGE).as_posix() in MAY_LIST_LAYERS:
            return []
        nodes = list(ast.walk(syntax(path)))
        tables = map(named_layers, map(items, nodes))
        tables = [names for names in tables if len(names) > 2]
        return tables + [x for node in nodes for x in compared_names(node)]

    check(PACKAGE_FILES, known)


def test_a_layer_or_callback_file_has_one_public_class():
    check(
        [path for path in PACKAGE_FILES if part(path) in ONE_CLASS_A_FILE],
        lambda path: public_classes(path)[1:],
    )


def test_the_package_does_not_print():
    def prints(path):
        return part(path) not in MAY_PRINT and any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
            for node in ast.walk(syntax(path))
        )

    check(PACKAGE_FILES, prints)


def test_each_test_file_has_the_file_it_tests():
    def is_alone(path):
        tested = path.relative_to(ROOT / "tests")
        name = tested.name.removesuffix("_test.py") + ".py"
        root = tested.parts[0] in {"examples", "benchmarks"}
        home = ROOT if root else PACKAGE
        return not (home / tested).with_name(name).is_file()

    check(sorted(ROOT.glob("tests/*/**/*_test.py")), is_alone)


def test_no_file_points_outside_the_tree():
    check(
        PYTHON_FILES + PROSE_FILES,
        lambda path: OUTSIDE_PATHS.findall(path.read_text()),
    )


def test_what_the_pages_run_and_link_to_is_there():
    def lost(path):
        text = path.read_text()
        modules = [a.replace(".", "/") or b for a, b in COMMANDS.findall(text)]
        scripts = [ROOT / f"{module}.py" for module in modules]
        linked = [path.parent / link for link in LINKS.findall(text)]
        return [str(each) for each in scripts + linked if not each.exists()]

    check(PROSE_FILES, lost)
