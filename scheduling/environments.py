"""In what a job's command runs, where it names anything: the kinds of environments, and what each needs of a node."""

from collections.abc import Mapping

VENV, CONDA, REQUIREMENTS, LOCK, PROJECT, IMAGE = "venv", "conda", "requirements", "lock", "project", "image"
PYTHON = "python"
PREFIXES = (VENV, CONDA)
"""Those that lie ready on the node."""
BUILT = (REQUIREMENTS, LOCK, PROJECT)
"""Those that a node builds from a file in the job's code, once."""
KINDS = (*PREFIXES, *BUILT, IMAGE)

YES = "yes"
UNDERSTOOD, BUILDS, CONTAINERS = "environments", "environment-builds", "containers"
"""Labels that agents give their nodes: they know what an environment is; they can build one; they can run an image."""
OF_EVERY_AGENT = {UNDERSTOOD: YES, BUILDS: YES}
PYTHON_LABEL = "python-"
AGENTS_OWN = r"^(environments|environment-builds|containers|python-3[.][0-9]+)$"
"""These labels, as an expression: an agent writes all of them anew."""
WORDS = {
    UNDERSTOOD: "an agent that knows environments",
    BUILDS: "an agent that builds environments (uv)",
    CONTAINERS: "a container runtime",
}


def kind_of(environment: Mapping[str, str]) -> str:
    """Which kind it is; empty: none, the command finds what its node has."""
    return next((kind for kind in KINDS if environment.get(kind)), "")


def labels_needed(environment: Mapping[str, str]) -> dict[str, str]:
    """The labels that a node must have to run a job in it."""
    kind = kind_of(environment)
    if not kind:
        return {}
    needed = [BUILDS] if kind in BUILT else [CONTAINERS] if kind == IMAGE else []
    if version := environment.get(PYTHON):
        needed.append(f"{PYTHON_LABEL}{version}")
    return dict.fromkeys((UNDERSTOOD, *needed), YES)


def is_about_environments(label: str) -> bool:
    """Whether a label says which environments a node has."""
    return label in WORDS or label.startswith(PYTHON_LABEL)


def in_words(label: str) -> str:
    """What a node has that has this label: "Python 3.12 (label python-3.12=yes)"."""
    what = WORDS.get(label) or f"Python {label.removeprefix(PYTHON_LABEL)}"
    return f"{what} (label {label}={YES})"
