"""What a replay cost: each run by what it held, from its start until its nodes were free again, as the ledger books it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from scheduling.resources import Request
from scheduling.sharing.prices import Holding, cost, rounded
from scheduling.sharing.rates import holding_on
from scheduling.snapshot import NodeView
from simulator.cluster import Cluster
from simulator.outcome import Run
from simulator.sharing.price_table import PriceTable


class Costs(NamedTuple):
    """All together, and what of it was paid for work that was lost when jobs were stopped, and for going on."""

    paid: Decimal
    lost: Decimal


def costs(runs: Iterable[Run], requests: Mapping[int, Request], cluster: Cluster, table: PriceTable) -> Costs:
    """Amounts are rounded once for each node of each run, as the ledger does with each placement."""
    nodes = {node.name: node for node in cluster.nodes}
    paid = lost = Decimal(0)
    for run in runs:
        for name in run.nodes:
            holding = _holding(requests[run.number], nodes[name])
            paid += _cost(holding, run.start, run.end, table)
            lost += _cost(holding, run.end - run.lost_s, run.end, table) if run.lost_s else 0
    return Costs(paid, lost)


def _cost(holding: Holding, start: float, end: float, table: PriceTable) -> Decimal:
    return rounded(cost(holding, table.moment(start), table.moment(end), table.prices))


def _holding(request: Request, node: NodeView) -> Holding:
    model = node.gpus[0].model if node.gpus else ""
    return holding_on(node, request.cpus, request.memory_mb, {model: request.gpus} if request.gpus else {})
