"""How a bridge of Slurm is told what it needs to know: words NAME=VALUE, over settings, each refused by name if it will not do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

MOST_POLL_SECONDS = 300.0
PATH_OF_NODES = "/usr/local/bin:/usr/bin:/bin"
WORDS = {
    "partition": "the partition in which its jobs run; one bridge for each",
    "shared": "a folder that this machine and all nodes see by the same path, and the jobs' user may write",
    "url": "where slurmrestd listens, like http://head:6820; without it the commands sbatch, squeue, scontrol, scancel and sacct are used",
    "user": "whose jobs they are, where the token may speak for others; without it the token's own user",
    "token_file": "a file with the token, read before each request, so that it can be renewed; else EXECUTOR_SLURM_AUTH_TOKEN",
    "account": "the account of all jobs; without it PREFIXproject where SLURM_ACCOUNT_PREFIX is set, else the user's own default",
    "account_prefix": "instead of SLURM_ACCOUNT_PREFIX",
    "qos": "the QOS of all jobs; {project} and {queue} are put in",
    "reservation": "a reservation of Slurm's in which all jobs run",
    "path": "where programs, srun among them, are looked for on the nodes",
    "poll_seconds": "how often Slurm is asked at least",
}
"""All that there are, and what each is."""


@dataclass(frozen=True, slots=True)
class Options:
    partition: str
    shared: Path
    url: str = ""
    user: str = ""
    token_file: str = ""
    account: str = ""
    account_prefix: str = ""
    qos: str = ""
    reservation: str = ""
    path: str = PATH_OF_NODES
    poll_seconds: float = 1.0

    def account_of(self, project: str) -> str:
        return self.account or (f"{self.account_prefix}{project}" if self.account_prefix else "")

    def qos_of(self, project: str, queue: str) -> str:
        return self.qos.replace("{project}", project).replace("{queue}", queue)

    def token(self) -> Callable[[], str]:
        """Reads it anew each time where it is in a file."""
        if not self.token_file:
            return lambda: str(settings.EXECUTOR_SLURM_AUTH_TOKEN)
        path = Path(self.token_file)
        return lambda: path.read_text(encoding="utf-8").strip()


def read_options(cluster: str, given: Mapping[str, str]) -> Options:
    """Raises ValueError naming the option and what would do."""
    if "help" in given:
        raise ValueError(
            "\n".join(
                ["These are the options of a bridge of Slurm:", *(f"  {name}: {what}" for name, what in WORDS.items())]
            )
        )
    unknown = sorted(set(given) - set(WORDS))
    if unknown:
        raise ValueError(f"{unknown[0]}: there is no such option of Slurm's bridge. There are: {', '.join(WORDS)}.")
    for needed in ("partition", "shared"):
        if not given.get(needed):
            raise ValueError(f"{needed}: it must be given: {WORDS[needed]}.")
    options = Options(
        partition=given["partition"],
        shared=_folder(given["shared"]) / cluster,
        url=_url(given.get("url", str(settings.EXECUTOR_SLURM_REST_API_URL))),
        user=given.get("user", ""),
        token_file=_file(given.get("token_file", "")),
        account=given.get("account", ""),
        account_prefix=given.get("account_prefix", str(settings.SLURM_ACCOUNT_PREFIX)),
        qos=given.get("qos", ""),
        reservation=given.get("reservation", ""),
        path=given.get("path") or PATH_OF_NODES,
        poll_seconds=_seconds(given.get("poll_seconds", "1")),
    )
    if options.url and not options.token_file and not settings.EXECUTOR_SLURM_AUTH_TOKEN:
        raise ValueError(
            "token_file: slurmrestd wants a token: name a file with one, or set EXECUTOR_SLURM_AUTH_TOKEN (scontrol token makes one)."
        )
    return options


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or not path.is_dir():
        raise ValueError(f"shared: {text!r} is no folder with a full path: {WORDS['shared']}.")
    return path


def _file(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError(f"token_file: there is no file {text!r}.")
    return text


def _url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError(f"url: {text!r} does not begin with http:// or https://.")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_POLL_SECONDS:
        raise ValueError(f"poll_seconds: {text!r} is no number of seconds above 0 and up to {MOST_POLL_SECONDS:g}.")
    return seconds
