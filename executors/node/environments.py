"""The environment that a job names, made ready on this node: one that lies there is looked at, one of a file built once.

Whoever comes first builds, under the user as which its job runs; others with the same file wait for it. What is built is
sealed before anybody uses it: the agent's own, read by all, written by nobody.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from errno import ENOSPC
from pathlib import Path

from django.conf import settings
from uv import find_uv_bin

from executors.node.code import COPY
from executors.node.setup_steps import SetupError, SetupSteps, StoppedError
from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.environments import (
    BUILDS,
    BUILT,
    CONDA,
    PREFIXES,
    PYTHON,
    PYTHON_LABEL,
    UNDERSTOOD,
    VENV,
    YES,
    kind_of,
)
from workers.environments import recipes
from workers.environments.cache import EnvironmentCache, StrangeFileError
from workers.environments.pythons import Python, installed
from workers.environments.recipes import Recipe, RecipeError
from workers.hardware.disk import Disk
from workers.runtime import job_view
from workers.runtime.job_user import JobUser
from workers.runtime.process import Command, replace_file
from workers.runtime.walls import Place, Walls

NOTE = "environment.json"
VARIABLES = {CONDA: "CONDA_PREFIX"}
LOOK_SECONDS = 0.2
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OF_BUILDER = "UV_"
"""What begins so of the agent's own environment is for builds: which index they ask, above all."""
NO_ROOM = "No space left on device"


