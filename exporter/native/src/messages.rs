//! Which members of OTLP/JSON become which fields: those of `otlp/wire.py`, and all of what log records
//! are told apart by. Names and numbers are opentelemetry-proto's.

/// How a member is written.
pub enum Kind {
    Text,
    Bool,
    Double,
    /// Between two bounds.
    Int(i128, i128),
    Enum(&'static [(&'static str, i64)]),
    Fixed64,
    Fixed32,
    /// Bytes as hexadecimal digits.
    Hex,
    Message(&'static Message),
    Messages(&'static Message),
    /// A message that holds values: one level deeper.
    Nested(&'static Message),
    /// Not written here.
    Other,
}

/// A member.
pub struct Field {
    pub name: &'static str,
    pub number: u32,
    pub kind: Kind,
}

/// An object.
pub struct Message {
    pub fields: &'static [Field],
    /// Whether it has one of its fields, and that even where it has its default.
    pub is_choice: bool,
}

/// An object that holds a message and a list of parts.
pub struct Part {
    pub head: &'static str,
    pub message: &'static Message,
    pub parts: &'static str,
    pub record: &'static Message,
}

const fn field(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind }
}

const fn message(fields: &'static [Field]) -> Message {
    Message { fields, is_choice: false }
}

const INT64: Kind = Kind::Int(i64::MIN as i128, i64::MAX as i128);
const UINT32: Kind = Kind::Int(0, u32::MAX as i128);

static ANY_VALUE: Message = Message {
    fields: &[
        field("stringValue", 1, Kind::Text),
        field("boolValue", 2, Kind::Bool),
        field("intValue", 3, INT64),
        field("doubleValue", 4, Kind::Double),
        field("arrayValue", 5, Kind::Nested(&ARRAY)),
        field("kvlistValue", 6, Kind::Nested(&MAP)),
        field("bytesValue", 7, Kind::Other),
        field("stringValueStrindex", 8, Kind::Other),
    ],
    is_choice: true,
};
static ARRAY: Message = message(&[field("values", 1, Kind::Messages(&ANY_VALUE))]);
static MAP: Message = message(&[field("values", 1, Kind::Messages(&KEY_VALUE))]);
static KEY_VALUE: Message =
    message(&[field("key", 1, Kind::Text), field("value", 2, Kind::Message(&ANY_VALUE))]);
const ATTRIBUTES: Kind = Kind::Messages(&KEY_VALUE);

static RESOURCE: Message = message(&[
    field("attributes", 1, ATTRIBUTES),
    field("droppedAttributesCount", 2, UINT32),
    field("entityRefs", 3, Kind::Other),
]);
static SCOPE: Message = message(&[
    field("name", 1, Kind::Text),
    field("version", 2, Kind::Text),
    field("attributes", 3, ATTRIBUTES),
]);
static STATUS: Message = message(&[
    field("message", 2, Kind::Text),
    field(
        "code",
        3,
        Kind::Enum(&[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)]),
    ),
]);
static EVENT: Message = message(&[
    field("timeUnixNano", 1, Kind::Fixed64),
    field("name", 2, Kind::Text),
    field("attributes", 3, ATTRIBUTES),
]);
static SPAN: Message = message(&[
    field("traceId", 1, Kind::Hex),
    field("spanId", 2, Kind::Hex),
    field("traceState", 3, Kind::Text),
    field("parentSpanId", 4, Kind::Hex),
    field("name", 5, Kind::Text),
    field(
        "kind",
        6,
        Kind::Enum(&[
            ("SPAN_KIND_UNSPECIFIED", 0),
            ("SPAN_KIND_INTERNAL", 1),
            ("SPAN_KIND_SERVER", 2),
            ("SPAN_KIND_CLIENT", 3),
            ("SPAN_KIND_PRODUCER", 4),
            ("SPAN_KIND_CONSUMER", 5),
        ]),
    ),
    field("startTimeUnixNano", 7, Kind::Fixed64),
    field("endTimeUnixNano", 8, Kind::Fixed64),
    field("attributes", 9, ATTRIBUTES),
    field("events", 11, Kind::Messages(&EVENT)),
    field("status", 15, Kind::Message(&STATUS)),
]);
static LOG_RECORD: Message = message(&[
    field("timeUnixNano", 1, Kind::Fixed64),
    field("severityNumber", 2, Kind::Enum(&[])),
    field("severityText", 3, Kind::Text),
    field("body", 5, Kind::Message(&ANY_VALUE)),
    field("attributes", 6, ATTRIBUTES),
    field("droppedAttributesCount", 7, UINT32),
    field("flags", 8, Kind::Fixed32),
    field("traceId", 9, Kind::Hex),
    field("spanId", 10, Kind::Hex),
    field("observedTimeUnixNano", 11, Kind::Fixed64),
    field("eventName", 12, Kind::Text),
]);

static NOTHING: Message = message(&[]);

/// The levels of an `ExportTraceServiceRequest`.
pub static TRACES: [Part; 3] = [
    Part { head: "", message: &NOTHING, parts: "resourceSpans", record: &NOTHING },
    Part { head: "resource", message: &RESOURCE, parts: "scopeSpans", record: &NOTHING },
    Part { head: "scope", message: &SCOPE, parts: "spans", record: &SPAN },
];

/// The levels of an `ExportLogsServiceRequest`.
pub static LOGS: [Part; 3] = [
    Part { head: "", message: &NOTHING, parts: "resourceLogs", record: &NOTHING },
    Part { head: "resource", message: &RESOURCE, parts: "scopeLogs", record: &NOTHING },
    Part { head: "scope", message: &SCOPE, parts: "logRecords", record: &LOG_RECORD },
];
