"""The schema registry that a table names."""

from clickstream.avro.http import Address
from clickstream.avro.registry import Registry
from clickstream.tables.sql.options import AVRO, AvroOptions


def registry_of(options: AvroOptions) -> Registry:
    """Raises ConfigError for what can be none."""
    return Registry(
        Address(
            options.url,
            options.user_info,
            options.ca,
            given_in=f"the option {AVRO}.basic-auth.user-info",
            ca_given_in=f"the option {AVRO}.ssl.truststore.location",
        )
    )
