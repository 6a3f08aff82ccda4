"""The assets in deploy/superset, as far as they can be judged without a Superset."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
import yaml  # type: ignore[import-untyped]
from sqlglot import exp

from clickstream.config import config_dir
from clickstream.records import WebEvent
from clickstream.tables.sql.check import check_file
from deploy.superset.load import VARIABLES, contents, named
from tests.dashboards import DEPLOY, ROOT, WEB_EVENTS_COLUMNS

PAGE = ROOT / "docs" / "deploy" / "superset.md"
FOLDERS = tuple(VARIABLES)
FILES = {f"{folder}/{name}": yaml.safe_load(text) for folder in FOLDERS for name, text in contents(folder).items()}
# What a column of a file of SQL is in PostgreSQL (docs/sinks/postgres.md).
TYPES = {"STRING": "TEXT", "INT": "INTEGER", "BIGINT": "BIGINT", "TIMESTAMP(3)": "TIMESTAMP WITH TIME ZONE"}
Asset = dict[str, Any]


def of(kind: str, *folders: str) -> list[Asset]:
    """The assets of a kind, of all folders or of some."""
    beginnings = tuple(f"{folder}/{kind}/" for folder in folders or FOLDERS)
    return [asset for name, asset in FILES.items() if name.startswith(beginnings)]


def ids(dataset: Asset) -> str:
    return f"{dataset['table_name']} {dataset['uuid'][:4]}"


DATASETS = {dataset["uuid"]: dataset for dataset in of("datasets")}
CHARTS = [
    pytest.param(chart, id=f"{folder} {chart['slice_name']}") for folder in FOLDERS for chart in of("charts", folder)
]


def boxes(dashboard: Asset) -> dict[str, Asset]:
    """What is placed on a dashboard, by its id."""
    return {name: box for name, box in dashboard["position"].items() if isinstance(box, dict)}


def places(dashboard: Asset) -> list[Asset]:
    return [box["meta"] for box in boxes(dashboard).values() if box["type"] == "CHART"]


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, str]]:
    """The types of the columns of the tables that sinks make of the shipped files, and of the topic web-events."""
    files = sorted((config_dir() / "tables").glob("*.sql"))
    targets = [insert.target for path in files for insert in check_file(path).program.inserts]
    found = {table.name: {one.name: TYPES.get(str(one.type), "") for one in table.columns} for table in targets}
    return {**found, "web_events": dict(web_events_columns())}


def web_events_columns() -> Iterator[tuple[str, str]]:
    for column in WEB_EVENTS_COLUMNS.split(", "):
        name, kind = column.split(" ")
        yield name.strip("`"), TYPES[kind]


def test_uuids_are_there_once_and_for_ever() -> None:
    uuids = [asset["uuid"] for folder in ("databases", "datasets", "charts", "dashboards") for asset in of(folder)]
    assert [one for one, times in Counter(uuids).items() if times > 1] == []
    assert all(str(uuid.UUID(one)) == one for one in uuids)
    assert len(uuids) == len(FILES) - len(FOLDERS), "metadata.yaml has none"


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_that_is_referred_to_is_there(folder: str) -> None:
    [database], [dashboard] = of("databases", folder), of("dashboards", folder)
    datasets, charts = of("datasets", folder), of("charts", folder)
    assert {dataset["database_uuid"] for dataset in datasets} == {database["uuid"]}
    assert {chart["dataset_uuid"] for chart in charts} == {dataset["uuid"] for dataset in datasets}
    assert {(place["uuid"], place["sliceName"]) for place in places(dashboard)} == {
        (chart["uuid"], chart["slice_name"]) for chart in charts
    }


@pytest.mark.parametrize("dashboard", of("dashboards"), ids=lambda dashboard: dashboard["slug"])
def test_the_dashboard_is_a_tree_of_full_rows(dashboard: Asset) -> None:
    position = boxes(dashboard)
    children = [child for node in position.values() for child in node.get("children", ())]
    assert sorted(children) == sorted(set(position) - {"ROOT_ID", "HEADER_ID"})
    for node in position.values():
        if node["type"] == "ROW":
            assert sum(position[child]["meta"]["width"] for child in node["children"]) == 12
    numbers = [place["chartId"] for place in places(dashboard)]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("dataset", of("datasets", "postgres"), ids=ids)
def test_a_dataset_is_a_table_that_a_sink_makes(dataset: Asset, tables: dict[str, dict[str, str]]) -> None:
    columns = {column["column_name"]: column["type"] for column in dataset["columns"]}
    assert dataset["schema"] is None, "the user's search_path says which"
    if dataset["sql"] is None:
        assert columns == tables[dataset["table_name"]]
    else:
        query = sqlglot.parse_one(dataset["sql"], dialect="postgres")
        assert isinstance(query, exp.Select)
        [source] = query.find_all(exp.Table)
        assert query.named_selects == list(columns)
        assert {column.name for column in query.find_all(exp.Column)} == set(tables[source.name])
    assert columns[dataset["main_dttm_col"]] == TYPES["TIMESTAMP(3)"]
    for column in dataset["columns"]:
        assert column["is_dttm"] == (column["type"] == TYPES["TIMESTAMP(3)"])


@pytest.mark.parametrize("dataset", of("datasets", "druid"), ids=ids)
def test_a_dataset_is_of_columns_that_a_supervisor_s_spec_makes(dataset: Asset) -> None:
    columns = {column["column_name"]: column["type"] for column in dataset["columns"]}
    query = sqlglot.parse_one(dataset["sql"] or f'SELECT * FROM "{dataset["table_name"]}"', dialect="druid")
    assert isinstance(query, exp.Select)
    [source] = query.find_all(exp.Table)
    types = columns_in_druid(source.name)
    if dataset["sql"] is None:
        assert columns == types
    else:
        assert query.named_selects == list(columns)
        assert {column.name for column in query.find_all(exp.Column)} <= set(types)
        assert {name: columns[name] for name in types if name in columns} == {
            name: kind for name, kind in types.items() if name in columns
        }
    assert dataset["main_dttm_col"] == "__time"
    assert [column["column_name"] for column in dataset["columns"] if column["is_dttm"]] == ["__time"]


def columns_in_druid(source: str) -> dict[str, str]:
    """The SQL types of the columns of a data source, by its supervisor's spec."""
    spec = json.loads((DEPLOY / "druid" / f"{source}.json").read_text("utf-8"))["spec"]
    dimensions = spec["dataSchema"]["dimensionsSpec"]["dimensions"]
    types = {"string": "VARCHAR", "long": "BIGINT", "json": "COMPLEX<json>"}
    return {"__time": "TIMESTAMP", **{one["name"]: types[one["type"]] for one in dimensions}}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=ids)
