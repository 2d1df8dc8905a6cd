//! Records of a request to places in its bytes: what they say, before there is any Python object.

use std::collections::HashMap;
use std::ops::Range;

use blake2b_simd::Params;

use crate::outline::{once, Outline, Slot};
use crate::wire::{put_bytes, put_varint, Content, Fields, Odd, Part};

/// Nesting of arrays and maps in one value: `otlp/limits.py: MAX_DEPTH`.
pub const MAX_DEPTH: u32 = 32;
const MAX_NS: u64 = i64::MAX as u64;

/// What is known of an attribute's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nobody reads it.
    Unread,
    /// Somebody does: its number.
    Read(u32),
}

/// The keys that were asked for before.
pub type Names = HashMap<Box<[u8]>, Known>;

/// Which key an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// One of [`Names`], by its number.
    Known(u32),
    /// One of [`Scan::new_keys`], by its place there: whether it is read is yet to be asked.
    New(u32),
}

/// An attribute that may be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub key: Key,
    /// Its `AnyValue`, found sound.
    pub value: Part,
}

/// Places of the attributes of one message in [`Scan::pairs`].
pub type Pairs = Range<u32>;

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: Part,
    pub time_ns: u64,
    pub pairs: Pairs,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    pub raw: Part,
    pub trace_id: Part,
    pub span_id: Part,
    /// Empty for a root.
    pub parent_id: Part,
    pub trace_state: Part,
    pub name: Part,
    pub message: Part,
    pub start_ns: u64,
    pub end_ns: u64,
    pub kind: u8,
    pub code: u8,
    pub pairs: Pairs,
    pub events: Range<u32>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    pub time_ns: u64,
    pub severity: i32,
    /// Its `AnyValue`, found sound; empty where it has none.
    pub body: Part,
    pub trace_id: Part,
    pub span_id: Part,
    pub event_name: Part,
    pub pairs: Pairs,
    pub fingerprint: [u8; 16],
}

/// A record, found plain or left to Python.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// A place in [`Scan::spans`] or [`Scan::logs`].
    Plain(u32),
    /// Protobuf that Python's reader must judge.
    Odd(Part),
    /// JSON that it must.
    OddText(Part),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    pub name: Part,
    pub version: Part,
    pub pairs: Pairs,
    /// Places in [`Scan::records`].
    pub records: Range<u32>,
    /// What resource and name are known by together; of logs only.
    pub identity: [u8; 32],
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    pub pairs: Pairs,
    /// Places in [`Scan::scopes`].
    pub scopes: Range<u32>,
}

/// A request, read but for Python's objects.
#[derive(Debug, Default)]
pub struct Scan {
    pub groups: Vec<Group>,
    pub scopes: Vec<Scope>,
    pub records: Vec<Found>,
    pub spans: Vec<Span>,
    pub logs: Vec<Log>,
    pub events: Vec<Event>,
    pub pairs: Vec<Pair>,
    pub new_keys: Vec<Part>,
    /// How many parts were counted; of odd records themselves only.
    pub parts: usize,
}

