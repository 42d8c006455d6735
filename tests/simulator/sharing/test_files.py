"""Projects and prices of a simulation: what is wrong with them is said by its row, its field and what would be right."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from scheduling.snapshot import Limits, LoanLimits, ProjectView
from simulator.sharing.price_table import read_prices
from simulator.sharing.projects import read_projects
from simulator.trace import SimulationError

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


def written(folder, value):
    path = folder / "list.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def price(**fields):
    return {"target": "gpu_model", "name": "H100", "per_hour": "2.50", **fields}


def test_projects_have_the_fields_of_rest(tmp_path):
    limits = {"gpus": 8, "memory_gb": 1.5, "running_jobs": 3}
    rows = [
        {"slug": "team", "parent": None},
        {"slug": "vision", "parent": "team", "weight": 2, "limits": limits, "borrowing_limits": {"gpus": 4}},
    ]
    vision = Limits(gpus=8, memory_mb=1536, running_jobs=3, borrowing=LoanLimits(gpus=4))
    assert read_projects(written(tmp_path, {"results": rows})) == (
        ProjectView("team"),
        ProjectView("vision", "team", vision, 2.0),
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[", "is no JSON"),
        ("{}", "holds no list of objects"),
        ([], "names no project"),
        ([{}], "row 1: slug is missing"),
        ([{"slug": "a"}, {"slug": "a"}], "row 2: slug is a: there is another"),
        ([{"slug": "a", "parent": "b"}], "parent is b: there is no such project"),
        ([{"slug": "a", "parent": "b"}, {"slug": "b", "parent": "a"}], "row 1: parent is b: that lies below a"),
        ([{"slug": "a", "parent": "a"}], "parent is a: that lies below a"),
        ([{"slug": "a", "limit": {"gpus": 1}}], "row 1: limit means nothing here"),
        ([{"slug": "a", "limits": {"gpus": -1}}], "row 1, limits: gpus is -1: write a whole number, 0 or more"),
        ([{"slug": "a", "limits": {"gpus": 1.5}}], "gpus is"),
        ([{"slug": "a", "limits": 8}], "limits is 8: write an object"),
        ([{"slug": "a", "borrowing_limits": {"disk": 1}}], "disk means nothing here"),
        ([{"slug": "a", "weight": "NaN"}], "weight is"),
    ],
)
def test_what_is_no_tree_of_projects_is_refused_with_its_row(tmp_path, rows, words):
    with pytest.raises(SimulationError, match=words):
        read_projects(written(tmp_path, rows))


def test_prices_are_those_that_the_platform_prints(tmp_path):
    printed = price(
        id=3, capacity="", currency="USD", valid_from="2030-05-01T13:00:00Z", valid_to=None, created_by="ops"
    )
    table = read_prices(written(tmp_path, [printed]), NOON)
    [one] = table.prices
    assert (table.currency, one.per_hour, one.until) == ("USD", Decimal("2.50"), None)
    assert one.since == table.moment(3600)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "holds no price"),
        ([price(per_hour="-1")], 'row 1: per_hour is "-1": write an amount of money, 0 or more'),
        ([price(per_hour=None)], "per_hour is missing"),
        ([price(per_hour="1e-9")], "at most 6 decimal places"),
        ([price(per_hour=True)], "per_hour is true"),
        ([price(target="disk")], "write one of node, node_type, gpu_model, cpu, memory_gb"),
        ([price(currency="euro")], "currency is 'euro': write three capital letters"),
        ([price(), price(name="A100", currency="USD")], "row 2: currency is USD, and that of the first price EUR"),
        ([price(), price(name="h100", valid_from=60)], "row 2: valid_from lies in the time of another price"),
        ([price(target="cpu")], "name is 'H100': a cpu has none"),
        ([price(target="node", name="")], "name is missing: write which node it is"),
        ([price(valid_from=60, valid_to=60)], "valid_to has to be later"),
        ([price(valid_from="2030-05-01T13:00:00Z")], "--trace-start"),
        ([price(capacity="borrowed")], "write spot, reserved or nothing"),
        ([price(price=1)], "price means nothing here"),
    ],
)
def test_what_is_no_price_is_refused_with_its_row(tmp_path, rows, words):
    with pytest.raises(SimulationError, match=words):
        read_prices(written(tmp_path, rows))


def test_of_one_thing_one_price_may_follow_the_other(tmp_path):
    rows = [price(valid_to=60), price(valid_from=60), price(capacity="spot"), price(name="A100")]
    assert len(read_prices(written(tmp_path, rows)).prices) == 4
