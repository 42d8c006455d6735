"""The secrets that a job names, on their way to its command: asked for just before its start, kept in the memory of this agent.

They come sealed for a key that is made for this one question, and go to the command's environment or into files of its own,
and to whoever masks its log. The file by which its shim is told of it is readable by the agent alone, and goes with the
attempt's folder.
"""

import base64

import httpx
from django.conf import settings

from executors.node import secret_files
from executors.node.blob_stream import StoppedError
from executors.node.patience import patiently
from executors.node.site import FetchError, asked, connected
from executors.run.placement_run import PlacementRun
from jobs.secrets.sealing import Opener
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime.process import environment_of

NOWHERE = "This node does not know whom to ask for the job's secrets: TRAINYARD_CODE_URL is not set for its agent."


def prepare(run: PlacementRun) -> PlacementOutcome | None:
    """Have the run know its secrets, if it names any; how it ends, where it gets none."""
    if not run.claimed.secrets:
        return None
    with run.getting_ready():
        try:
            values = _fetch(run)
        except StoppedError:
            return run.ended_by_stop()
        except FetchError as error:
            gone = error.status == httpx.codes.CONFLICT
            return run.failed(EndReason.START_FAILED if gone else EndReason.SECRETS_UNAVAILABLE, str(error))
    run.log.mask(values.values())
    run.secrets = secret_files.lay(run, values) if run.claimed.secret_files else values
    return None


def recall(run: PlacementRun) -> None:
    """Of a run that an agent before has launched: what its log must not show."""
    if run.claimed.secrets:
        known = {**environment_of(run.folder), **secret_files.noted(run)}
        run.log.mask([known[name] for name in run.claimed.secrets if name in known])


def _fetch(run: PlacementRun) -> dict[str, str]:
    """Tries again for a while: a site that is being restarted is back soon. What it says of missing secrets is final."""
    if not settings.CODE_URL:
        raise FetchError(NOWHERE)
    try:
        return patiently(run, "Secrets of", lambda: _ask(run))
    except FetchError as error:
        words = f"The job's secrets could not be fetched: {error}"
        raise FetchError(words, final=error.final, status=error.status) from error


def _ask(run: PlacementRun) -> dict[str, str]:
    opener = Opener(run.placement_id)
    key = {"public_key": base64.b64encode(opener.public_key).decode()}
    with connected(run.claimed.token) as client:
        answer = asked(client, "POST", f"placements/{run.placement_id}/secrets", json=key)
    try:
        values = opener.open(base64.b64decode(answer["sealed"]))
    except (ValueError, KeyError, TypeError):
        raise FetchError(f"{settings.CODE_URL} does not speak Trainyard") from None
    if missing := [name for name in run.claimed.secrets if name not in values]:
        raise FetchError(f"{settings.CODE_URL} left out {', '.join(missing)}")
    return values
