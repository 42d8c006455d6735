"""The house rules that no linter holds: names that say something, files and functions that fit into a head."""

import ast

from tests.architecture import source

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "services", "service", "manager", "managers", "common", "misc"}
LONGEST_FILE = 350
LONGEST_FUNCTION = 60


def test_no_file_has_a_name_that_refuses_nothing():
    named = [source.name(path) for path in source.files() if {path.stem, path.parent.name} & EMPTY_NAMES]
    assert named == []


def test_no_file_is_too_long():
    lengths = {source.name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in source.files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_too_long():
    lengths = {
        f"{source.name(path)}:{function.lineno} {function.name}": source.length(function)
        for path, function in source.functions()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def test_nothing_of_ours_is_imported_inside_a_function():
    """Except in apps.py: before an app is ready, what needs models cannot be imported."""
    hidden = [
        f"{source.name(path)}:{node.lineno} {module}"
        for path, function in source.functions()
        if path.name != "apps.py"
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in imported(node)
        if module.split(".")[0] in {"", *source.packages()}
    ]
    assert hidden == []


def test_a_module_of_ours_goes_by_its_own_name():
    """Two names for one module are two things to look for."""
    renamed = [
        f"{source.name(path)}:{node.lineno} {alias.name} as {alias.asname}"
        for path, node in source.nodes()[ast.ImportFrom]
        if node.module
        for alias in node.names
        if alias.asname and (source.ROOT / node.module.replace(".", "/") / f"{alias.name}.py").exists()
    ]
    assert renamed == []