impl Scan {
    /// A scope by its place in its group.
    #[must_use]
    pub fn scope(&self, group: &Group, at: usize) -> Option<&Scope> {
        self.scopes.get(group.scopes.start as usize..group.scopes.end as usize)?.get(at)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
}

/// Read the records of `outline`, whose places are in `body`.
///
/// [`Odd`] where a resource or scope is, or where there are too many parts: the request is then
/// Python's as a whole.
pub fn scan(body: &[u8], outline: &Outline, signal: Signal, names: &Names) -> Result<Scan, Odd> {
    let parts = outline.parts()?;
    let out = Scan { parts, ..Scan::default() };
    let mut scanner = Scanner { body, names, new: HashMap::new(), max_parts: outline.max_parts, out };
    for group in &outline.groups {
        let resource = group.resource;
        let pairs = scanner.attributes_of(resource, 1)?;
        let mut hash = Params::new().hash_length(32).to_state();
        if let (Signal::Logs, Some(part)) = (signal, resource) {
            hash.update(&resource_as_written(body, part)?);
        }
        let first_scope = place(scanner.out.scopes.len())?;
        for scope in outline.scopes.get(group.scopes.clone()).unwrap_or_default() {
            let mut found = scanner.scope(scope.scope)?;
            let mut named = hash.clone();
            named.update(found.name.of(body));
            named.finalize().as_bytes().iter().zip(&mut found.identity).for_each(|(from, to)| *to = *from);
            let first = place(scanner.out.records.len())?;
            for slot in outline.records.get(scope.records.clone()).unwrap_or_default() {
                let record = match *slot {
                    Slot::Text(part) => Found::OddText(part),
                    Slot::Raw(part) => scanner.record(part, signal, &found.identity)?,
                };
                scanner.out.records.push(record);
            }
            found.records = first..place(scanner.out.records.len())?;
            scanner.out.scopes.push(found);
        }
        let scopes = first_scope..place(scanner.out.scopes.len())?;
        scanner.out.groups.push(Group { pairs, scopes });
    }
    Ok(scanner.out)
}

struct Scanner<'a> {
    body: &'a [u8],
    names: &'a Names,
    /// Keys that nobody was asked about -> their places in `new_keys`.
    new: HashMap<&'a [u8], u32>,
    max_parts: usize,
    out: Scan,
}

impl<'a> Scanner<'a> {
    fn record(&mut self, part: Part, signal: Signal, identity: &[u8; 32]) -> Result<Found, Odd> {
        let before = (self.out.pairs.len(), self.out.events.len(), self.out.parts);
        let found = match signal {
            Signal::Traces => self.span(part).map(|span| {
                self.out.spans.push(span);
                self.out.spans.len()
            }),
            Signal::Logs => self.log(part, identity).map(|log| {
                self.out.logs.push(log);
                self.out.logs.len()
            }),
        };
        if self.out.parts > self.max_parts {
            return Err(Odd);
        }
        let Ok(number) = found else {
            self.out.pairs.truncate(before.0);
            self.out.events.truncate(before.1);
            self.out.parts = before.2;
            return Ok(Found::Odd(part));
        };
        Ok(Found::Plain(place(number)?.saturating_sub(1)))
    }

