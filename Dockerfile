# Every `clickstream` command. Kafka is elsewhere: give its address in KAFKA_BOOTSTRAP_SERVERS.
FROM python:3.11-slim

WORKDIR /src
# The pinned sets first: a layer that changes only when the pins do.
COPY requirements.txt requirements-build.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt \
    && pip install --no-cache-dir --require-hashes --requirement requirements-build.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

RUN useradd --create-home clickstream
USER clickstream
WORKDIR /home/clickstream
# Log lines appear when they are written.
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["clickstream"]
CMD ["--help"]
