"""How the parts do, by the metrics that Prometheus has of them."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import units

from deploy.grafana.building import GREEN, PROMETHEUS, RED, About, board, lines, number, promql, states

PART = "{{part}} {{name}} {{instance}}"


def health() -> build.Dashboard:
    """One panel for each question that somebody on call asks."""
    return board(
        "clickstream-health",
        "Clickstream health",
        "Whether the parts run, keep up, and lose nothing. The alerts are in deploy/prometheus/alerts.yml.",
        hours=1,
        panels=[
            states(
                _about(
                    "Parts that answer",
                    "Whether Prometheus gets metrics of each process. Away: look with `clickstream status`, start it "
                    "again. It goes on where it was.",
                    width=16,
                ),
                [(1, "answers", GREEN), (0, "away", RED)],
                promql('up{job="clickstream"}', "{{instance}}"),
            ),
            number(
                _about("Alerts that fire", "Of the rules in alerts.yml. Prometheus lists them under Alerts."),
                units.Short,
                [(None, GREEN), (1, RED)],
                promql(
                    'count(ALERTS{alertname=~"Clickstream.*", alertstate="firing"}) or vector(0)',
                    "alerts",
                    latest=True,
                ),
            ),
            lines(
                _about(
                    "Records per second",
                    "What each part finishes: producers, replay and generators (confirmed), counters (counted), tables "
                    "(rows read), functions (processed), sinks (written), the collector (events).",
                ),
                units.RecordsPerSecond,
                promql(_rate("clickstream_acknowledged_total"), PART, "A"),
                promql(_rate("clickstream_counted_total"), PART, "B"),
                promql(_rate("clickstream_rows_total"), PART, "C"),
                promql(_rate("clickstream_processed_total"), PART, "D"),
                promql(_rate('clickstream_written_total{part=~"sink-.*"}'), PART, "E"),
                promql(_rate("clickstream_events_total"), PART, "F"),
            ),
            lines(
                _about(
                    "Lag",
                    "Records that counters, tables, functions and sinks have before them. Growing: the part, or what "
                    "it writes to, is slower than what comes in. Of tables clickstream_partition_lag says where.",
                ),
                units.Short,
                promql("clickstream_lag", PART),
            ),
            lines(
                _about(
                    "Watermark delay",
                    "How far the event time of tables is behind the clock: windows close that much later. It grows by "
                    "a second each second while nothing comes, too.",
                ),
                units.Seconds,
                promql("clickstream_watermark_delay_seconds", PART),
            ),
            lines(
                _about(
                    "Since the last success",
                    "How long ago each part last had records confirmed, or results stored. High with work to do (lag) "
                    "is a fault; high without is rest.",
                ),
                units.Seconds,
                promql("time() - clickstream_last_success_timestamp_seconds", PART),
            ),
            lines(
                _about(
                    "Records set aside",
                    "Dead letters in each step of the graph. `clickstream dead-letters list` has the reasons; those of "
                    "the collector are events that it refused.",
                ),
                units.Short,
                promql("increase(clickstream_dead_letters_total[$__rate_interval])", PART, "A"),
                promql("increase(clickstream_dead_lettered_total[$__rate_interval])", PART, "B"),
                bars=True,
            ),
            lines(
                _about(
                    "Not confirmed by Kafka",
                    "Records that are sent and wait for Kafka's word, and those that Kafka did not take. A queue that "
                    "stays full: Kafka is slow or away. Failed ones are lost unless they are sent again.",
                ),
                units.Short,
                promql("clickstream_queued", f"waiting: {PART}", "A"),
                promql('increase(clickstream_failed_total{part!="collect"}[$__rate_interval])', f"failed: {PART}", "B"),
            ),
            lines(
                _about(
                    "Round trip to Kafka",
                    "The 99th percentile of each process's slowest client, over 5 s, to its slowest broker. Consumers "
                    "wait for records by design, up to half a second.",
                ),
                units.Seconds,
                promql("max by (instance) (clickstream_client_round_trip_p99_seconds)", "{{instance}}"),
            ),
            states(
                _about(
                    "Targets and functions",
                    "Whether what a sink writes to answers and takes something, and whether what a function needs "
                    "does. Away: nothing is lost, the part waits and goes on by itself.",
                ),
                [(0, "answers", GREEN), (1, "away", RED)],
                promql("clickstream_target_away", PART, "A"),
                promql("clickstream_target_blocked", f"blocked: {PART}", "B"),
                promql("clickstream_function_away", PART, "C"),
            ),
            lines(
                _about(
                    "Collector: events",
                    "Taken, refused (dead letters), sent again (duplicates), and requests turned away because neither "
                    "Kafka nor the spool took them: these are lost unless the sender tries again.",
                ),
                units.EventsPerSecond,
                promql(_rate("clickstream_events_total"), "taken {{instance}}", "A"),
                promql(_rate('clickstream_dead_letters_total{part="collect"}'), "refused {{instance}}", "B"),
                promql(_rate("clickstream_duplicates_total"), "duplicates {{instance}}", "C"),
                promql(_rate("clickstream_unavailable_total"), "turned away {{instance}}", "D"),
            ),
            lines(
                _about(
                    "Collector: spool",
                    "How much of its spool is used. Above 0 Kafka does not take what comes; at 100 % events are turned "
                    "away. It empties itself, in order, once Kafka is back.",
                    width=24,
                ),
                units.PercentUnit,
                promql("clickstream_spool_bytes / clickstream_spool_limit_bytes", "{{instance}}"),
            ),
        ],
    )


def _about(title: str, description: str, width: int = 8) -> About:
    return About(title, description, PROMETHEUS, width)


def _rate(counter: str) -> str:
    return f"rate({counter}[$__rate_interval])"
