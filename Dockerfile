# Every `clickstream` command. Kafka is elsewhere: give its address in KAFKA_BOOTSTRAP_SERVERS.
FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# The pinned sets first: a layer that changes only when the pins do. What building takes has an environment of its own.
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/clickstream \
    && /opt/clickstream/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.txt
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/clickstream/bin/pip install --no-cache-dir --no-deps --no-index --find-links /wheels clickstream \
    && /opt/clickstream/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim

# A number, because Kubernetes cannot tell of a name that it is not root's.
RUN groupadd --gid 10001 clickstream \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/clickstream clickstream \
    && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/clickstream
COPY --from=build /opt/clickstream /opt/clickstream
# The state of tables, spools and the dashboard's token are below the state directory: give it a volume.
# Log lines appear when they are written. Metrics of every long-running part are on one port, which answers as long as
# the part lives; it is for the container's own network, publish it on loopback at most.
ENV PATH=/opt/clickstream/bin:$PATH \
    HOME=/var/lib/clickstream \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CLICKSTREAM_STATE_DIR=/var/lib/clickstream \
    CLICKSTREAM_CACHE_DIR=/var/lib/clickstream/cache \
    CLICKSTREAM_METRICS_HOST=0.0.0.0 \
    CLICKSTREAM_METRICS_PORT=9464 \
    HEALTH_URL=http://127.0.0.1:9464/metrics
USER 10001:10001
WORKDIR /var/lib/clickstream
# The collector and the dashboard have a /healthz of their own: HEALTH_URL=http://127.0.0.1:8322/healthz, :8321/healthz.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["clickstream"]
CMD ["--help"]
