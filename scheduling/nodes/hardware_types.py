"""What a machine is to a job: jobs run alike on machines of one type."""

from collections.abc import Mapping, Sequence

from scheduling.nodes.feasibility import suits
from scheduling.nodes.free_nodes import FreeNode
from scheduling.price_list import terms_of
from scheduling.resources import Request

CPU_ONLY = "cpu"


def hardware_type(request: Request, node: FreeNode) -> str:
    """The type of the node for such a job, before it is there."""
    models = [gpu.model for gpu in node.order if suits(request, gpu)][:1] if request.gpus else []
    return type_of(models, node.view.labels)


def type_of(models: Sequence[str], labels: Mapping[str, str]) -> str:
    """For a job with GPUs the model of the first that it holds; for any other the node's type by its label, if it has one."""
    if models:
        return models[0] or "gpu"
    return terms_of(labels)[0] or CPU_ONLY