    fn span(&mut self, raw: Part) -> Result<Span, Odd> {
        let mut span = Span { raw, ..Span::default() };
        let mut status = None;
        let first = place(self.out.pairs.len())?;
        let mut fields = Fields::new(self.body, raw);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Bytes(part)) => span.trace_id = part,
                (2, Content::Bytes(part)) => span.span_id = part,
                (3, Content::Bytes(part)) => span.trace_state = part,
                (4, Content::Bytes(part)) => span.parent_id = part,
                (5, Content::Bytes(part)) => span.name = part,
                (6, Content::Varint(number)) => span.kind = small(number, 5),
                (7, Content::Fixed64(ns)) => span.start_ns = ns,
                (8, Content::Fixed64(ns)) => span.end_ns = ns,
                (9, Content::Bytes(part)) => self.pair(part)?,
                (15, Content::Bytes(part)) => once(&mut status, part)?,
                _ => (),
            }
        }
        span.pairs = first..place(self.out.pairs.len())?;
        let is_sound = is_id(span.trace_id.of(self.body), 16)
            && is_id(span.span_id.of(self.body), 8)
            && (span.parent_id.is_empty() || span.parent_id.len() == 8)
            && (1..=MAX_NS).contains(&span.start_ns)
            && span.end_ns <= MAX_NS;
        if !is_sound {
            return Err(Odd);
        }
        if !is_id(span.parent_id.of(self.body), 8) {
            span.parent_id = Part::default();
        }
        if let Some(part) = status {
            (span.message, span.code) = self.status(part)?;
        }
        span.events = self.events(raw)?;
        Ok(span)
    }

    fn status(&self, part: Part) -> Result<(Part, u8), Odd> {
        let (mut message, mut code) = (Part::default(), 0);
        let mut fields = Fields::new(self.body, part);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (2, Content::Bytes(part)) => message = part,
                (3, Content::Varint(number)) => code = small(number, 2),
                _ => (),
            }
        }
        Ok((message, code))
    }

    /// The events of a span: after its attributes, so that those of each message stand together.
    fn events(&mut self, span: Part) -> Result<Range<u32>, Odd> {
        let first = place(self.out.events.len())?;
        let mut fields = Fields::new(self.body, span);
        while let Some(field) = fields.read()? {
            if let (11, Content::Bytes(part)) = (field.number, field.content) {
                self.count()?;
                let event = self.event(part)?;
                self.out.events.push(event);
            }
        }
        Ok(first..place(self.out.events.len())?)
    }

    fn event(&mut self, part: Part) -> Result<Event, Odd> {
        let (mut name, mut time_ns) = (Part::default(), 0);
        let first = place(self.out.pairs.len())?;
        let mut fields = Fields::new(self.body, part);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Fixed64(ns)) => time_ns = ns.min(MAX_NS),
                (2, Content::Bytes(part)) => name = part,
                (3, Content::Bytes(part)) => self.pair(part)?,
                _ => (),
            }
        }
        Ok(Event { name, time_ns, pairs: first..place(self.out.pairs.len())? })
    }

    fn log(&mut self, raw: Part, identity: &[u8; 32]) -> Result<Log, Odd> {
        let mut log = Log::default();
        let (mut body, mut observed_ns) = (None, 0);
        let first = place(self.out.pairs.len())?;
        let mut fields = Fields::new(self.body, raw);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Fixed64(ns)) => log.time_ns = ns,
                (2, Content::Varint(number)) => log.severity = number as u32 as i32,
                (5, Content::Bytes(part)) => once(&mut body, part)?,
                (6, Content::Bytes(part)) => self.pair(part)?,
                (9, Content::Bytes(part)) => log.trace_id = part,
                (10, Content::Bytes(part)) => log.span_id = part,
                (11, Content::Fixed64(ns)) => observed_ns = ns,
                (12, Content::Bytes(part)) => log.event_name = part,
                _ => (),
            }
        }
        log.pairs = first..place(self.out.pairs.len())?;
        log.body = body.unwrap_or_default();
        check_value(self.body, log.body, 0)?;
        if log.time_ns == 0 {
            log.time_ns = observed_ns;
        }
        if log.time_ns > MAX_NS {
            return Err(Odd);
        }
        if !is_id(log.trace_id.of(self.body), 16) {
            log.trace_id = Part::default();
        }
        if !is_id(log.span_id.of(self.body), 8) {
            log.span_id = Part::default();
        }
        let hash = Params::new().hash_length(16).key(identity).hash(raw.of(self.body));
        hash.as_bytes().iter().zip(&mut log.fingerprint).for_each(|(from, to)| *to = *from);
        Ok(log)
    }

    fn scope(&mut self, scope: Option<Part>) -> Result<Scope, Odd> {
        let mut found = Scope::default();
        let Some(part) = scope else { return Ok(found) };
        let mut fields = Fields::new(self.body, part);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Bytes(part)) => found.name = part,
                (2, Content::Bytes(part)) => found.version = part,
                _ => (),
            }
        }
        found.pairs = self.attributes_of(Some(part), 3)?;
        Ok(found)
    }

    /// The attributes of a resource or scope.
    fn attributes_of(&mut self, message: Option<Part>, number: u32) -> Result<Pairs, Odd> {
        let first = place(self.out.pairs.len())?;
        let mut fields = Fields::new(self.body, message.unwrap_or_default());
        while let Some(field) = fields.read()? {
            match field.content {
                Content::Bytes(part) if field.number == number => self.pair(part)?,
                _ => (),
            }
        }
        Ok(first..place(self.out.pairs.len())?)
    }

    fn count(&mut self) -> Result<(), Odd> {
        self.out.parts += 1;
        if self.out.parts > self.max_parts {
            Err(Odd)
        } else {
            Ok(())
        }
    }

    fn pair(&mut self, part: Part) -> Result<(), Odd> {
        self.count()?;
        let body = self.body;
        let (key, value) = key_and_value(body, part)?;
        let name = key.of(body);
        let key = match self.names.get(name) {
            Some(Known::Unread) => return Ok(()),
            Some(Known::Read(number)) => Key::Known(*number),
            None => Key::New(self.new_key(name, key)?),
        };
        check_value(body, value, 0)?;
        self.out.pairs.push(Pair { key, value });
        Ok(())
    }

    fn new_key(&mut self, name: &'a [u8], part: Part) -> Result<u32, Odd> {
        let next = place(self.out.new_keys.len())?;
        let number = *self.new.entry(name).or_insert(next);
        if number == next {
            self.out.new_keys.push(part);
        }
        Ok(number)
    }
}

