// Sends one parent and one child span: node send.js json|proto|grpc URL none|gzip
"use strict";

const { SpanKind, SpanStatusCode, context, diag, DiagConsoleLogger, DiagLogLevel, trace } =
  require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

const EXPORTERS = {
  json: "@opentelemetry/exporter-trace-otlp-http",
  proto: "@opentelemetry/exporter-trace-otlp-proto",
  grpc: "@opentelemetry/exporter-trace-otlp-grpc",
};

async function main([protocol, url, compression]) {
  // What the SDK warns about (a partial success, a failed export) goes to standard error.
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
  const { OTLPTraceExporter } = require(EXPORTERS[protocol]);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "node-shop" }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, compression }))],
  });
  const tracer = provider.getTracer("shop", "1.2.3");
  const parent = tracer.startSpan("workflow");
  const child = tracer.startSpan(
    "chat gpt-4o",
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.finish_reasons": ["stop"],
        streamed: true,
      },
    },
    trace.setSpan(context.active(), parent),
  );
  child.addEvent("first token", { index: 0 });
  child.setStatus({ code: SpanStatusCode.ERROR, message: "Error code: 429" });
  child.end();
  parent.end();
  await provider.shutdown();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
