"""Who belongs to a project, and as what. Its admins decide; a project that has an admin keeps one."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from quotas.access import Role
from quotas.models import Membership, Project
from quotas.queries import administers
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError


def members_of(project: Project) -> QuerySet[Membership]:
    """Those who belong to the project itself; members of what is above it belong to it as well, and are not among them."""
    return Membership.objects.filter(project=project).select_related("user")


def find_member(project: Project, username: str) -> Membership:
    member = members_of(project).filter(user__username=username).first()
    if member is None:
        raise NotFoundError(f"{username} is no member of project {project} itself.")
    return member


@transaction.atomic
def add(*, project: Project, actor: User, username: str, role: str = Role.MEMBER) -> Membership:
    """Take a user in, by an admin of the project or of one above it."""
    _refuse_others(project, actor)
    user = User.objects.filter(username=username).first()
    if user is None:
        raise InvalidError(
            [FieldError("user", f"There is no user {username!r}: accounts are made by staff.", "unknown")]
        )
    if not user.is_active:
        raise InvalidError([FieldError("user", f"The account of {username} is not active.", "inactive")])
    member, new = Membership.objects.get_or_create(project=project, user=user, defaults={"role": role})
    if not new:
        words = f"{username} belongs to project {project} already, as {member.role}: change the role instead."
        raise InvalidError([FieldError("user", words, "taken")])
    return member


@transaction.atomic
def change_role(*, project: Project, actor: User, username: str, role: str) -> Membership:
    _refuse_others(project, actor)
    member = _locked_membership(project, username)
    if role != Role.ADMIN:
        _keep_an_admin(member, actor)
    member.role = role
    member.save(update_fields=["role"])
    return member


@transaction.atomic
def remove(*, project: Project, actor: User, username: str) -> None:
    """Send a member away, by an admin; everybody may leave. The jobs stay, and stay the user's."""
    if username != actor.username:
        _refuse_others(project, actor)
    member = _locked_membership(project, username)
    _keep_an_admin(member, actor)
    member.delete()


def _refuse_others(project: Project, actor: User) -> None:
    if not administers(actor, project.pk):
        raise ForbiddenError(f"Only an admin of project {project} may change who belongs to it.")


def _locked_membership(project: Project, username: str) -> Membership:
    """The member; whoever changes members of the same project at the same time comes after us, and sees what we did."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    return find_member(project, username)


def _keep_an_admin(member: Membership, actor: User) -> None:
    """Refuse to leave the project to nobody. Staff, and admins of what is above, can always appoint another one."""
    if member.role != Role.ADMIN or administers(actor, member.project.parent_id):
        return
    admins = members_of(member.project).filter(role=Role.ADMIN, user__is_active=True)
    if not admins.exclude(pk=member.pk).exists():
        raise ConflictError(
            f"{member.user} is the last admin of project {member.project}: make somebody else an admin first.",
            state="last_admin",
        )
