"""Families of samples, as rows of a statement give them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection
from prometheus_client.core import GaugeMetricFamily, Metric


def labelled(kind: type[Any], name: str, text: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    """One family with labels; a row is the labels' values and then the number."""
    family: Metric = kind(f"trainyard_{name}", text, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(number))  # type: ignore[attr-defined]
    return family


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"trainyard_{name}", text, value=float(value))


def query(statement: str, values: Mapping[str, Any] | list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
