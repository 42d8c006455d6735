"""What `trainyard submit` can be told about a job, each with its word of help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import completing
from cli.options.shared import DEFAULT_PROJECT, ProjectName

LENGTH = "90 (seconds), 30m, 2h, 1h30m or 1d"


def option(*names: str, metavar: str | None = None, text: str, offer: Any = None) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, show_default=False, autocompletion=offer)


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The options of a job as they were typed; None was left open, and is for the server to fill in."""

    name: Annotated[str | None, option("--name", metavar="NAME", text="A name; else one from the command.")] = None
    project: ProjectName = DEFAULT_PROJECT
    queue: Annotated[
        str | None,
        option(
            "--queue",
            "-q",
            metavar="NAME",
            text="The line to wait in (see `trainyard queues`).",
            offer=completing.queues,
        ),
    ] = None
    priority: Annotated[
        str | None,
        option(
            "--priority",
            metavar="WORD",
            text="urgent (90), normal (50), background (10), or a number, 0 to 100.",
            offer=completing.priorities,
        ),
    ] = None

    gpus: Annotated[int | None, option("--gpus", "-g", metavar="N", text="GPUs on each node.")] = None
    gpu_model: Annotated[
        str | None,
        option(
            "--gpu-model", metavar="MODEL", text="Only these GPUs: h100, or a100-80gb,h100-sxm, or a pattern: *A100*."
        ),
    ] = None
    gpu_memory_gb: Annotated[
        float | None, option("--gpu-memory-gb", metavar="GB", text="Least memory of each GPU.")
    ] = None
    cpus: Annotated[int | None, option("--cpus", "-c", metavar="N", text="CPU cores on each node.")] = None
    memory_gb: Annotated[float | None, option("--memory-gb", "-m", metavar="GB", text="Memory on each node.")] = None
    nodes: Annotated[int | None, option("--nodes", metavar="N", text="Nodes that start together, or not at all.")] = (
        None
    )
    node_label: Annotated[
        list[str] | None, option("--node-label", metavar="K=V", text="Only nodes with this label; may be repeated.")
    ] = None

    executor: Annotated[
        str | None,
        option(
            "--executor",
            metavar="NAME",
            text="Who runs it: agent, any, kubernetes, slurm, or a cluster (see `trainyard clusters`); else as its queue says.",
        ),
    ] = None
    image: Annotated[
        str | None, option("--image", metavar="IMAGE", text="The container image to run it in; else the cluster's.")
    ] = None
    environment: Annotated[
        list[str] | None,
        option(
            "--environment",
            metavar="KIND=WHERE",
            text="In what it runs: venv=FOLDER or conda=PREFIX on the node; requirements, lock or project=FILE in the code of --sync, "
            "built once a node; image=IMAGE. Add python=3.12 by a second one. A file alone tells its kind: uv.lock.",
        ),
    ] = None

    time: Annotated[str | None, option("--time", "-t", metavar="TIME", text=f"Stop it after this: {LENGTH}.")] = None
    estimate: Annotated[
        str | None, option("--estimate", metavar="TIME", text="How long it will probably run; may let it start sooner.")
    ] = None
    stall: Annotated[
        str | None, option("--stall", metavar="TIME", text="Stop it when its progress stands still for this long.")
    ] = None
    on_stall: Annotated[
        str | None, option("--on-stall", metavar="WORD", text="stop: end its attempt (the default); warn: only say so.")
    ] = None
    grace: Annotated[
        str | None,
        option("--grace", metavar="TIME", text="From SIGTERM to SIGKILL when it has to give way or its time is over."),
    ] = None
    begin: Annotated[
        str | None,
        option("--begin", metavar="MOMENT", text="Not before this: now+2h, 18:00, tomorrow 8:00, or 2030-05-01T18:00."),
    ] = None
    deadline: Annotated[
        str | None, option("--deadline", metavar="MOMENT", text="When it should be done: +2h, or 2030-05-01T18:00.")
    ] = None

    env: Annotated[
        list[str] | None,
        option("--env", "-e", metavar="K=V", text="A variable for it; K alone takes its value here. May be repeated."),
    ] = None
    secret: Annotated[
        list[str] | None,
        option(
            "--secret",
            metavar="NAME[:file=FILE]",
            text="A secret for it (see `trainyard secrets`), or in a file: its path is in NAME_FILE. May be repeated.",
        ),
    ] = None
    venv: Annotated[
        bool, option("--venv", text="Run it in the virtual environment that is active here (nodes must have it, too).")
    ] = False
    working_dir: Annotated[
        Path | None, option("--working-dir", "-C", metavar="FOLDER", text="Where it starts; else this folder.")
    ] = None
    input: Annotated[
        list[str] | None,
        option(
            "--input",
            metavar="ID[:PATH[:TO]]",
            text="A file or folder that job ID leaves, found in TRAINYARD_INPUT_DIR; it starts once that job has completed. May be repeated.",
        ),
    ] = None
    label: Annotated[list[str] | None, option("--label", "-l", metavar="K=V", text="A label. May be repeated.")] = None
    workload: Annotated[
        str | None,
        option(
            "--workload",
            metavar="NAME",
            text="The workload that it belongs to; one that is not there is made.",
            offer=completing.workloads,
        ),
    ] = None
    after: Annotated[
        list[str] | None,
        option(
            "--after",
            metavar="ID",
            text="Start only when job ID has completed; ID:any when it has ended, ID:failed when it has failed. May be repeated.",
        ),
    ] = None
    on_dependency_failure: Annotated[
        str | None,
        option(
            "--on-dependency-failure",
            metavar="WORD",
            text="When what it waits for can no longer come true: cancel it (the default), or wait.",
        ),
    ] = None
    retries: Annotated[int | None, option("--retries", metavar="N", text="How often to try again after a failure.")] = (
        None
    )
    checkpointable: Annotated[
        bool, option("--checkpointable", text="It writes checkpoints, and goes on from them when started again.")
    ] = False
    no_preempt: Annotated[bool, option("--no-preempt", text="Never make it give its place to another job.")] = False
    key: Annotated[
        str | None, option("--key", metavar="KEY", text="Submitting a key again gives the first job, not a second one.")
    ] = None
