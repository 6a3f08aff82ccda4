"""Panels and queries of the dashboards, by Grafana's own types."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus as build_prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import QueryEditorMode

# The uids in provisioning/datasources/clickstream.yml.
POSTGRES = model.DataSourceRef(type_val="grafana-postgresql-datasource", uid="clickstream-postgres")
PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="clickstream-prometheus")

GREEN, ORANGE, RED = "green", "orange", "red"
HEIGHT = 8

Query = Builder[Dataquery]


@dataclass(frozen=True)
class Sql(Query, Dataquery):
    """A query of Grafana's PostgreSQL data source, which the SDK has no type for.

    Its fields are those of SQLQuery in Grafana: packages/grafana-sql/src/types.ts.
    """

    text: str
    series: bool = False
    ref_id: str = "A"

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        """As it is in a dashboard's file."""
        return {
            "datasource": POSTGRES,
            "refId": self.ref_id,
            "format": "time_series" if self.series else "table",
            "editorMode": "code",
            "rawQuery": True,
            "rawSql": self.text.strip(),
        }


def series_of(text: str) -> Sql:
    """SQL with a column `time`; a text column `metric` names the series of a row."""
    return Sql(text, series=True)


def promql(expression: str, legend: str, ref_id: str = "A", *, latest: bool = False) -> Query:
    """PromQL over the dashboard's time, or `latest`: its value now. `legend` names a series by its labels."""
    query = build_prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id).datasource(PROMETHEUS)
    query = query.editor_mode(QueryEditorMode.CODE)
    return query.instant() if latest else query.range()


@dataclass(frozen=True)
class About:
    """What a person reads of a panel; `width` of the 24 columns."""

    title: str
    description: str
    source: model.DataSourceRef
    width: int = 8


def lines(about: About, unit: str, *targets: Query, bars: bool = False) -> timeseries.Panel:
    """Figures over time."""
    panel = (
        timeseries.Panel()
        .title(about.title)
        .description(about.description)
        .datasource(about.source)
        .span(about.width)
        .height(HEIGHT)
        .unit(unit)
        .min(0)
        .targets(list(targets))
        .fill_opacity(10)
        .show_points(kinds.VisibilityMode.AUTO)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    if about.source is POSTGRES:
        panel = panel.interval("1m")
    return panel.draw_style(kinds.GraphDrawStyle.BARS).fill_opacity(60) if bars else panel


def ranking(about: About, unit: str, target: Query) -> bargauge.Panel:
    """One bar for each row: a text, and a number."""
    return (
        bargauge.Panel()
        .title(about.title)
        .description(about.description)
        .datasource(about.source)
        .span(about.width)
        .height(HEIGHT)
        .unit(unit)
        .min(0)
        .targets([target])
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().values(True).calcs(["lastNotNull"]).fields(""))
    )


def rows(about: About, target: Query, **units: str) -> table.Panel:
    """Rows as they are; `units` by the names of columns."""
    panel = (
        table.Panel()
        .title(about.title)
        .description(about.description)
        .datasource(about.source)
        .span(about.width)
        .height(HEIGHT)
        .targets([target])
    )
    for column, unit in units.items():
        panel = panel.override_by_name(column, [model.DynamicConfigValue("unit", unit)])
    return panel


def number(about: About, unit: str, steps: Sequence[tuple[float | None, str]], target: Query) -> stat.Panel:
    """The latest figure, coloured by `steps`: from a value on, which colour; the first value is None."""
    return (
        stat.Panel()
        .title(about.title)
        .description(about.description)
        .datasource(about.source)
        .span(about.width)
        .height(HEIGHT)
        .unit(unit)
        .targets([target])
        .thresholds(_steps(steps))
        .color_mode(kinds.BigValueColorMode.BACKGROUND)
        .reduce_options(common.ReduceDataOptions().values(False).calcs(["lastNotNull"]).fields(""))
    )


def states(about: About, words: Sequence[tuple[int, str, str]], *targets: Query) -> statetimeline.Panel:
    """States over time; `words` are numbers with their texts and colours."""
    mapping = {
        str(value): model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(words)
    }
    return (
        statetimeline.Panel()
        .title(about.title)
        .description(about.description)
        .datasource(about.source)
        .span(about.width)
        .height(HEIGHT)
        .targets(list(targets))
        .mappings([model.ValueMap(options=mapping)])
        .thresholds(_steps([(None, GREEN)]))
        .show_value(kinds.VisibilityMode.AUTO)
        .merge_values(True)
    )


def _steps(steps: Sequence[tuple[float | None, str]]) -> build.ThresholdsConfig:
    found = [model.Threshold(value, color) for value, color in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def board(
    uid: str, title: str, description: str, *, hours: int, panels: Sequence[Builder[model.Panel]]
) -> build.Dashboard:
    """A dashboard of the last `hours`, in UTC as the tables' windows are, asked again every 30 s."""
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["clickstream"])
        .timezone("utc")
        .time(f"now-{hours}h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for panel in panels:
        made = made.with_panel(panel)
    return made
