//! The module as Python sees it: places in a body become records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::scan::{
    entry, only_field, Event, Found, Key, Known, Log, Names, Pairs, Scan, Scope, Signal, Span,
};
use crate::wire::{Content, Fields, Odd, Part};

/// What is called and what is given back: `otlp/native.py` asks for the same.
const INTERFACE: u32 = 1;
const REMEMBERED_KEYS: usize = 8_192;
const REMEMBERED_KEY_BYTES: usize = 128;
const REMEMBERED_TEXTS: usize = 16_384;
const REMEMBERED_TEXT_BYTES: usize = 64;
/// Of names and status messages only the start tells anything: `otlp/decode.py`.
const NAME_BYTES: usize = 1_024;
const MESSAGE_BYTES: usize = 4_096;
const MAX_BODY_CHARS: usize = 200;

/// A key that is read.
struct Wanted {
    name: Py<PyString>,
    /// Whether its values are not to be remembered.
    is_fleeting: bool,
}

impl Wanted {
    fn share(&self, py: Python<'_>) -> Wanted {
        Wanted { name: self.name.clone_ref(py), is_fleeting: self.is_fleeting }
    }
}

/// Keys that were asked for before. Those that are read stay, so that their numbers hold.
#[derive(Default)]
struct Keys {
    known: Names,
    wanted: Arc<Vec<Wanted>>,
    unread: usize,
}

/// The records of Python.
struct Kinds {
    span: Py<PyAny>,
    event: Py<PyAny>,
    log: Py<PyAny>,
    resource: Py<PyAny>,
    scope: Py<PyAny>,
}

/// What is remembered of keys and short texts, for one choice of keys; safe for several threads.
#[pyclass(frozen, module = "llm_trace_exporter_native")]
struct Reader {
    keys: RwLock<Keys>,
    texts: Mutex<HashMap<Box<[u8]>, Py<PyString>>>,
    kinds: Kinds,
}

#[pymethods]
impl Reader {
    /// Remember nothing yet; takes the classes of `otlp/records.py`.
    #[new]
    fn new(
        span: Py<PyAny>,
        event: Py<PyAny>,
        log: Py<PyAny>,
        resource: Py<PyAny>,
        scope: Py<PyAny>,
    ) -> Reader {
        let kinds = Kinds { span, event, log, resource, scope };
        Reader { keys: RwLock::default(), texts: Mutex::default(), kinds }
    }

    /// How many keys and texts are remembered.
    #[getter]
    fn remembered(&self) -> (usize, usize) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).known.len();
        (keys, self.texts.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// The records of a request, one by one; None where it is not read here.
    ///
    /// Args: the request, which kind it is, whether a key is read, whether its values are not to be
    /// remembered, whether a span is given what it was decoded from, of which events bodies are read, and how
    /// many parts there may be.
    #[allow(clippy::too_many_arguments)]
    fn read(
        slf: Bound<'_, Self>,
        body: Bound<'_, PyBytes>,
        is_logs: bool,
        is_json: bool,
        keep: &Bound<'_, PyAny>,
        fleeting: Option<&Bound<'_, PyAny>>,
        keeps_wire: bool,
        bodies: Option<Py<PyAny>>,
        max_parts: usize,
    ) -> PyResult<Option<Records>> {
        let (py, reader) = (slf.py(), slf.get());
        let bytes = body.as_bytes();
        let signal = if is_logs { Signal::Logs } else { Signal::Traces };
        let found = py.detach(|| {
            let keys = reader.keys.read().unwrap_or_else(PoisonError::into_inner);
            let read = crate::read(bytes, is_json, signal, &keys.known, max_parts);
            read.map(|(converted, scan)| (converted, scan, Arc::clone(&keys.wanted)))
        });
        let Ok((converted, scan, wanted)) = found else { return Ok(None) };
        let read = converted.as_deref().unwrap_or(bytes);
        let new_keys = reader.ask(py, read, &scan.new_keys, keep, fleeting)?;
        Ok(Some(Records {
            request: body.unbind(),
            converted,
            scan,
            wanted,
            new_keys,
            keeps_wire,
            bodies,
            at: Place::default(),
            senders: None,
            reader: slf.unbind(),
        }))
    }
}

impl Reader {
    /// Ask about keys that nobody was asked about, and remember what is said.
    fn ask(
        &self,
        py: Python<'_>,
        body: &[u8],
        keys: &[Part],
        keep: &Bound<'_, PyAny>,
        fleeting: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Option<Wanted>>> {
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            let name = decoded(py, key.of(body))?;
            let is_read = !key.is_empty() && keep.call1((&name,))?.is_truthy()?;
            answers.push(if is_read {
                let is_fleeting = fleeting.map_or(Ok(false), |ask| ask.call1((&name,))?.is_truthy())?;
                Some(Wanted { name: name.unbind(), is_fleeting })
            } else {
                None
            });
        }
        if !answers.is_empty() {
            self.learn(py, body, keys, &answers);
        }
        Ok(answers)
    }

