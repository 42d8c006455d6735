"""The documents speak of what is there: files, links, settings, make verbs."""

import re

import pytest

from tests.architecture import source

DOCUMENTS = [*source.ROOT.glob("*.md"), *(source.ROOT / "docs").rglob("*.md")]
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.(?:py|md|sh|yaml|yml|toml|conf))?)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
READ = re.compile(r"""(?:environ\.get|env\.\w+)\(\s*['"]([A-Z_]+)['"](?:[^()]*"([A-Z]+_PASSWORD)")?""")
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def read(name):
    return (source.ROOT / name).read_text(encoding="utf-8")


def places(document, pattern):
    return set(pattern.findall(document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_a_document_names_is_there(document):
    assert [path for path in places(document, PATH) if not (source.ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_of_a_document_leads_somewhere(document):
    assert [link for link in places(document, LINK) if not (document.parent / link).exists()] == []


def settings_that_are_read():
    code = (
        read("scheduler_site/settings.py")
        + read("scheduler_site/door_settings.py")
        + read("scheduler_site/env.py")
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
