"""Sessions: see docs/decisions/0056-sessions-through-the-site.md."""

from functools import partial
from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http import upgrades
from api.http.permissions import caller, job_to_control, job_to_read
from api.v1.sessions.relay import relay
from api.v1.sessions.shapes import OpenedSession, SessionIn, SessionOut
from jobs.sessions import ending, meeting, opening, rights
from jobs.sessions.opening import COME_SECONDS, Wanted
from scheduling.errors import NotFoundError

CALLER, AGENT = "Session ", "Placement "


class SessionsView(APIView):
    @extend_schema(operation_id="jobs_sessions_create", request=SessionIn, responses={201: OpenedSession})
    def post(self, request: Request, job_id: int) -> Response:
        """Ask for a session beside a job that runs: a command, a terminal, or a port of its node.

        For the job's owner, admins of its project and staff. The answer holds a token with which the caller connects, once
        and within half a minute, to the session's WebSocket. 409 for a job that does not run, or runs in a cluster of its
        own, and where there are as many sessions as may be.
        """
        job = job_to_control(request, job_id)
        wanted = SessionIn.read(request.data)
        wanted["command"] = tuple(wanted.get("command", ()))
        session, word = opening.open_session(job=job, user=caller(request), wanted=Wanted(**wanted))
        answer = {
            "id": session.pk,
            "token": word,
            "node": session.placement.node.name,
            "come_within_seconds": COME_SECONDS,
        }
        return Response(answer, status=201)

    @extend_schema(operation_id="jobs_sessions", responses=SessionOut(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """Who is beside the job now. What was before stands in its events (`session_opened`, `session_ended`)."""
        job = job_to_read(request, job_id)
        rows = opening.open_sessions().filter(placement__attempt__job=job)
        rows = rows.select_related("placement__attempt", "placement__node", "user")
        return Response(SessionOut(rows, many=True).data)


class SessionView(APIView):
    @extend_schema(operation_id="sessions_end", request=None, responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End a session: your own, or one beside a job that you may be beside. Both ends learn of it within 15 seconds."""
        session = opening.open_sessions().filter(pk=session_id).select_related("placement__attempt").first()
        if session is None:
            raise NotFoundError("There is no such session, or it is over.")
        job = job_to_read(request, session.placement.attempt.job_id)
        if session.user_id != caller(request).pk:
            rights.require(caller(request), job)
        ending.end([ending.Ended(session.pk, outcome=f"{caller(request).username} ended it.")])
        return Response(status=204)


class CallerView(APIView):
    """Without a user: the word that he was given is worth one connection."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(operation_id="sessions_caller", responses={101: OpenApiResponse(description="A WebSocket.")})
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        """The caller's WebSocket: `Authorization: Session TOKEN`. What is spoken on it says `streams/frames.py`."""
        key = upgrades.require(request)
        session = meeting.caller_comes(session_id, _word(request, CALLER), relay=relay.address())
        return upgrades.accept(request, key, partial(relay.take_caller, session.pk))


class AgentView(APIView):
    """Without a user, as placements fetch code: a placement's token is known to its agent and the platform."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(operation_id="sessions_agent", responses={101: OpenApiResponse(description="A WebSocket.")})
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        """The WebSocket of the node's agent: `Authorization: Placement TOKEN`."""
        key = upgrades.require(request)
        relay.address()
        session = meeting.agent_comes(session_id, _word(request, AGENT))
        return upgrades.accept(request, key, partial(relay.take_agent, session.pk, session.relay))


def _word(request: Request, scheme: str) -> str:
    said = request.headers.get("Authorization", "")
    return said.removeprefix(scheme) if said.startswith(scheme) else ""
