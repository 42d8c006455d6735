"""The pictures of the documents, taken from a running system: `make screenshots`, or `python -m tests.screenshots`.

Starts a platform of its own, has it train the demonstration's models under a quota and a budget, and takes each page of
PAGES while they train. Wants a browser, which the requirements leave out: `pip install playwright`, and Chromium
(`apt install chromium fonts-dejavu-core`; another one: CHROMIUM=/path). Pictures are made small by their colours alone.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from cli.client.connection import Connection
from cli.client.requests import Server
from cli.views.dashboard import fetch_snapshot, frame
from local_stack.demo import sweep
from local_stack.demo.private_stack import private_stack
from local_stack.servers.home import Home

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SAFE = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]
WIDE, HIGH = 1280, 800
COLOURS = 96
MOST_BYTES = 200_000
TERMINAL = (118, 30)
LABEL = "screenshots"
SECONDS = 240


@dataclass(frozen=True)
class Yard:
    """The platform that is shown, and how it is asked."""

    known: dict[str, str]
    http: httpx.Client

    def job(self, *states: str) -> int:
        """The newest job that is in one of these states; waited for."""
        return int(self.wait(lambda: self.jobs(*states))[-1]["id"])

    def jobs(self, *states: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("jobs", params={"page_size": 200, "ordering": "id"}).json()[
            "results"
        ]
        return [job for job in found if not states or job["state"] in states]

    def wait(self, look: Callable[[], Any]) -> Any:
        give_up_at = time.monotonic() + SECONDS
        while not (found := look()):
            if time.monotonic() > give_up_at:
                sys.exit("The platform did not get so far: there is nothing to show.")
            time.sleep(0.5)
        return found


PAGES: dict[str, Callable[[Yard], str]] = {
    "jobs": lambda _: "/admin/jobs/job/?o=-3.-1",  # by state: what runs comes first
    "job": lambda yard: f"/admin/jobs/job/{yard.job('completed')}/change/",
    "projects": lambda _: "/admin/quotas/project/",
    "nodes": lambda _: "/admin/workers/node/",
}
"""Pages of the admin by the names of their pictures."""


@contextmanager
def at_work() -> Iterator[Yard]:
    """A platform on which some jobs have ended, some run and some wait."""
    with tempfile.TemporaryDirectory(prefix="trainyard-screenshots-") as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        with private_stack(home, Path(folder) / "log"):
            known = json.loads(home.credentials.read_text(encoding="utf-8"))
            address = f"{known['url']}/api/v1/"
            headers = {"Authorization": f"Bearer {known['token']}"}
            with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=60) as http:
                yard = Yard(known, http)
                set_up(yard)
                yard.wait(lambda: yard.jobs("completed") and any(job["progress"] for job in yard.jobs("running")))
                yield yard


def set_up(yard: Yard) -> None:
    """Two projects with quotas that lend to each other, a budget, and the demonstration's sweep in both."""
    said = [
        yard.http.post("projects", json={"slug": slug, "name": name, "parent": "default"})
        for slug, name in (("vision", "Vision"), ("speech", "Speech"))
    ]
    own = {"limits": {"gpus": 1, "cpus": 2}, "borrowing_limits": {"gpus": 1, "cpus": 2}}
    said += [yard.http.patch(f"queues/quota/{slug}", json=own) for slug in ("vision", "speech")]
    budget = {"amount": "25", "period": "month", "unit": "gpu_hours"}
    said.append(yard.http.post("projects/vision/budgets", json=budget))
    # One of them asks for more than its own, the other leaves some.
    for project, label, most in (("vision", "a", None), ("vision", "b", None), ("speech", "c", 1)):
        jobs = [{**job, "project": project} for job in sweep.runs(f"{LABEL}-{label}")[:most]]
        said.append(yard.http.post("jobs/batch", json={"jobs": jobs}))
    for answer in said:
        if answer.is_error:
            sys.exit(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")


def top(yard: Yard) -> str:
    """What `trainyard top` shows, as a drawing."""
    columns, lines = TERMINAL
    console = Console(record=True, width=columns, height=lines, file=StringIO(), color_system="truecolor")
    with Server(Connection(yard.known["url"], yard.known["token"], "")) as server:
        console.print(frame(console, fetch_snapshot(server), lines=lines))
    return console.export_svg(title="trainyard top", theme=DIMMED_MONOKAI)


def small(picture: bytes) -> bytes:
    """The same in fewer colours: pages have few, and letters stay sharp."""
    with Image.open(BytesIO(picture)) as image:
        squeezed = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    made = BytesIO()
    squeezed.save(made, "PNG", optimize=True)
    return made.getvalue()


def keep(name: str, picture: bytes) -> None:
    made = small(picture)
    if len(made) > MOST_BYTES:
        sys.exit(f"{name}.png has {len(made)} bytes, more than {MOST_BYTES}.")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.png").write_bytes(made)
    sys.stdout.write(f"{name}.png: {len(made) / 1000:.0f} kB\n")


def take(browser: Any, yard: Yard) -> None:
    page = browser.new_page(viewport={"width": WIDE, "height": HIGH}, locale="en-GB", timezone_id="UTC")
    page.goto(f"{yard.known['url']}/admin/")
    page.fill("#id_username", yard.known["admin_user"])
    page.fill("#id_password", yard.known["admin_password"])
    page.click("input[type=submit]")
    for name, path in PAGES.items():
        page.goto(f"{yard.known['url']}{path(yard)}", wait_until="networkidle")
        ends = page.evaluate("document.querySelector('#content').getBoundingClientRect().bottom")
        keep(name, page.screenshot(clip={"x": 0, "y": 0, "width": WIDE, "height": min(HIGH, ends)}))
    page.close()
    page = browser.new_page(
        viewport={"width": WIDE, "height": HIGH}
    )  # a new one: the site's pages take no style of ours
    page.set_content(f"<body style='margin: 0'>{top(yard)}</body>")
    keep("top", page.locator("svg").screenshot())
    page.close()
    signed_in = browser.new_context(
        viewport={"width": WIDE, "height": HIGH},
        http_credentials={"username": yard.known["admin_user"], "password": yard.known["flower_password"]},
    )
    page = signed_in.new_page()
    page.goto(f"{yard.known['flower_url']}/tasks", wait_until="load")
    page.wait_for_timeout(2000)  # it draws its table by itself, from a second question
    keep("flower", page.screenshot())
    signed_in.close()


def main() -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("The browser's driver is not installed: .venv/bin/pip install playwright")
    if not Path(CHROMIUM).exists():
        sys.exit(f"There is no {CHROMIUM}: install Chromium (apt install chromium), or name one with CHROMIUM=/path.")
    with at_work() as yard, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SAFE)
        take(browser, yard)
        browser.close()


if __name__ == "__main__":
    main()
