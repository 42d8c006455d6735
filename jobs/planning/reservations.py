"""Keeping nodes for a project, or for nobody, for a while: who sees what is kept, and how it is made and given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobs.messages import publishing
from jobs.models.planning import Reservation, ReservedNode
from quotas.access import project_roles
from quotas.models import Project
from quotas.tree import lines_up
from scheduling.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from workers.models import Node
from workers.queries import nodes_now

KNOWN_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """Nodes to be kept from `start` to `end`; without a project for nobody: maintenance."""

    name: str
    nodes: Sequence[str]
    start: datetime
    end: datetime
    project: str | None = None


def visible_reservations(user: User) -> QuerySet[Reservation]:
    """Those that `user` may have to do with: of their projects and of those above, and all maintenance."""
    found = Reservation.objects.select_related("project", "created_by").prefetch_related("nodes")
    if user.is_staff:
        return found
    return found.filter(Q(project__isnull=True) | Q(project__in=_with_ancestors(list(project_roles(user)))))


def find_reservation(user: User, name: str) -> Reservation:
    """Raises NotFoundError when there is no such reservation, or none that `user` may see."""
    found = visible_reservations(user).filter(name=name).first()
    if found is None:
        raise NotFoundError(f"There is no reservation {name}.")
    return found


@transaction.atomic
def reserve(wanted: ReservationRequest, actor: User) -> Reservation:
    """Keep the nodes, as staff. What runs there goes on; what would not have ended by its limit is not started there.

    Raises InvalidError naming each field that is wrong, and with it the reservation that is in the way.
    """
    _refuse_others(actor)
    # Two who want the same node go one after another, so that the second one is told who was first.
    nodes = list(Node.objects.select_for_update(no_key=True).filter(name__in=wanted.nodes).order_by("pk"))
    faults = faults_of(wanted)
    if faults:
        raise InvalidError(faults)
    project = Project.objects.get(slug=wanted.project) if wanted.project else None
    made = Reservation.objects.create(
        name=wanted.name, project=project, start=wanted.start, end=wanted.end, created_by=actor
    )
    # The database refuses two that overlap on a node, whatever the check above has missed.
    during = DateTimeTZRange(wanted.start, wanted.end)
    ReservedNode.objects.bulk_create(ReservedNode(reservation=made, node=node, during=during) for node in nodes)
    publishing.request_cycle()
    return made


def faults_of(wanted: ReservationRequest) -> list[FieldError]:
    """Everything that is wrong with it."""
    window, nodes = _window_faults(wanted), _node_faults(wanted)
    return [*_name_faults(wanted), *_project_faults(wanted), *window, *nodes, *_overlap_faults(wanted)]


@transaction.atomic
def remove(reservation: Reservation, actor: User) -> None:
    """The nodes are everybody's again, at once."""
    _refuse_others(actor)
    reservation.delete()  # its nodes' rows, which keep others from them, go with it
    publishing.request_cycle()


def _refuse_others(actor: User) -> None:
    if not actor.is_staff:
        raise ForbiddenError("Only staff may reserve nodes and give them back.")


def _name_faults(wanted: ReservationRequest) -> list[FieldError]:
    taken = Reservation.objects.filter(name=wanted.name).exists()
    return [FieldError("name", f"There is a reservation {wanted.name} already.", "taken")] if taken else []


def _project_faults(wanted: ReservationRequest) -> list[FieldError]:
    known = wanted.project is None or Project.objects.filter(slug=wanted.project).exists()
    return [] if known else [FieldError("project", f"There is no project {wanted.project!r}.", "unknown")]


def _window_faults(wanted: ReservationRequest) -> list[FieldError]:
    if wanted.end <= wanted.start:
        return [FieldError("end", "Must lie after the start.", "order")]
    if wanted.end <= timezone.now():
        return [FieldError("end", "Must lie in the future.", "past")]
    return []


def _node_faults(wanted: ReservationRequest) -> list[FieldError]:
    known = set(nodes_now().order_by("name").values_list("name", flat=True))
    unknown = sorted(set(wanted.nodes) - known)
    if not unknown and wanted.nodes:
        return []
    there = ", ".join(sorted(known)[:KNOWN_SHOWN]) or "none yet"
    missing = f"There is no node {', '.join(unknown)}." if unknown else "Name at least one node."
    return [FieldError("nodes", f"{missing} The nodes are: {there}.", "unknown")]


def _overlap_faults(wanted: ReservationRequest) -> list[FieldError]:
    if wanted.end <= wanted.start:
        return []
    others = ReservedNode.objects.filter(
        node__name__in=wanted.nodes, during__overlap=DateTimeTZRange(wanted.start, wanted.end)
    )
    return [
        FieldError("nodes", f"Node {one.node} is kept by reservation {one.reservation} then.", "overlap")
        for one in others.select_related("reservation", "node").order_by("node__name", "reservation__start")
    ]


def _with_ancestors(project_ids: Sequence[int]) -> set[int]:
    """These projects and their ancestors: what is kept for an ancestor is kept for them too."""
    lines = lines_up()
    return {one for project in project_ids for one in lines.get(project, (project,))}
