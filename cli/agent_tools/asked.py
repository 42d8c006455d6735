"""What an agent may say of a job: the words of POST /jobs, so that a refusal names the field as it was written."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST_REASON = 200
LONGEST_KEY = 180
MOST_JOBS = 1_000
MOST_RUNS = 10_000


class Strict(BaseModel):
    """What it does not know it refuses by name: `gpu` for `gpus` must not pass as a job without GPUs."""

    model_config = ConfigDict(extra="forbid")


class Resources(Strict):
    """What the job holds on each of its nodes while it runs."""

    gpus: Annotated[int | None, Field(description="GPUs on each node. Default: none.")] = None
    gpu_model: Annotated[str | None, Field(description="Such as h100, or several: a100-80gb,h100.")] = None
    gpu_memory_gb: Annotated[float | None, Field(description="Least memory of each GPU.")] = None
    cpus: Annotated[int | None, Field(description="CPUs on each node. Default: 1.")] = None
    memory_gb: Annotated[float | None, Field(description="Memory on each node.")] = None
    nodes: Annotated[int | None, Field(description="Nodes at once. Default: 1.")] = None


class Terms(Strict):
    """What is said alike of a new job and of another like one that there is."""

    name: Annotated[str | None, Field(description="What lists show. Default: the command.")] = None
    queue: Annotated[str | None, Field(description="As get_queue_status lists them. Default: default.")] = None
    priority: Annotated[int | str | None, Field(description="0 to 100 or a word: low, normal, high, urgent.")] = None
    resources: Resources | None = None
    max_runtime_seconds: Annotated[
        int | None, Field(description="It is stopped after that. A short one starts sooner.")
    ] = None
    estimated_runtime_seconds: Annotated[int | None, Field(description="How long it will probably run.")] = None
    working_dir: Annotated[str | None, Field(description="A folder on the nodes in which the command runs.")] = None
    labels: Annotated[dict[str, str] | None, Field(description="Names and values to find it by.")] = None
    max_retries: Annotated[int | None, Field(description="Further attempts after a failure. Default: 0.")] = None
    checkpointable: Annotated[bool | None, Field(description="It goes on from a checkpoint when it starts again.")] = (
        None
    )

    def as_request(self, **more: Any) -> dict[str, Any]:
        """A body of REST; what was left out is left to the server."""
        return {**self.model_dump(exclude_none=True), **more}


class TrainingJob(Terms):
    """A job as it is submitted. What is left out is as the platform has it."""

    project: Annotated[str, Field(description="The slug of a project that you may submit to.")]
    command: Annotated[list[str], Field(description='What runs, word by word: ["python", "train.py", "--lr", "0.1"].')]
    env: Annotated[dict[str, str] | None, Field(description="Environment variables.")] = None
    depends_on: Annotated[list[int] | None, Field(description="Ids of jobs that have to complete first.")] = None


class Edits(Terms):
    """What is to be different. What is left out stays as it is."""

    command: Annotated[list[str] | None, Field(description="What runs, word by word; it is written whole.")] = None
    env: Annotated[
        dict[str, str | None] | None,
        Field(description="Variables that are set, or with null taken away; the others stay."),
    ] = None


class Differences(Edits):
    """What is to be different. What is left out is as in the job that is cloned."""

    project: Annotated[str | None, Field(description="The slug of a project that you may submit to.")] = None


Reason = Annotated[
    str,
    Field(
        description="Why, in a sentence for the people who share the machines; it stays in the job's history.",
        min_length=1,
        max_length=LONGEST_REASON,
    ),
]
SubmissionKey = Annotated[
    str,
    Field(
        description="A word of your own for this submission, the same in every try of it: one that was seen in the project "
        "brings no second job.",
        min_length=1,
        max_length=LONGEST_KEY,
    ),
]
JobId = Annotated[int, Field(description="The job's number.", ge=1)]
