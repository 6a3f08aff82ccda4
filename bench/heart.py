"""`bench heart`: producer and counter against their peers, on one real Kafka, in one run."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from bench.broker import BenchKafka, bench_kafka
from bench.measure import Usage, run
from bench.peers import Missing, Peers
from bench.programs import Inputs, Program, Wrong, programs, run_counter, run_producer
from bench.table import Cost, Row, row

MEMORY = "memory"
# A pause before each run, so that the broker's writing to disk and deleting from the one before is over.
SETTLE_S = 0.5

Say = Callable[[str], None]


@dataclass
class Result:
    """What was measured: every round's costs by program, why programs were left out, the memory test."""

    sides: dict[str, str] = field(default_factory=dict)  # name of a program -> producer or counter
    titles: dict[str, str] = field(default_factory=dict)
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    memory: Cost | None = None

    def rows(self, side: str | None = None) -> list[Row]:
        """Rows of one side, or all, the memory test among them."""
        chosen = [name for name in self.costs if side in (None, self.sides[name])]
        rows = [row(name, self.titles[name], self.costs[name]) for name in chosen]
        if side is None and self.memory is not None:
            rows.append(row(MEMORY, "run-counter", [self.memory]))
        return rows


def names() -> list[str]:
    """What `measure` can be restricted to."""
    return [*(program.name for program in programs(Peers(Path(), print))), MEMORY]


@dataclass(frozen=True)
class Plan:
    """How much to measure. A `short` run's cost is subtracted from that of one over `events`."""

    events: int
    short: int
    rounds: int
    memory_events: int
    only: Collection[str]


def measure(plan: Plan, say: Say) -> Result:
    """Measure the programs of the plan in turn, `rounds` times. Raises ClickstreamError when one fails."""
    with bench_kafka(say) as kafka:
        chosen = [program for program in programs(Peers(kafka.directory, say)) if program.name in plan.only]
        result = Result(
            sides={program.name: program.SIDE for program in chosen},
            titles={program.name: program.title for program in chosen},
        )
        if chosen:
            say(f"preparing {plan.events:,} events")
            inputs = _prepare(kafka, plan, count=any(program.SIDE == "counter" for program in chosen))
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                for program in chosen:
                    _measure(kafka, inputs, program, plan, result, say)
            kafka.drop(*inputs.topics.values())
        if MEMORY in plan.only:
            result.memory = _memory(kafka, plan.memory_events, say)
    return result


def _prepare(kafka: BenchKafka, plan: Plan, *, count: bool) -> Inputs:
    # Made for the producers, too: it warms the broker up, which would else be slow for whoever comes first.
    topics = {}
    for size in sorted({plan.short, plan.events}):
        topics[size] = kafka.topic(f"events-{size}")
        run(run_producer(kafka.address, topics[size], size, "--seed", "1"))
    return Inputs(topics, {size: kafka.names(topic) if count else {} for size, topic in topics.items()})


def _measure(kafka: BenchKafka, inputs: Inputs, program: Program, plan: Plan, result: Result, say: Say) -> None:
    if program.name in result.skipped:
        return
    many = min(plan.events, program.limit or plan.events)
    few = plan.short if program.limit is None else min(plan.short, many // 10)
    try:
        time.sleep(SETTLE_S)
        short = program.once(kafka, inputs, few)
        time.sleep(SETTLE_S)
        whole = program.once(kafka, inputs, many)
    except Missing as reason:
        say(f"{program.name}: left out: {reason}")
        result.skipped[program.name] = str(reason)
        return
    cost = Cost(many, whole.usage, few, short.usage, whole.broker_cpu - short.broker_cpu)
    result.costs.setdefault(program.name, []).append(cost)
    say(
        f"{program.name}: {_brief(many, whole.usage)}; {_brief(few, short.usage)}; "
        f"{cost.rate:,.0f}/s, {cost.cpu_per_million:.2f} CPU s per million"
    )


def _brief(events: int, usage: Usage) -> str:
    return f"{events:,} in {usage.seconds:.2f} s, {usage.cpu:.2f} CPU s, {usage.peak_mb:.0f} MB"


def _memory(kafka: BenchKafka, events: int, say: Say) -> Cost:
    """The counter over a fifth of the events and over all of them: does its memory grow?"""
    topic = kafka.topic("memory")
    usages: list[Usage] = []
    few = events // 5
    for total, more in ((few, few), (events, events - few)):
        run(run_producer(kafka.address, topic, more))
        output = kafka.topic(f"memory-{total}", partitions=1)
        usage = run(run_counter(kafka.address, topic, output, "--exit-at-end")).usage
        found = sum(kafka.tally(output).values())
        if found != total:
            raise Wrong(f"Memory test: {found:,} events were counted instead of {total:,}.")
        say(f"{MEMORY}: {_brief(total, usage)}")
        usages.append(usage)
    return Cost(events, usages[1], few, usages[0])