    fn learn(&self, py: Python<'_>, body: &[u8], keys: &[Part], answers: &[Option<Wanted>]) {
        // Readers hold this lock without Python's: they end without waiting for us.
        let mut guard = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *guard;
        let mut wanted: Vec<Wanted> = table.wanted.iter().map(|key| key.share(py)).collect();
        for (key, answer) in keys.iter().zip(answers) {
            let name = key.of(body);
            if name.len() > REMEMBERED_KEY_BYTES || table.known.contains_key(name) {
                continue;
            }
            match answer {
                Some(found) if wanted.len() < REMEMBERED_KEYS => {
                    let number = u32::try_from(wanted.len()).unwrap_or_default();
                    wanted.push(found.share(py));
                    table.known.insert(name.into(), Known::Read(number));
                }
                Some(_) => (),
                None => {
                    if table.unread >= REMEMBERED_KEYS {
                        table.known.retain(|_, known| *known != Known::Unread);
                        table.unread = 0;
                    }
                    table.unread += 1;
                    table.known.insert(name.into(), Known::Unread);
                }
            }
        }
        table.wanted = Arc::new(wanted);
    }

    /// A text; the same object as before where it is short.
    fn text<'py>(&self, py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if raw.len() > REMEMBERED_TEXT_BYTES {
            return decoded(py, raw);
        }
        // Never waited for: who holds this lock may be waiting for Python's.
        let known = match self.texts.try_lock() {
            Ok(texts) => texts.get(raw).map(|text| text.clone_ref(py)),
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => None,
        };
        if let Some(text) = known {
            return Ok(text.into_bound(py));
        }
        let text = decoded(py, raw)?;
        let mut before = HashMap::new();
        if let Ok(mut texts) = self.texts.try_lock() {
            if texts.len() >= REMEMBERED_TEXTS {
                std::mem::swap(&mut *texts, &mut before);
            }
            texts.insert(raw.into(), text.clone().unbind());
        }
        drop(before);
        Ok(text)
    }

    /// An `AnyValue` that was found sound.
    fn value<'py>(
        &self,
        py: Python<'py>,
        body: &[u8],
        value: Part,
        is_fleeting: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some((number, content)) = only_field(body, value).map_err(not_sound)? else {
            return Ok(py.None().into_bound(py));
        };
        Ok(match (number, content) {
            (1, Content::Bytes(part)) if is_fleeting => decoded(py, part.of(body))?.into_any(),
            (1, Content::Bytes(part)) => self.text(py, part.of(body))?.into_any(),
            (2, Content::Varint(number)) => PyBool::new(py, number != 0).to_owned().into_any(),
            (3, Content::Varint(number)) => PyInt::new(py, number as i64).into_any(),
            (4, Content::Fixed64(bits)) => PyFloat::new(py, f64::from_bits(bits)).into_any(),
            (7, Content::Bytes(part)) => PyBytes::new(py, part.of(body)).into_any(),
            (5, Content::Bytes(part)) => {
                let list = PyList::empty(py);
                let mut fields = Fields::new(body, part);
                while let Some(field) = fields.read().map_err(not_sound)? {
                    if let (1, Content::Bytes(part)) = (field.number, field.content) {
                        list.append(self.value(py, body, part, is_fleeting)?)?;
                    }
                }
                list.into_any()
            }
            (6, Content::Bytes(part)) => {
                let dict = PyDict::new(py);
                let mut fields = Fields::new(body, part);
                while let Some(field) = fields.read().map_err(not_sound)? {
                    if let (1, Content::Bytes(part)) = (field.number, field.content) {
                        let (key, value) = entry(body, part).map_err(not_sound)?;
                        let key = decoded(py, key.unwrap_or_default().of(body))?;
                        let value = self.value(py, body, value.unwrap_or_default(), is_fleeting)?;
                        dict.set_item(key, value)?;
                    }
                }
                dict.into_any()
            }
            _ => py.None().into_bound(py),
        })
    }
}

/// A string field; bytes that are not UTF-8 become U+FFFD.
fn decoded<'py>(py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(raw) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => PyString::from_encoded_object(&PyBytes::new(py, raw), Some(c"utf-8"), Some(c"replace")),
    }
}