class NodeEnvironments:
    """The environments of all that runs on one node."""

    def __init__(self, folder: Path, disk: Disk, walls: Walls) -> None:
        self._disk = disk
        self._walls = walls
        self._cache = EnvironmentCache(folder, int(settings.ENVIRONMENT_CACHE_GB * 2**30))
        self._used: dict[int, str] = {}
        self._pythons: list[Python] = []

    def start(self) -> None:
        """Before anything runs: forget what was half built, and see which Pythons there are."""
        self._cache.start()
        self._pythons = pythons_for(self._walls)

    def prepare(self, run: PlacementRun) -> PlacementOutcome | None:
        """Have its environment ready; how it ends, where there is none. Raises OSError."""
        kind = kind_of(run.claimed.environment)
        if kind in PREFIXES:
            return self._look_at(run, kind)
        if kind not in BUILT:
            return None
        with run.getting_ready():
            try:
                self._ready(run, kind)
            except StoppedError:
                return run.ended_by_stop()
            except SetupError as error:
                return error.ending(run)
            except RecipeError as error:
                return SetupError(str(error)).ending(run)
        return None

    def keep(self, run: PlacementRun) -> None:
        """It was begun by an agent before: what it runs in is in use."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self._use(run, str(json.loads((run.folder / NOTE).read_text())["key"]))

    def release(self, run: PlacementRun) -> None:
        """It is over."""
        if key := self._used.pop(run.placement_id, ""):
            self._cache.release(key)

    def shown(self, run: PlacementRun) -> tuple[Path, ...]:
        """What its command has to see of the platform's folder."""
        key = self._used.get(run.placement_id)
        return (self._cache.prefix(key),) if key else ()

    def variables(self, run: PlacementRun) -> dict[str, str]:
        """What a shell has that has activated the environment; nothing where there is none."""
        kind = kind_of(run.claimed.environment)
        key = self._used.get(run.placement_id)
        prefix = str(self._cache.prefix(key)) if key else run.claimed.environment.get(kind, "")
        if kind not in (*PREFIXES, *BUILT) or not prefix:
            return {}
        path = run.claimed.env.get("PATH") or os.environ.get("PATH", os.defpath)
        return {VARIABLES.get(kind, "VIRTUAL_ENV"): prefix, "PATH": os.pathsep.join((f"{prefix}/bin", path))}

    def _look_at(self, run: PlacementRun, kind: str) -> PlacementOutcome | None:
        prefix = Path(run.claimed.environment[kind])
        what = "virtual environment" if kind == VENV else "conda environment"
        if not (prefix / "bin").is_dir():
            there = "a folder without bin" if prefix.is_dir() else "no such folder"
            return SetupError(f"There is no {what} {prefix} on this node: {there}.").ending(run)
        if not self._walls.shows(prefix) and (
            closed := _closed(prefix / "bin" / "python", self._walls.user_of(run.claimed.job_id))
        ):
            return SetupError(f"The {what} {prefix} is closed to the user as which the job runs, by {closed}.").ending(
                run
            )
        return None

    def _ready(self, run: PlacementRun, kind: str) -> None:
        recipe = self._recipe(run, kind)
        self._use(run, recipe.key)
        if self._cache.is_ready(recipe.key):
            return
        steps = SetupSteps(run)
        try:
            lock = self._cache.lock_of(recipe.key)
            if not lock.acquire(blocking=False):
                steps.say(f"Another job builds the environment of {recipe.title}: waiting for it.")
                while not lock.acquire(timeout=LOOK_SECONDS):
                    steps.stop_if_asked()
            with _released(lock.release):
                if not self._cache.is_ready(recipe.key):
                    self._build(run, recipe, steps)
        finally:
            steps.close()

    def _recipe(self, run: PlacementRun, kind: str) -> Recipe:
        asked = run.claimed.environment
        return recipes.recipe(
            kind, asked[kind], run.folder / COPY, digest=run.claimed.code, python=asked.get(PYTHON, ""),
            pythons=self._pythons, owner=run.claimed.project if self._walls.run_as is not None else "",
        )  # fmt: skip

    def _use(self, run: PlacementRun, key: str) -> None:
        self._cache.hold(key)
        self.release(run)
        self._used[run.placement_id] = key
        if not (run.folder / NOTE).exists():
            replace_file(run.folder / NOTE, json.dumps({"key": key}))

    def _build(self, run: PlacementRun, recipe: Recipe, steps: SetupSteps) -> None:
        began = time.monotonic()
        if self._disk.problem():
            self._cache.trim(everything=True)
        steps.say(f"Building the environment of {recipe.title} with Python {recipe.python.full}.")
        prefix = self._cache.begin(recipe.key)
        user = self._walls.user_of(run.claimed.job_id)
        try:
            for argv in recipe.steps(find_uv_bin(), prefix):
                folder = steps.place()
                steps.step(
                    self._command(run, recipe, argv, prefix, folder, steps),
                    folder,
                    what=f"Building the environment of {recipe.title}",
                )
            self._cache.complete(recipe.key, builder=os.geteuid() if user is None else user.uid, words=recipe.title)
        except SetupError as error:
            self._cache.discard(recipe.key)
            if NO_ROOM in str(error):
                self._cache.trim(everything=True)
                raise OSError(ENOSPC, f"no room for the environment of {recipe.title}") from error
            raise
        except StrangeFileError as error:
            self._cache.discard(recipe.key)
            raise SetupError(f"The environment of {recipe.title} cannot be kept: {error}") from error
        except BaseException:
            self._cache.discard(recipe.key)
            raise
        steps.say(f"Ready after {time.monotonic() - began:.1f} s.")
        self._cache.trim()

    def _command(
        self, run: PlacementRun, recipe: Recipe, argv: list[str], prefix: Path, folder: Path, steps: SetupSteps
    ) -> Command:
        """Behind the walls of the job: builds run code of whoever wrote the packages."""
        own = self._walls.run_as is not None
        downloads = steps.folder / "downloads" if own else self._cache.downloads
        downloads.mkdir(exist_ok=True, mode=0o700)
        run.folder.chmod(0o711)
        (self._walls.home / "jobs" / str(run.claimed.job_id)).mkdir(parents=True, exist_ok=True)
        kept = (prefix, run.folder / COPY, downloads) if own else ()
        place = Place(
            run.claimed.job_id, folder, kept, alone=False, shown=(prefix, run.folder / COPY, downloads, Path(argv[0]))
        )
        self._walls.prepare(place)
        command = Command(
            argv=tuple(argv),
            cwd=str(recipe.folder),
            env=self._environment(self._walls.environment(place), prefix, downloads),
            log_limit_bytes=int(settings.LOG_LIMIT_MB * 2**20),
            grace_seconds=settings.KILL_GRACE_SECONDS,
            max_runtime_seconds=steps.seconds_left,
            memory_limit_bytes=0 if settings.MEMORY_LIMIT == "off" else run.claimed.memory_mb * 2**20,
            memory_enforced=settings.MEMORY_LIMIT == "enforce",
        )
        return self._walls.around(command, place)

    def _environment(self, own: Mapping[str, str], prefix: Path, downloads: Path) -> dict[str, str]:
        """Nothing of the job's own variables: who shares an environment shares all of what it was built with."""
        names = (*PASSED_ON, *PROXIES, *(name.lower() for name in PROXIES))
        passed = {name: os.environ[name] for name in names if name in os.environ}
        of_builder = {name: value for name, value in os.environ.items() if name.startswith(OF_BUILDER)}
        return {
            **passed,
            "HOME": str(downloads),
            **own,
            **of_builder,
            "UV_CACHE_DIR": str(downloads),
            "UV_PROJECT_ENVIRONMENT": str(prefix),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
        }


def pythons_for(walls: Walls) -> list[Python]:
    """Those that jobs behind these walls can run."""
    found = installed(os.environ.get("PATH", os.defpath))
    user = walls.user_of(0)
    return [one for one in found if walls.shows(Path(one.executable)) or not _closed(Path(one.executable), user)]


def labels(walls: Walls) -> dict[str, str]:
    """By which the planner knows in what jobs can run here."""
    pythons = [f"{PYTHON_LABEL}{one.minor}" for one in pythons_for(walls)]
    return dict.fromkeys((UNDERSTOOD, *([BUILDS] if _has_builder() else []), *pythons), YES)


def _has_builder() -> bool:
    try:
        return bool(find_uv_bin())
    except FileNotFoundError:  # there is no wheel of it for this machine
        return False


@contextlib.contextmanager
def _released(release: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        release()


def _closed(path: Path, user: JobUser | None) -> str:
    """The folder on the way to it that the user may not pass; empty: none."""
    return next((found for one in (path, path.resolve()) if (found := job_view.closed_above(one, user))), "")
