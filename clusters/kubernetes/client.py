"""The official client without its models: of its eight hundred modules those that know credentials and connections.

Its packages load every model and every call as they are imported, 40 MB and half a second of each process. Objects are
plain JSON here, so that those packages stand empty while what is needed is loaded; whoever imports the client after that gets all of it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

NAME = "kubernetes"


@contextmanager
def _empty_packages(*names: str) -> Iterator[None]:
    whole = find_spec(NAME)
    if whole is None:
        raise ModuleNotFoundError(f"No module named {NAME!r}", name=NAME)
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == NAME}
    _forget()
    for name in names:
        spec = ModuleSpec(name, None, is_package=True)
        folders = whole.submodule_search_locations or ()
        spec.submodule_search_locations = [str(Path(folder, *name.split(".")[1:])) for folder in folders]
        sys.modules[name] = module_from_spec(spec)
    try:
        yield
    finally:
        _forget()
        sys.modules.update(before)


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


with _empty_packages(NAME, "kubernetes.client", "kubernetes.client.models"):
    _package: Any = sys.modules["kubernetes.client"]
    ApiClient = _package.ApiClient = import_module("kubernetes.client.api_client").ApiClient
    Configuration = _package.Configuration = import_module("kubernetes.client.configuration").Configuration
    ApiException = import_module("kubernetes.client.exceptions").ApiException
    config = import_module("kubernetes.config")
