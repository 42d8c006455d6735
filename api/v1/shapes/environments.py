"""The environment of a job, as somebody names it. What it may mean is for `submission` to judge."""

from api.http.shapes import StrictSerializer, Text
from jobs.submission import limits


class EnvironmentIn(StrictSerializer):
    """One of them, and perhaps a version of Python for those that are built."""

    venv = Text(limits.PATH, required=False, help_text="A virtual environment on the node: its folder.")
    conda = Text(limits.PATH, required=False, help_text="A conda environment on the node: its prefix.")
    requirements = Text(limits.PATH, required=False, help_text="A file of requirements in the job's code.")
    lock = Text(limits.PATH, required=False, help_text="A uv.lock in the job's code, its pyproject.toml beside it.")
    project = Text(limits.PATH, required=False, help_text="A pyproject.toml in the job's code.")
    image = Text(limits.IMAGE, required=False, help_text="A container image.")
    python = Text(20, required=False, help_text="With what it is built, such as 3.12; else what the node has.")