fn place(length: usize) -> Result<u32, Odd> {
    u32::try_from(length).map_err(|_| Odd)
}

/// An int32 on the wire that stands for one of few things; 0 for all that it cannot be.
fn small(number: u64, most: u8) -> u8 {
    u8::try_from(number as u32).ok().filter(|&number| number <= most).unwrap_or(0)
}

fn is_id(id: &[u8], size: usize) -> bool {
    id.len() == size && id.iter().any(|&byte| byte != 0)
}

/// Key and value of an attribute that has one of each.
fn key_and_value(body: &[u8], part: Part) -> Result<(Part, Part), Odd> {
    let (key, value) = entry(body, part)?;
    Ok((key.ok_or(Odd)?, value.ok_or(Odd)?))
}

/// Key and value of an entry of a map, as far as it has them.
pub fn entry(body: &[u8], part: Part) -> Result<(Option<Part>, Option<Part>), Odd> {
    let (mut key, mut value) = (None, None);
    let mut fields = Fields::new(body, part);
    while let Some(field) = fields.read()? {
        match (field.number, field.content) {
            (1, Content::Bytes(part)) => once(&mut key, part)?,
            (2, Content::Bytes(part)) => once(&mut value, part)?,
            _ => (),
        }
    }
    Ok((key, value))
}

/// The one field of an `AnyValue`; None of an empty one, [`Odd`] where there are more.
pub fn only_field(body: &[u8], value: Part) -> Result<Option<(u32, Content)>, Odd> {
    let Some(field) = Fields::new(body, value).read()? else { return Ok(None) };
    if field.whole.len() == value.len() {
        Ok(Some((field.number, field.content)))
    } else {
        Err(Odd)
    }
}

/// Whether a value is sound to its last part.
fn check_value(body: &[u8], value: Part, depth: u32) -> Result<(), Odd> {
    match only_field(body, value)? {
        None
        | Some((1 | 7, Content::Bytes(_)) | (2 | 3 | 8, Content::Varint(_)) | (4, Content::Fixed64(_))) => {
            Ok(())
        }
        Some((number @ (5 | 6), Content::Bytes(values))) if depth < MAX_DEPTH => {
            let mut fields = Fields::new(body, values);
            while let Some(field) = fields.read()? {
                let (1, Content::Bytes(part)) = (field.number, field.content) else { continue };
                let inner = if number == 5 { Some(part) } else { entry(body, part)?.1 };
                check_value(body, inner.unwrap_or_default(), depth + 1)?;
            }
            Ok(())
        }
        Some(_) => Err(Odd),
    }
}

/// A `Resource` as protobuf writes the private types of `otlp/wire.py`: all keys, all values, the rest.
fn resource_as_written(body: &[u8], resource: Part) -> Result<Vec<u8>, Odd> {
    let (mut keys, mut values, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut has_attributes = false;
    let mut fields = Fields::new(body, resource);
    while let Some(field) = fields.read()? {
        let (1, Content::Bytes(part)) = (field.number, field.content) else {
            rest.extend_from_slice(field.whole.of(body));
            continue;
        };
        has_attributes = true;
        let (key, value) = key_and_value(body, part)?;
        let before = keys.len() + values.len();
        put_bytes(&mut keys, 1, key.of(body));
        put_bytes(&mut values, 2, value.of(body));
        // What else an attribute has, or a length that takes more bytes than it needs.
        if keys.len() + values.len() - before != part.len() {
            return Err(Odd);
        }
    }
    let mut out = Vec::new();
    if has_attributes {
        put_varint(&mut out, 1 << 3 | 2);
        put_varint(&mut out, (keys.len() + values.len()) as u64);
        out.append(&mut keys);
        out.append(&mut values);
    }
    out.append(&mut rest);
    Ok(out)
}
