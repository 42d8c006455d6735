"""The secrets that jobs of a call name: each is to be there, and in the way of nothing else of the job's environment."""

from collections import Counter
from collections.abc import Iterator, Sequence

from jobs.submission.job_spec import JobSpec
from quotas.secrets import nearest
from quotas.secrets.names import MOST_OF_A_JOB, file_fault, name_faults, variable_of
from quotas.secrets.nearest import Nearest
from scheduling.errors import FieldError
from scheduling.executors import AGENT

FIELD = "secrets"


def find(specs: Sequence[JobSpec]) -> Nearest:
    """Which there are of those that the specs name."""
    return nearest.read({name for spec in specs for name in spec.secrets})


def faults(spec: JobSpec, known: Nearest, project_id: int, owner_id: int) -> Iterator[FieldError]:
    """What is wrong with the secrets that the job names; which executor runs it is known by now."""
    if not spec.secrets:
        return
    wrong = [fault for name in spec.secrets for fault in name_faults(name, FIELD)] + list(_file_faults(spec))
    if len(spec.secrets) > MOST_OF_A_JOB:
        wrong.insert(0, FieldError(FIELD, f"May be at most {MOST_OF_A_JOB}.", "too_long"))
    if wrong:
        yield wrong[0]
        return
    if missing := known.missing(project_id, owner_id, spec.secrets):
        yield FieldError(FIELD, nearest.sentence(spec.project, missing), "unknown")
    variables = Counter(variable_of(name, spec.secret_files.get(name)) for name in spec.secrets)
    if twice := sorted(variables.keys() & spec.env.keys()):
        yield FieldError(FIELD, f"{twice[0]} stands in env as well: a variable has one value.", "taken")
    if twice := sorted(name for name, count in variables.items() if count > 1):
        yield FieldError(FIELD, f"{twice[0]} would be two things: the path of a file, and a secret.", "taken")
    if spec.executor != AGENT:
        words = (
            "Clusters get no secrets from here: let agents run the job, or have the cluster's own secrets in its pods."
        )
        yield FieldError(FIELD, words, "unsupported")


def _file_faults(spec: JobSpec) -> Iterator[FieldError]:
    seen: set[str] = set()
    for at, name in enumerate(spec.secrets):
        file = spec.secret_files.get(name)
        if file is None:
            continue
        if words := file_fault(file):
            yield FieldError(f"{FIELD}[{at}].file", words, "invalid")
        elif file in seen:
            yield FieldError(f"{FIELD}[{at}].file", f"{file} is the file of another secret already.", "taken")
        seen.add(file)
