# syntax=docker/dockerfile:1
# Give the base by digest: --build-arg BASE=docker.io/library/python:3.13-slim@sha256:...
# hadolint global ignore=DL3006
ARG BASE=docker.io/library/python:3.13-slim
ARG RUST=docker.io/library/rust:1.95-slim

FROM ${BASE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# What the lock pins and nothing else. The libraries of content rules are in it, and the simulation's, so that
# one image is enough to try rules, alerts and dashboards.
COPY requirements requirements
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
    && python -m venv /opt/exporter \
    && /opt/exporter/bin/pip install --require-hashes -r requirements/image.txt

# The native engine: maturin is a program that needs no Python, and the engine one build for all of them.
FROM ${RUST} AS native
WORKDIR /src
COPY --from=tools /opt/build/bin/maturin /usr/local/bin/maturin
COPY exporter exporter
WORKDIR /src/exporter/native
RUN PYO3_NO_PYTHON=1 maturin build --release --out /dist

FROM tools AS build
COPY pyproject.toml README.md LICENSE ./
COPY alerts alerts
COPY dashboards/json dashboards/json
COPY exporter exporter
COPY --from=native /dist dist
RUN /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
    && /opt/exporter/bin/pip install --no-index --no-deps dist/*.whl \
    && /opt/exporter/bin/python -c 'from llm_trace_exporter.otlp.native import chosen; chosen("native")' \
    && /opt/exporter/bin/python -m compileall -q /opt/exporter \
    && /opt/exporter/bin/pip uninstall -y pip

FROM ${BASE}
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=""
LABEL org.opencontainers.image.title="LLM Trace Exporter" \
      org.opencontainers.image.description="Turns LLM traces into Prometheus metrics" \
      org.opencontainers.image.source="https://github.com/llm-trace-exporter/llm-trace-exporter" \
      org.opencontainers.image.documentation="https://github.com/llm-trace-exporter/llm-trace-exporter/blob/main/docs/install.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV PATH=/opt/exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/exporter /opt/exporter
COPY LICENSE /licenses/LICENSE
# A volume takes its owner from here. All the rest belongs to root and is only read.
RUN install -d -o 10001 -g 10001 /var/lib/llm-trace-exporter
USER 10001:10001
WORKDIR /var/lib/llm-trace-exporter
EXPOSE 9891 4317 4318
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["llm-trace-exporter", "healthcheck"]
ENTRYPOINT ["llm-trace-exporter"]
CMD ["serve", "--web.listen-address=:9891", "--otlp.http.listen-address=:4318", "--otlp.grpc.listen-address=:4317"]