fn not_sound(_: Odd) -> PyErr {
    PyRuntimeError::new_err("a value that was found sound is not")
}

/// How far the records of a request are taken.
#[derive(Default)]
struct Place {
    group: usize,
    scope: usize,
    record: usize,
}

/// The records of a request: spans or logs, and what is handed back of those that are not read here, as
/// (whether it is JSON, its bytes, resource, scope, identity, places of group, scope and record).
#[pyclass(module = "llm_trace_exporter_native")]
struct Records {
    request: Py<PyBytes>,
    converted: Option<Vec<u8>>,
    scan: Scan,
    wanted: Arc<Vec<Wanted>>,
    new_keys: Vec<Option<Wanted>>,
    keeps_wire: bool,
    bodies: Option<Py<PyAny>>,
    at: Place,
    /// Resource and scope of the records that are being taken.
    senders: Option<(Py<PyAny>, Option<Py<PyAny>>)>,
    reader: Py<Reader>,
}

#[pymethods]
impl Records {
    /// How many parts were counted; of what is handed back itself only.
    #[getter]
    fn parts(&self) -> usize {
        self.scan.parts
    }

    /// Whether any is handed back.
    #[getter]
    fn has_odd(&self) -> bool {
        self.scan.records.iter().any(|found| !matches!(found, Found::Plain(_)))
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        while let Some(group) = self.scan.groups.get(self.at.group) {
            let Some(scope) = self.scan.scope(group, self.at.scope) else {
                self.at = Place { group: self.at.group + 1, ..Place::default() };
                self.senders = None;
                continue;
            };
            if self.at.record >= scope.records.len() {
                self.at = Place { group: self.at.group, scope: self.at.scope + 1, record: 0 };
                if let Some(senders) = &mut self.senders {
                    senders.1 = None;
                }
                continue;
            }
            let record = self.record(py)?;
            self.at.record += 1;
            return Ok(record);
        }
        Ok(None)
    }
}

/// Makes Python's objects of a request's places.
struct Maker<'a, 'py> {
    py: Python<'py>,
    body: &'a [u8],
    records: &'a Records,
    reader: &'a Reader,
}

impl Records {
    fn record<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut senders = self.senders.take();
        let this = &*self;
        let body = this.converted.as_deref().unwrap_or_else(|| this.request.as_bytes(py));
        let maker = Maker { py, body, records: this, reader: this.reader.get() };
        let found = maker.record(&mut senders);
        self.senders = senders;
        found
    }
}

