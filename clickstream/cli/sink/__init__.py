"""`clickstream sink`: results into databases, files and queues; wiring only."""

import click

from clickstream.cli.sink import opensearch, parquet, postgres, rabbitmq, webhook


@click.group("sink")
def command() -> None:
    """Results where they are needed: fill a database, files or a queue from topics, and keep it filled."""


@command.group("plan")
def plan() -> None:
    """What a sink would make and change in its target; nothing is done."""


@command.group("check")
def check() -> None:
    """Compare a sink's target with its topics, and repair what differs."""


command.add_command(opensearch.command)
command.add_command(parquet.command)
command.add_command(postgres.command)
for each in (opensearch.plan, parquet.plan, postgres.plan, rabbitmq.plan, webhook.plan):
    plan.add_command(each)
for each in (opensearch.check, parquet.check, postgres.check):
    check.add_command(each)
command.add_command(rabbitmq.command)
command.add_command(webhook.command)
