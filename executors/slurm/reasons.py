"""What Slurm's short reasons mean, for people who do not speak it."""

SENTENCES = {
    "Resources": "it waits for room on the nodes",
    "Priority": "other jobs are before it in Slurm's queue",
    "None": "Slurm has not looked at it yet",
    "": "Slurm has not looked at it yet",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs now",
    "PartitionTimeLimit": "its partition allows less time than it asks for",
    "PartitionNodeLimit": "its partition allows other numbers of nodes",
    "PartitionConfig": "its partition allows no job like it",
    "ReqNodeNotAvail": "a node that it was placed on is not available: down, drained, or reserved",
    "NodeDown": "a node that it was placed on is down",
    "Reservation": "it waits for its reservation",
    "BeginTime": "it may begin only later",
    "JobHeldUser": "somebody holds it in Slurm (scontrol release lets it go)",
    "JobHeldAdmin": "an administrator holds it in Slurm",
    "Licenses": "it waits for a licence",
    "AssociationJobLimit": "its account has as many jobs as it may",
    "BadConstraints": "no node can ever give what it asks for",
    "Prolog": "the node prepares for it",
    "Cleaning": "its node is still cleaning up",
}
AWAY = "UnavailableNodes:"
"""So the description of ReqNodeNotAvail begins to name nodes that are drained or down; of those that a reservation keeps it says so."""
LIMITED = (("QOS", "the QOS"), ("Assoc", "the account"))
WHAT = (
    ("Gres", "GPUs"),
    ("GRES", "GPUs"),
    ("Cpu", "CPUs"),
    ("Mem", "memory"),
    ("Node", "nodes"),
    ("Wall", "time"),
    ("Job", "jobs"),
    ("Minutes", "minutes"),
)
"""Parts of names like QOSGrpGRES, AssocGrpCpuLimit, QOSMaxCpuPerUserLimit, and what there is no more of."""


def sentence(reason: str, description: str = "") -> str:
    """Slurm's own word stays in it: people look for that in its documentation."""
    bare = _bare(reason)
    words = SENTENCES.get(bare) or _limit(bare) or ""
    said = ": ".join(part for part in (bare, words) if part)
    return f"In Slurm's queue: {said}." + (f" {description}" if description else "")


def node_is_away(reason: str, description: str = "") -> bool:
    """Whether it waits for nodes that are drained or down, however many others are free."""
    return _bare(reason) == "NodeDown" or AWAY in f"{reason} {description}"


def _bare(reason: str) -> str:
    return reason.partition(",")[0].strip()


def _limit(reason: str) -> str:
    whose = next((words for start, words in LIMITED if reason.startswith(start)), "")
    what = next((words for part, words in WHAT if part in reason), "") if whose else ""
    return f"{whose} has no {what} left" if what else ""
