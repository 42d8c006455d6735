"""Setting, listing and deleting secrets. Each change stands in the history of its project or user, without the value."""

from dataclasses import dataclass

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Now

from quotas.access import Role, project_roles
from quotas.models import Project
from quotas.queries import administers
from quotas.secrets import key_ring
from quotas.secrets.names import name_faults, value_faults
from quotas.secrets.rows import Secret
from scheduling.errors import ForbiddenError, InvalidError, NotFoundError


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose secrets are meant: a project's or a user's."""

    project: Project | None = None
    user: User | None = None

    @property
    def row(self) -> Model:
        found = self.project or self.user
        assert found is not None  # noqa: S101  one of the two is given
        return found

    @property
    def words(self) -> str:
        return f"project {self.project}" if self.project else "yours"

    @property
    def secrets(self) -> QuerySet[Secret]:
        """Without what only the key ring opens."""
        return Secret.objects.filter(project=self.project, user=self.user).defer("encrypted").order_by("name")


def secrets_of(holder: Holder, actor: User) -> QuerySet[Secret]:
    """What there is, for those who may name it in jobs: not for viewers."""
    project = holder.project
    if project is not None and project_roles(actor).get(project.pk) not in (Role.MEMBER, Role.ADMIN):
        raise ForbiddenError(f"You may look at project {project}, but not at which secrets it has.")
    return holder.secrets


def find_secret(holder: Holder, actor: User, name: str) -> Secret:
    """Raises NotFoundError when there is none of that name."""
    found = secrets_of(holder, actor).filter(name=name).first() if "\0" not in name else None
    if found is None:
        raise NotFoundError(_missing(holder, name))
    return found


@transaction.atomic
def set_secret(holder: Holder, actor: User, name: str, value: str) -> tuple[Secret, bool]:
    """Write the value, for the first time or over the one before; whether it is new. Raises InvalidError by field.

    What runs keeps the value that it began with.
    """
    _refuse_others(holder, actor)
    if faults := [*name_faults(name), *value_faults(value)]:
        raise InvalidError(faults)
    known = {"encrypted": key_ring.encrypt(value), "set_by": actor.get_username(), "set_at": Now()}
    secret, new = Secret.objects.update_or_create(
        project=holder.project, user=holder.user, name=name, defaults={**known, "last_used_at": None}
    )
    _note(holder, actor, ADDITION if new else CHANGE, f"Secret {name} was {'set' if new else 'replaced'}.")
    return holder.secrets.get(pk=secret.pk), new


@transaction.atomic
def delete_secret(holder: Holder, actor: User, name: str) -> None:
    """Jobs that name it and have not begun wait until there is one again; what runs keeps it. Staff may take back anybody's."""
    if not actor.is_staff:
        _refuse_others(holder, actor)
    gone, _ = holder.secrets.filter(name=name).delete() if "\0" not in name else (0, {})
    if not gone:
        raise NotFoundError(_missing(holder, name))
    _note(holder, actor, DELETION, f"Secret {name} was deleted.")


def _missing(holder: Holder, name: str) -> str:
    return (
        f"There is no secret {name[:128]} of {holder.words}." if holder.project else f"You have no secret {name[:128]}."
    )


def _refuse_others(holder: Holder, actor: User) -> None:
    if holder.project is not None and not administers(actor, holder.project.pk):
        raise ForbiddenError(f"Only an admin of project {holder.project} may change its secrets.")
    if holder.project is None and holder.user != actor:
        raise ForbiddenError("Secrets of somebody else are nobody's to change.")


def _note(holder: Holder, actor: User, flag: int, words: str) -> None:
    """In Django's own history, which the admin shows for each row."""
    LogEntry.objects.create(
        user=actor,
        content_type=ContentType.objects.get_for_model(holder.row),
        object_id=str(holder.row.pk),
        object_repr=str(holder.row)[:200],
        action_flag=flag,
        change_message=words,
    )
