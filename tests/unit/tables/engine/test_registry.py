"""A registry over https, with a certificate that only a table says is to be trusted."""

from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.tables.engine.registry import registry_of
from clickstream.tables.sql.options import AvroOptions
from tests.unit.avro.fakeregistry import USER, fake_registry
from tests.unit.certificates import self_signed, server_context


def test_the_certificate_that_a_table_names_is_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with fake_registry(server_context(certificate)) as fake:
        fake.schemas[1] = {"schema": USER}
        options = AvroOptions(fake.url, "t-value", None, str(certificate))
        assert registry_of(options).schema(1).text == USER
        with pytest.raises(
            ClickstreamError, match=r"Give its CA: the option avro-confluent\.ssl\.truststore\.location"
        ):
            registry_of(AvroOptions(fake.url, "t-value", None)).schema(1)


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_without_certificates_is_refused_before_anything_is_asked(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "store.jks"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"store\.jks, cannot be used: .* A PEM file is expected"):
        registry_of(AvroOptions("https://localhost:1", "t-value", None, str(path)))
