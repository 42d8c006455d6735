"""`manage.py config`: what each setting is, and where that comes from."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from jobs.models import SchedulerSetting
from jobs.planning.policy_settings import is_value
from jobs.state.tunables import TUNABLES
from scheduler_site import env
from scheduler_site.env import Reading


class Command(BaseCommand):
    """One line a setting, by name. Of a secret it says whether it is set, never more."""

    help = "Show each setting, and whether it comes from the environment, a line of trainyard.yaml, was set by staff, or is the default."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for scripts: a list of name, value, source, secret")

    def handle(self, **options: Any) -> None:
        known = env.readings | self.set_by_staff()
        found = [known[name] for name in sorted(known)]
        if options["json"]:
            self.stdout.write(json.dumps([described(one) for one in found], indent=2))
            return
        widest = max(len(one.name) for one in found)
        for one in found:
            self.stdout.write(f"{one.name:{widest}}  {shown(one)}  ({one.source})")

    def set_by_staff(self) -> dict[str, Reading]:
        """What stands in the database in place of what was read; nothing, and a word about it, where there is none to ask."""
        try:
            rows = list(SchedulerSetting.objects.all())
        except DatabaseError as error:
            self.stderr.write(f"What staff have set of the scheduler is not known: {str(error).splitlines()[0]}")
            return {}
        return {
            TUNABLES[row.name].variable: Reading(TUNABLES[row.name].variable, row.value, f"set by {row.set_by}")
            for row in rows
            if is_value(row.name, row.value)
        }


def described(one: Reading) -> dict[str, object]:
    """As JSON has it: the value of a secret is null, and `set` says whether there is one."""
    known = {"name": one.name, "source": one.source, "secret": one.hidden}
    return known | ({"value": None, "set": bool(one.value)} if one.hidden else {"value": one.value})


def shown(one: Reading) -> str:
    if one.hidden:
        return "set" if one.value else "not set"
    match one.value:
        case bool():
            return "yes" if one.value else "no"
        case float():
            return f"{one.value:g}"
        case list():
            return ",".join(one.value) or "-"
        case dict():
            return ",".join(f"{name}={number:g}" for name, number in one.value.items()) or "-"
    return str(one.value) or "-"