impl<'py> Maker<'_, 'py> {
    fn record(
        &self,
        senders: &mut Option<(Py<PyAny>, Option<Py<PyAny>>)>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, at, scan) = (self.py, &self.records.at, &self.records.scan);
        let Some(group) = scan.groups.get(at.group) else { return Ok(None) };
        let Some(scope) = scan.scope(group, at.scope) else { return Ok(None) };
        let Some(found) = scan.records.get(scope.records.start as usize + at.record) else { return Ok(None) };
        let (resource, sender) = if let Some(made) = senders {
            made
        } else {
            let attrs = self.attributes(&group.pairs)?;
            senders.insert((self.reader.kinds.resource.call1(py, (attrs,))?, None))
        };
        let sender = match sender {
            Some(made) => made,
            None => sender.insert(self.scope(scope)?),
        };
        let (resource, sender) = (resource.bind(py), sender.bind(py));
        let odd = |is_json: bool, raw: &[u8]| {
            let identity = PyBytes::new(py, &scope.identity);
            let odd =
                (is_json, PyBytes::new(py, raw), resource, sender, identity, at.group, at.scope, at.record);
            Ok(Some(odd.into_pyobject(py)?.into_any()))
        };
        match *found {
            Found::Odd(part) => odd(false, part.of(self.body)),
            Found::OddText(part) => {
                let body = self.records.request.as_bytes(py);
                odd(true, part.of(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)))
            }
            Found::Plain(number) => match (scan.spans.get(number as usize), scan.logs.get(number as usize)) {
                (Some(span), _) => self.span(span, resource, sender).map(Some),
                (None, Some(log)) => self.log(log, resource, sender).map(Some),
                (None, None) => Ok(None),
            },
        }
    }

    fn span(
        &self,
        span: &Span,
        resource: &Bound<'py, PyAny>,
        scope: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wire = if self.records.keeps_wire { span.raw } else { Part::default() };
        let items: [Bound<'py, PyAny>; 15] = [
            self.bytes(span.trace_id),
            self.bytes(span.span_id),
            self.bytes(span.parent_id),
            self.start_of(span.name, NAME_BYTES)?,
            PyInt::new(self.py, span.kind).into_any(),
            PyInt::new(self.py, span.start_ns).into_any(),
            PyInt::new(self.py, span.end_ns).into_any(),
            PyInt::new(self.py, span.code).into_any(),
            self.start_of(span.message, MESSAGE_BYTES)?,
            self.start_of(span.trace_state, NAME_BYTES)?,
            self.attributes(&span.pairs)?.into_any(),
            self.events(span)?.into_any(),
            resource.clone(),
            scope.clone(),
            self.bytes(wire),
        ];
        self.reader.kinds.span.bind(self.py).call1(PyTuple::new(self.py, items)?)
    }

    fn events(&self, span: &Span) -> PyResult<Bound<'py, PyTuple>> {
        let range = span.events.start as usize..span.events.end as usize;
        let events: &[Event] = self.records.scan.events.get(range).unwrap_or_default();
        let made: PyResult<Vec<_>> = events.iter().map(|event| self.event(event)).collect();
        PyTuple::new(self.py, made?)
    }

    fn event(&self, event: &Event) -> PyResult<Bound<'py, PyAny>> {
        let name = self.start_of(event.name, NAME_BYTES)?;
        let attrs = self.attributes(&event.pairs)?;
        self.reader.kinds.event.bind(self.py).call1((name, event.time_ns, attrs))
    }

    fn log(
        &self,
        log: &Log,
        resource: &Bound<'py, PyAny>,
        scope: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let attrs = self.attributes(&log.pairs)?;
        let event = self.start_of(log.event_name, NAME_BYTES)?;
        let mut content = py.None().into_bound(py);
        if let Some(bodies) = &self.records.bodies {
            let name = if log.event_name.is_empty() {
                attrs.get_item("event.name")?.unwrap_or_else(|| py.None().into_bound(py)).str()?.into_any()
            } else {
                event.clone()
            };
            if bodies.bind(py).contains(name)? {
                content = self.reader.value(py, self.body, log.body, true)?;
            }
        }
        let items: [Bound<'py, PyAny>; 11] = [
            PyInt::new(py, log.time_ns).into_any(),
            self.bytes(log.trace_id),
            self.bytes(log.span_id),
            event,
            PyInt::new(py, log.severity).into_any(),
            self.short_body(log.body)?,
            attrs.into_any(),
            resource.clone(),
            scope.clone(),
            PyBytes::new(py, &log.fingerprint).into_any(),
            content,
        ];
        self.reader.kinds.log.bind(py).call1(PyTuple::new(py, items)?)
    }

    /// The body of a log record where it is a short text, else an empty one.
    fn short_body(&self, body: Part) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(Some((1, Content::Bytes(part)))) = only_field(self.body, body) {
            // UTF-8 takes at most four bytes a character.
            if part.len() <= 4 * MAX_BODY_CHARS {
                let text = decoded(self.py, part.of(self.body))?;
                if text.len()? <= MAX_BODY_CHARS {
                    return Ok(text.into_any());
                }
            }
        }
        Ok(PyString::new(self.py, "").into_any())
    }

    fn scope(&self, scope: &Scope) -> PyResult<Py<PyAny>> {
        let (name, version) =
            (self.start_of(scope.name, NAME_BYTES)?, self.start_of(scope.version, NAME_BYTES)?);
        self.reader.kinds.scope.call1(self.py, (name, version, self.attributes(&scope.pairs)?))
    }

    /// The attributes that are read; of equal keys the last wins.
    fn attributes(&self, pairs: &Pairs) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(self.py);
        let pairs = self.records.scan.pairs.get(pairs.start as usize..pairs.end as usize).unwrap_or_default();
        for pair in pairs {
            let wanted = match pair.key {
                Key::Known(number) => self.records.wanted.get(number as usize),
                Key::New(number) => self.records.new_keys.get(number as usize).and_then(Option::as_ref),
            };
            if let Some(key) = wanted {
                let value = self.reader.value(self.py, self.body, pair.value, key.is_fleeting)?;
                found.set_item(key.name.bind(self.py), value)?;
            }
        }
        Ok(found)
    }

    fn bytes(&self, part: Part) -> Bound<'py, PyAny> {
        PyBytes::new(self.py, part.of(self.body)).into_any()
    }

    /// The text of at most so many bytes.
    fn start_of(&self, part: Part, most: usize) -> PyResult<Bound<'py, PyAny>> {
        let raw = part.of(self.body);
        let start = raw.get(..most).unwrap_or(raw);
        Ok(self.reader.text(self.py, start)?.into_any())
    }
}

#[pymodule]
fn llm_trace_exporter_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Reader>()?;
    module.add_class::<Records>()
}
