"""`python -m chaos.books.audits`: what the platform's audits of quotas and of the ledger find, and what they had to mend, as JSON."""

import json

import django

django.setup()

from jobs.costs.audit import audit  # noqa: E402  Django finds its models only after it was set up
from jobs.models import AuditResult  # noqa: E402
from jobs.recovery import quota_audit  # noqa: E402


def main() -> None:
    mended = {row.books: row.mended for row in AuditResult.objects.all() if any(row.mended.values())}
    found = [
        *(f"The audit of {books} had to mend {what}." for books, what in mended.items()),
        *(f"Job {one.job}: {one.sentence}." for one in quota_audit.everything_wrong()),
        *(f"Placement {one.placement}: {one.sentence}" for one in audit().drifts),
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
