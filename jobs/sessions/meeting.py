"""The two halves of a session come in, each once, and each by what only it knows."""

import secrets
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.messages import remote_control
from jobs.models import Job, JobSession
from jobs.sessions import rights
from jobs.sessions.opening import OFF, hashed, open_sessions
from jobs.state import transitions
from scheduling.errors import NotFoundError

NOT_YOURS = "There is no session that waits for you by this word: each is for one connection, within half a minute."
OPENED = "session_opened"


@transaction.atomic
def caller_comes(session_id: UUID, word: str, *, relay: str) -> JobSession:
    """The caller is at the web process `relay`; from now on the agent is waited for. Raises NotFoundError."""
    waiting = open_sessions().filter(pk=session_id, caller_at__isnull=True, token_hash=hashed(word))
    if not waiting.update(caller_at=Now(), relay=relay):
        raise NotFoundError(NOT_YOURS)
    session = JobSession.objects.select_related("placement__attempt").get(pk=session_id)
    remote_control.notify([session.placement.attempt.job_id])
    return session


@transaction.atomic
def agent_comes(session_id: UUID, token: str) -> JobSession:
    """The agent that runs the placement is here: goes on record in the job's history. Raises NotFoundError."""
    waiting = open_sessions().filter(pk=session_id, caller_at__isnull=False, agent_at__isnull=True)
    session = waiting.select_related("placement__attempt", "placement__node").annotate(who=F("user__username")).first()
    if session is None or not secrets.compare_digest(
        str(session.placement.attempt.token).encode(), token.encode(errors="replace")
    ):
        raise NotFoundError(NOT_YOURS)
    if not waiting.update(agent_at=Now()):
        raise NotFoundError(NOT_YOURS)  # somebody else came by the same token, a moment before
    transitions.note(
        [session.placement.attempt.job_id],
        OPENED,
        message=f"{session.who} is beside the job on node {session.placement.node.name}: {session.words}.",
        data=facts(session),
        actor=session.who,
    )
    return session


def why_not_any_more(session_id: UUID) -> str:
    """Why a session may not go on, in a sentence; empty while it may."""
    session = (
        JobSession.objects.select_related("user", "placement__attempt__job__project").filter(pk=session_id).first()
    )
    if session is None or session.ended_at is not None:
        return "The session was ended."
    if not settings.SESSIONS:
        return OFF
    job: Job = session.placement.attempt.job
    if not rights.may(session.user, job):
        return f"You may not be beside job {job.pk} any more."
    return ""


def facts(session: JobSession) -> dict[str, object]:
    """For the history: what, where; not a byte of what was said."""
    found = {"session": str(session.pk), "kind": session.kind, "rank": session.placement.rank}
    return found | ({"port": session.port} if session.port else {"command": session.command})
