"""What travels with a call, and the call made of it by another Python."""

import functools
import importlib
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from trainyard.calls import code_folder
from trainyard.calls.packing import BROUGHT, pack
from trainyard.errors import UsageError

INNER = "class Inner:\n    @staticmethod\n    def deep(x, *rest, y=0, **named):\n        return x + y\n\n\ndef whoami():\n    return __name__\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package of the user's, imported from a folder of its own."""
    package = tmp_path / "project" / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text(INNER)
    monkeypatch.syspath_prepend(str(package.parent))
    yield importlib.import_module("shop.deep")
    for name in ("shop", "shop.deep"):
        sys.modules.pop(name, None)


def make_the_call(packed, tmp_path, *, index="", setup=""):
    """As a node does: the copy of the folder, and `python .trainyard/run.py` in it; returns the outputs."""
    copy = tmp_path / "copy"
    for path, content in packed.files.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
    if packed.folder is not None:
        subprocess.run(["cp", "-r", f"{packed.folder}/.", copy], check=True)
    environ = {
        "PATH": os.environ["PATH"],
        "TRAINYARD_OUTPUT_DIR": str(tmp_path / "out"),
        "TRAINYARD_ARRAY_INDEX": index,
    }
    command = [sys.executable, "-I", str(copy / BROUGHT / "run.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=copy)
    return done, tmp_path / "out" / "call"


def test_a_function_of_a_package_goes_by_its_name_and_its_folder_comes_along(project, tmp_path):
    packed = pack(project.Inner.deep, [((1,), {}), ((5,), {"y": 7})])
    assert packed.folder == Path(project.__file__).parents[1]
    description = json.loads(packed.files[f"{BROUGHT}/call.json"])
    assert (description["function"], description["by_value"]) == (["shop.deep", "Inner.deep"], False)
    done, out = make_the_call(packed, tmp_path, index="1")
    assert done.returncode == 0, done.stderr
    assert pickle.loads((out / "result.pkl").read_bytes()) == 12


def test_a_folder_above_may_be_named_and_one_beside_is_refused(project, tmp_path):
    top = tmp_path / "project"
    packed = pack(project.whoami, [((), {})], code=top)
    assert packed.folder == top
    _, out = make_the_call(packed, tmp_path)
    assert pickle.loads((out / "result.pkl").read_bytes()) == "shop.deep"
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match=r"code: .*src, from where the function is imported, is not inside .*other"):
        pack(project.whoami, [((), {})], code=tmp_path / "other")
    assert pack(lambda: 1, [((), {})], code=tmp_path / "other").folder == tmp_path / "other"


def test_all_of_a_home_does_not_come_along_by_itself(project, monkeypatch):
    monkeypatch.setenv("HOME", str(Path(project.__file__).parents[1]))
    with pytest.raises(UsageError, match="all of which would come along"):
        pack(project.whoami, [((), {})])


def test_a_function_of_a_notebook_goes_by_its_value_without_a_folder(tmp_path, monkeypatch):
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("from typing import NamedTuple\nfactor = 3\nclass Pair(NamedTuple):\n    a: int\n    b: int\ndef pair(x):\n    return Pair(x, x * factor)\n", namespace)  # noqa: S102  # fmt: skip
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("__main__"))
    sys.modules["__main__"].__dict__.update(namespace)
    packed = pack(namespace["pair"], [((2,), {})])
    assert packed.folder is None
    done, out = make_the_call(packed, tmp_path)
    assert done.returncode == 0, done.stderr
    found = pickle.loads((out / "result.pkl").read_bytes())
    assert found == (2, 6)
    assert type(found) is namespace["Pair"]


def test_what_went_by_value_is_refused_by_another_python(tmp_path):
    packed = pack(lambda: 1, [((), {})])
    described = json.loads(packed.files[f"{BROUGHT}/call.json"])
    files = {**packed.files, f"{BROUGHT}/call.json": json.dumps(described | {"python": [3, 5]}).encode()}
    done, out = make_the_call(packed._replace(files=files, folder=None), tmp_path)
    assert done.returncode == 1
    words = json.loads((out / "failure.json").read_text())["message"]
    assert words.startswith(
        "test_what_went_by_value_is_refused_by_another_python.lambda was sent by its value from Python 3.5"
    )


def test_what_raises_leaves_its_traceback_and_no_frame_of_ours(tmp_path):
    def outer():
        return list("a")[7]

    done, out = make_the_call(pack(outer, [((), {})])._replace(folder=None), tmp_path)
    told = json.loads((out / "failure.json").read_text())
    assert (done.returncode, told["type"], told["message"]) == (1, "IndexError", "list index out of range")
    assert "in outer" in told["traceback"]
    assert "run.py" not in told["traceback"]
    assert done.stderr == told["traceback"]
    assert not (out / "result.pkl").exists()


def test_a_function_that_is_told_to_stop_leaves_its_own_exit_code(tmp_path):
    def stopped():
        sys.exit(143)

    done, out = make_the_call(pack(stopped, [((), {})])._replace(folder=None), tmp_path)
    assert (done.returncode, out.exists()) == (143, False)


def test_a_module_that_is_not_there_is_told_with_what_to_do(project, tmp_path):
    packed = pack(project.whoami, [((), {})])
    done, out = make_the_call(packed._replace(folder=None), tmp_path)
    assert done.returncode == 1
    assert (
        "what whoami needs is not here: No module named 'shop'"
        in json.loads((out / "failure.json").read_text())["message"]
    )


@pytest.mark.parametrize(
    ("args", "named", "words"),
    [
        ((threading.Lock(),), {}, "x: this argument of Inner.deep cannot be pickled"),
        ((1, 2, threading.Lock()), {}, "rest[1]: this argument of Inner.deep cannot be pickled"),
        ((1,), {"other": threading.Lock()}, "other: this argument of Inner.deep cannot be pickled"),
        ((), {}, "arguments: those do not fit Inner.deep(x, *rest, y=0, **named): missing a required argument: 'x'"),
    ],
)
def test_what_does_not_fit_or_cannot_travel_is_named(project, args, named, words):
    with pytest.raises(UsageError) as told:
        pack(project.Inner.deep, [(args, named)])
    assert str(told.value).startswith(words)


def test_what_is_no_function_or_holds_something_is_refused():
    lock = threading.Lock()
    with pytest.raises(UsageError, match="function: int cannot be called"):
        pack(7, [((), {})])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="something global that it uses, cannot be pickled"):
        pack(lambda: lock, [((), {})])


def test_a_partial_function_and_one_that_is_installed(project, tmp_path):
    partial = functools.partial(project.Inner.deep, y=3)
    done, out = make_the_call(pack(partial, [((1,), {})]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert pickle.loads((out / "result.pkl").read_bytes()) == 4
    assert pack(json.dumps, [(([],), {})]).folder is None
    assert code_folder.root_of(sys.modules["pytest"]) is None
