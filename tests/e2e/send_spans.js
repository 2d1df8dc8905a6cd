// Sends spans with the OpenTelemetry SDK: node send_spans.js json|proto|grpc URL SERVICE START_MS < spans.json
"use strict";

const fs = require("fs");
const { SpanKind, SpanStatusCode, context, diag, DiagConsoleLogger, DiagLogLevel, trace } =
  require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

const EXPORTERS = {
  json: "@opentelemetry/exporter-trace-otlp-http",
  proto: "@opentelemetry/exporter-trace-otlp-proto",
  grpc: "@opentelemetry/exporter-trace-otlp-grpc",
};

async function main([protocol, url, service, startMs]) {
  // What the SDK warns about (a partial success, a failed export) goes to standard error.
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
  const { OTLPTraceExporter } = require(EXPORTERS[protocol]);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": service }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  });
  const tracer = provider.getTracer("shop", "1.2.3");
  const at = (ms) => Number(startMs) + ms;
  const started = [];
  const described = JSON.parse(fs.readFileSync(0, "utf8"));
  for (const { name, attrs, start_ms, parent } of described) {
    const within =
      parent === null ? context.active() : trace.setSpan(context.active(), started[parent]);
    const options = { kind: SpanKind.CLIENT, attributes: attrs, startTime: at(start_ms) };
    started.push(tracer.startSpan(name, options, within));
  }
  described.forEach(({ end_ms, error }, number) => {
    if (error !== null) {
      started[number].setStatus({ code: SpanStatusCode.ERROR, message: error });
    }
    started[number].end(at(end_ms));
  });
  await provider.shutdown();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
