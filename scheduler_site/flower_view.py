"""Flower as Trainyard runs it: it shows, and changes nothing; nothing of it is open but a health check.

However Flower is started (`celery -A scheduler_site flower`), it is this one: nobody stops an agent or a job through it,
since the site alone knows what that means, and Celery's events name every project's jobs.
"""

import os
import sys
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db import connection
from flower.api import BaseApiHandler
from flower.api.tasks import GetQueueLengths
from flower.app import Flower, rewrite_handler
from flower.views.broker import BrokerView
from flower.views.monitor import Metrics
from tornado import web

from jobs.messages.routing import CONTROL_QUEUE, node_queues

OPEN_VARIABLE = "FLOWER_UNAUTHENTICATED_API"
COLUMNS = "args,state,received,started,runtime,worker,uuid"
GONE_SECONDS = 24 * 3600
MOST_TASKS = 20_000


class ReadOnlyFlower(Flower):
    """Takes no order, asks everybody for a login, and forgets what is long gone."""

    def __init__(self, options: Any = None, **more: Any) -> None:
        refuse_strangers(options)
        options.read_only = True
        options.address = options.address or "127.0.0.1"
        options.purge_offline_workers = options.purge_offline_workers or GONE_SECONDS
        options.max_tasks = min(options.max_tasks, MOST_TASKS)
        options.tasks_columns = COLUMNS
        super().__init__(options=options, **more)
        prefix = options.url_prefix or ""
        self.add_handlers(r".*", [rewrite_handler(one, prefix) for one in OURS] if prefix else OURS)


def refuse_strangers(options: Any) -> None:
    """End the process where Flower would ask nobody for a login."""
    if not (options.basic_auth or options.auth or os.environ.get(OPEN_VARIABLE)):
        sys.exit(
            "Flower shows the jobs of every project, and would ask nobody for a password: set FLOWER_BASIC_AUTH=user:password."
        )


class ClosedMetrics(BaseApiHandler, Metrics):
    """Flower's own metrics, for those who may see the rest of it."""

    @web.authenticated
    async def get(self) -> None:
        await Metrics.get(self)


class EveryQueue:
    """Flower knows the queues of those agents alone that answered when it last asked them."""

    application: Any
    names: list[str]

    async def prepare_names(self) -> None:
        self.names = await self.application.io_loop.run_in_executor(None, queue_names)

    def get_active_queue_names(self) -> list[str]:
        return self.names


class AllQueues(EveryQueue, BrokerView):
    @web.authenticated
    async def get(self) -> None:
        await self.prepare_names()
        await BrokerView.get(self)


class AllQueueLengths(EveryQueue, GetQueueLengths):
    @web.authenticated
    async def get(self) -> None:
        await self.prepare_names()
        await GetQueueLengths.get(self)


def queue_names() -> list[str]:
    """Of the planner and of every node, by the database."""
    try:
        nodes = apps.get_model("workers", "Node").objects.order_by("name").values_list("name", flat=True)
        return [CONTROL_QUEUE, *(queue for node in nodes for queue in node_queues(node))]
    finally:
        connection.close()


OURS = [(r"/metrics", ClosedMetrics), (r"/broker", AllQueues), (r"/api/queues/length", AllQueueLengths)]


def use() -> None:
    """Let Flower's command run this Flower."""
    vars(import_module("flower.command"))["Flower"] = ReadOnlyFlower
