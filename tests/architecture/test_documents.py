"""The documents speak of what is there: files, links, settings, make verbs."""

import ast
import re

import pytest

from tests.architecture import source

DOCUMENTS = [*source.ROOT.glob("*.md"), *(source.ROOT / "docs").rglob("*.md")]
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.(?:py|md|sh|yaml|yml|toml|conf))?)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
NAMES = re.compile(r"`((?:[\w-]+/)+[\w-]+\.py): (\w+)`((?:, `\w+`)*)")
"""A file, and one or several of its names: `jobs/state/transitions.py: apply`, `note`."""
LOCKS = re.compile(r"select_for_update|pg_(?:try_)?advisory|\bFOR (?:NO KEY UPDATE|KEY SHARE|SHARE|UPDATE)\b")
READ = re.compile(r"""(?:environ\.get|env\.\w+)\(\s*['"]((?:K8S)?[A-Z_]+)['"](?:[^()]*"([A-Z]+_PASSWORD)")?""")
ROW = re.compile(r"^\| `((?:K8S)?[A-Z_]+)` \|", re.MULTILINE)


def read(name):
    return (source.ROOT / name).read_text(encoding="utf-8")


def places(document, pattern):
    return set(pattern.findall(document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_a_document_names_is_there(document):
    assert [path for path in places(document, PATH) if not (source.ROOT / path).exists()] == []


def defined(path):
    """The names that a module's top level gives."""
    tree = source.tree(path)
    assigned = (target for node in tree.body if isinstance(node, ast.Assign) for target in ast.walk(node))
    bare = (node.target for node in tree.body if isinstance(node, ast.AnnAssign))
    named = (node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {*named, *(one.id for one in (*assigned, *bare) if isinstance(one, ast.Name))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_name_that_a_document_gives_a_file_is_defined_there(document):
    found = [(path, [name, *re.findall(r"\w+", more)]) for path, name, more in places(document, NAMES)]
    assert [
        (path, set(names) - defined(source.ROOT / path))
        for path, names in found
        if set(names) - defined(source.ROOT / path)
    ] == []


def test_the_page_on_locking_names_every_file_that_locks():
    page = read("docs/design/locking.md")
    locking = [source.name(path) for path in source.files() if LOCKS.search(path.read_text(encoding="utf-8"))]
    locking = [name for name in locking if not name.startswith("chaos/")]  # a drill locks in order to harm
    assert [name for name in locking if f"`{name}" not in page] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_of_a_document_leads_somewhere(document):
    assert [link for link in places(document, LINK) if not (document.parent / link).exists()] == []


def settings_that_are_read():
    code = (
        read("scheduler_site/settings.py")
        + read("scheduler_site/cluster_settings.py")
        + read("scheduler_site/code_settings.py")
        + read("scheduler_site/door_settings.py")
        + read("scheduler_site/output_settings.py")
        + read("scheduler_site/provider_settings.py")
        + read("scheduler_site/session_settings.py")
        + read("scheduler_site/wall_settings.py")
        + read("scheduler_site/env.py")
        + read("scheduler_site/platform_logs.py")
        + read("deploy/gunicorn.conf.py")
    )
    return {name for found in READ.findall(code) for name in found if name}


def test_operators_find_every_setting_that_is_read_and_no_other():
    assert set(ROW.findall(read("docs/operations.md"))) == settings_that_are_read()


def test_the_readme_names_every_verb_of_make():
    verbs = re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE)
    assert set(re.findall(r"^\| `make ([a-z]+)` \|", read("README.md"), re.MULTILINE)) == set(verbs) - {"help"}


def test_every_service_of_compose_is_described():
    composed = read("compose.yaml").partition("\nservices:\n")[2]
    services = re.findall(r"^  ([a-z-]+):\n    (?:<<|image)", composed, re.MULTILINE)
    assert len(services) == 9
    assert [name for name in services if f"`{name}`" not in read("docs/operations.md")] == []