def test_a_metric_is_of_columns_that_the_dataset_has(dataset: Asset) -> None:
    columns = {column["column_name"] for column in dataset["columns"]}
    for metric in dataset["metrics"]:
        read = sqlglot.parse_one(metric["expression"], dialect="druid").find_all(exp.Column)
        assert {column.name for column in read} <= columns, metric


def test_distinct_counts_in_druid_are_of_sketches() -> None:
    expressions = [metric["expression"] for dataset in of("datasets", "druid") for metric in dataset["metrics"]]
    assert [one for one in expressions if "DISTINCT" in one and "APPROX_COUNT_DISTINCT_DS_HLL(" not in one] == []


def columns_of(params: Asset) -> Iterator[str]:
    """The columns that a chart names."""
    yield from (params[name] for name in ("x_axis", "series", "entity") if name in params)
    yield from (*params.get("groupby", ()), *params.get("all_columns", ()))
    yield from (json.loads(order)[0] for order in params.get("order_by_cols", ()))
    yield from (one["subject"] for one in params["adhoc_filters"])


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_names_what_its_dataset_has(chart: Asset) -> None:
    dataset, params = DATASETS[chart["dataset_uuid"]], chart["params"]
    metrics = [params[name] for name in ("metric", "secondary_metric") if name in params] + params.get("metrics", [])
    assert set(columns_of(params)) <= {column["column_name"] for column in dataset["columns"]}
    assert set(metrics) <= {metric["metric_name"] for metric in dataset["metrics"]}
    assert metrics or params["query_mode"] == "raw"
    assert params["viz_type"] == chart["viz_type"]
    assert len(chart["description"]) > 20
    # The dashboard's range of time reaches only charts with such a filter.
    assert params["adhoc_filters"][0]["operator"] == "TEMPORAL_RANGE"
    assert params["adhoc_filters"][0]["subject"] == dataset["main_dttm_col"]


def test_the_event_s_columns_are_those_of_the_collector_s_record() -> None:
    assert {name for name, _ in web_events_columns()} <= set(WebEvent.__struct_fields__)
    assert WEB_EVENTS_COLUMNS in PAGE.read_text("utf-8")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_dsn_is_written_down(folder: str) -> None:
    [database] = of("databases", folder)
    assert re.fullmatch(r"(postgresql\+psycopg2|druid)://clickstream\.invalid/", database["sqlalchemy_uri"])
    assert "password" not in database
    metadata = FILES[f"{folder}/metadata.yaml"]
    assert "type" not in metadata, "import-dashboards and the import of assets each want another one"


def test_the_variables_that_are_documented_are_read() -> None:
    config = (DEPLOY / "superset" / "superset_config.py").read_text("utf-8")
    assert set(re.findall(r"CLICKSTREAM_SUPERSET_\w+", config)) == set(VARIABLES.values())
    assert set(re.findall(r"CLICKSTREAM_SUPERSET_\w+", PAGE.read_text("utf-8"))) == set(VARIABLES.values())


def test_only_what_has_a_database_is_imported() -> None:
    assert named({VARIABLES["postgres"]: "postgresql://db/shop", VARIABLES["druid"]: ""}) == ["postgres"]
    assert named(dict.fromkeys(VARIABLES.values(), "somewhere")) == list(FOLDERS)
    assert named({}) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_charts_are_documented(folder: str) -> None:
    _, on_postgres, on_druid = re.split("^## What it shows on .*$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    text = {"postgres": on_postgres, "druid": on_druid}[folder]
    rows = set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE))
    assert {chart["slice_name"] for chart in of("charts", folder)} <= rows
