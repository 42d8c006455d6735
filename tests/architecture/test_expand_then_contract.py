"""The last release works on this one's tables: for one release nothing that it reads goes, and nothing new is asked of it.

docs/design/upgrades.md says why, and how something goes at last.
"""

import subprocess

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader

from tests.acceptance.last_release import last_release
from tests.architecture import source

CONTRACTING = (migrations.RemoveField, migrations.RenameField, migrations.DeleteModel, migrations.RenameModel)
OURS = ("jobs", "quotas", "workers")


def new_migrations():
    """Those that the last release does not have."""
    listing = ["git", "ls-tree", "-r", "--name-only", last_release(), "--", *(f"{app}/migrations" for app in OURS)]
    done = subprocess.run(listing, cwd=source.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the last release, {last_release()}, is not in this clone's history (a shallow one?)")
    before = set(done.stdout.split())
    on_disk = MigrationLoader(None).disk_migrations
    return [
        found for (app, name), found in on_disk.items() if app in OURS and f"{app}/migrations/{name}.py" not in before
    ]


def faults_of(migration):
    return [
        f"{migration.app_label}.{migration.name}: {operation.describe()}"
        for operation in _flat(migration.operations)
        if isinstance(operation, CONTRACTING) or _asks_for_more(operation)
    ]


def _flat(operations):
    """Also what is done to the database apart from the state."""
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from _flat(operation.database_operations)
        else:
            yield operation


def _asks_for_more(operation):
    """A column without a default of the database's own: whoever does not know it can add no row any more."""
    if not isinstance(operation, migrations.AddField):
        return False
    field = operation.field
    kept_elsewhere = isinstance(field, models.ManyToManyField | models.GeneratedField)
    return not (kept_elsewhere or field.null or field.has_db_default())


def test_no_migration_since_the_last_release_takes_away_what_it_needs():
    assert [fault for migration in new_migrations() for fault in faults_of(migration)] == []


@pytest.mark.parametrize(
    ("operation", "fine"),
    [
        (migrations.RemoveField("node", "load"), False),
        (migrations.RenameField("node", "load", "weight"), False),
        (migrations.DeleteModel("node"), False),
        (migrations.SeparateDatabaseAndState([migrations.RemoveField("node", "load")]), False),
        (migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("node", "load")]), True),
        (migrations.AddField("node", "rack", models.CharField(max_length=9, default="")), False),
        (migrations.AddField("node", "rack", models.CharField(max_length=9, db_default="")), True),
        (migrations.AddField("node", "rack", models.CharField(max_length=9, null=True)), True),
    ],
)
def test_what_counts_as_taken_away(operation, fine):
    made_up = type("Migration", (migrations.Migration,), {"operations": [operation]})
    assert (faults_of(made_up("made_up", "workers")) == []) is fine
