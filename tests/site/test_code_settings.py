"""Where code lies and where agents fetch it: what cannot work is refused before the start."""

import pytest
from django.core import checks


@pytest.mark.parametrize(
    "given",
    [
        {"CODE_STORAGE": "tape"},
        {"CODE_STORAGE": "s3", "CODE_S3": {"bucket_name": ""}},
        {"CODE_URL": "trainyard:8000"},
        {"CODE_URL": "ftp://trainyard"},
    ],
)
def test_what_cannot_work_is_refused(settings, given):
    settings.SECRET_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
    for name, value in given.items():
        setattr(settings, name, value)
    assert [message.id for message in checks.run_checks(tags=["trainyard"])] == ["trainyard.E066"]
