//! OTLP/JSON to the protobuf that says the same, by tables of `opentelemetry-proto`'s fields.
//!
//! What is not plain is not read here: JSON that is none by RFC 8259 is Python's as a whole, a record
//! with a member that is not what it should be is Python's as the text that it is.

use crate::lexer::{Fault, Lexer, Token};
use crate::messages::{Field, Kind, Message, Part as Level, LOGS, TRACES};
use crate::outline::{once, Group, Outline, Scope, Slot};
use crate::scan::{Signal, MAX_DEPTH};
use crate::wire::{put_varint, Odd, Part};

/// `otlp/limits.py`: braces, brackets and commas outside of texts.
const MAX_MARKS: usize = 4_000_000;
const MAX_MARKS_OF_MEMBER: usize = MAX_MARKS / 10;
const MARK_BYTES: usize = 5;
const FREE_MARKS: usize = 20_000;
/// More than any message has.
const MAX_FIELDS: usize = 16;

impl From<Odd> for Fault {
    fn from(_: Odd) -> Fault {
        Fault::Text
    }
}

/// A request in JSON as protobuf, and where in that its records are.
pub fn convert(text: &[u8], signal: Signal, max_parts: usize) -> Result<(Vec<u8>, Outline), Odd> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").map_or(text, |rest| rest);
    let levels = match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
    };
    let limit = MAX_MARKS.min(FREE_MARKS + text.len() / MARK_BYTES);
    let lexer = Lexer::new(std::str::from_utf8(text).map_err(|_| Odd)?, limit);
    let mut writer = Writer { lexer, out: Vec::new(), outline: Outline::new(text.len(), max_parts) };
    writer.request(levels).map_err(|_| Odd)?;
    Ok((writer.out, writer.outline))
}

struct Writer<'a> {
    lexer: Lexer<'a>,
    out: Vec<u8>,
    outline: Outline,
}

impl Writer<'_> {
    fn request(&mut self, levels: &[Level; 3]) -> Result<(), Fault> {
        let [request, group, scope] = levels;
        self.level(request, &mut |this| {
            let first = this.outline.scopes.len();
            let resource = this.level(group, &mut |this| {
                let first = this.outline.records.len();
                let head = this.level(scope, &mut |this| this.record(scope.record))?;
                let records = first..this.outline.records.len();
                this.outline.scopes.push(Scope { scope: head, records });
                this.outline.parts()?;
                Ok(())
            })?;
            let scopes = first..this.outline.scopes.len();
            this.outline.groups.push(Group { resource, scopes });
            this.outline.parts()?;
            Ok(())
        })?;
        self.lexer.end()
    }

    /// An object with one message and a list of parts, each read by `read`; the message.
    fn level(
        &mut self,
        level: &Level,
        read: &mut dyn FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<Option<Part>, Fault> {
        let (mut head, mut parts) = (None, None);
        self.lexer.begin(b'{')?;
        while let Some(name) = self.lexer.name()? {
            if name == level.head.as_bytes() && !name.is_empty() {
                let part = self.head(level.message)?;
                once(&mut head, part)?;
            } else if name == level.parts.as_bytes() {
                once(&mut parts, ())?;
                if self.lexer.null()? {
                    continue;
                }
                self.lexer.begin(b'[')?;
                while self.lexer.item()? {
                    read(self)?;
                }
            } else {
                self.lexer.skip()?;
            }
        }
        Ok(head.flatten())
    }

    fn head(&mut self, message: &Message) -> Result<Option<Part>, Fault> {
        if self.lexer.null()? {
            return Ok(None);
        }
        let (start, marks) = (self.out.len(), self.lexer.marks);
        self.message(message, 0)?;
        self.bounded(marks)?;
        Ok(Some(Part::new(start, self.out.len())?))
    }

    fn record(&mut self, message: &Message) -> Result<(), Fault> {
        self.lexer.has_long_number = false;
        let (start, before) = (self.out.len(), self.lexer.state());
        let found = self.message(message, 0).and_then(|()| self.bounded(before.marks));
        let slot = match found {
            Ok(()) => Slot::Raw(Part::new(start, self.out.len())?),
            Err(Fault::Text) => return Err(Fault::Text),
            Err(Fault::Member) => {
                self.out.truncate(start);
                let at = self.lexer.rewind(before);
                self.lexer.skip()?;
                self.bounded(before.marks)?;
                Slot::Text(Part::new(at, self.lexer.state().at)?)
            }
        };
        self.outline.records.push(slot);
        self.outline.parts()?;
        Ok(())
    }

    /// Whether a member was not too much, given the marks before it.
    fn bounded(&mut self, before: usize) -> Result<(), Fault> {
        if self.lexer.marks - before > MAX_MARKS_OF_MEMBER {
            Err(Fault::Text)
        } else {
            Ok(())
        }
    }

    /// An object as a message, its fields in the order of their numbers.
    fn message(&mut self, message: &Message, depth: u32) -> Result<(), Fault> {
        let mut starts = [(0_u32, 0_usize); MAX_FIELDS];
        let mut count = 0;
        let first = self.out.len();
        self.lexer.begin(b'{')?;
        while let Some(name) = self.lexer.name()? {
            let Some(field) = message.fields.iter().find(|field| field.name.as_bytes() == name) else {
                self.lexer.skip()?;
                continue;
            };
            if self.lexer.null()? {
                continue;
            }
            let written = starts.get(..count).unwrap_or_default();
            if written.iter().any(|(number, _)| *number == field.number) || (message.is_choice && count > 0) {
                return Err(Fault::Member);
            }
            *starts.get_mut(count).ok_or(Fault::Member)? = (field.number, self.out.len());
            count += 1;
            self.field(field, message.is_choice, depth)?;
        }
        if self.lexer.has_long_number {
            return Err(Fault::Member);
        }
        self.sort(first, starts.get_mut(..count).unwrap_or_default());
        Ok(())
    }

    /// Put the fields that begin at `starts` into the order of their numbers.
    fn sort(&mut self, first: usize, starts: &mut [(u32, usize)]) {
        if starts.is_sorted() {
            return;
        }
        let written = self.out.split_off(first);
        let mut ends: Vec<usize> = starts.iter().skip(1).map(|(_, start)| *start).collect();
        ends.push(first + written.len());
        let mut places: Vec<_> = starts.iter().zip(ends).collect();
        places.sort_unstable();
        for ((_, start), end) in places {
            self.out.extend_from_slice(written.get(start - first..end - first).unwrap_or_default());
        }
    }

    fn field(&mut self, field: &Field, is_choice: bool, depth: u32) -> Result<(), Fault> {
        let start = self.out.len();
        let tag = |wire: u32| u64::from(field.number << 3 | wire);
        let is_default = match field.kind {
            Kind::Message(message) => {
                self.sized(tag(2), |this| this.message(message, depth))?;
                false
            }
            Kind::Nested(message) => {
                if depth >= MAX_DEPTH {
                    return Err(Fault::Member);
                }
                self.sized(tag(2), |this| this.message(message, depth + 1))?;
                false
            }
            Kind::Messages(message) => {
                self.lexer.begin(b'[')?;
                while self.lexer.item()? {
                    self.sized(tag(2), |this| {
                        if this.lexer.null()? {
                            Ok(())
                        } else {
                            this.message(message, depth)
                        }
                    })?;
                }
                false
            }
            Kind::Text => {
                let text = self.lexer.string()?;
                self.sized(tag(2), |this| text.write(&mut this.out))?;
                text.is_empty()
            }
            Kind::Hex => {
                let text = self.lexer.string()?.plain()?;
                self.sized(tag(2), |this| unhex(text, &mut this.out))?;
                text.is_empty()
            }
            Kind::Bool => {
                let value = self.lexer.boolean()?;
                put_varint(&mut self.out, tag(0));
                self.out.push(u8::from(value));
                !value
            }
            Kind::Double => {
                let number = self.double()?;
                put_varint(&mut self.out, tag(1));
                self.out.extend_from_slice(&number.to_le_bytes());
                number.to_bits() == 0
            }
            Kind::Int(least, most) => {
                let number = self.integer(&[], least, most)?;
                put_varint(&mut self.out, tag(0));
                put_varint(&mut self.out, number as u64);
                number == 0
            }
            Kind::Enum(names) => {
                let number = self.integer(names, i32::MIN.into(), i32::MAX.into())?;
                put_varint(&mut self.out, tag(0));
                put_varint(&mut self.out, number as u64);
                number == 0
            }
            Kind::Fixed64 => {
                let number = self.integer(&[], 0, u64::MAX.into())?;
                put_varint(&mut self.out, tag(1));
                self.out.extend_from_slice(&(number as u64).to_le_bytes());
                number == 0
            }
            Kind::Fixed32 => {
                let number = self.integer(&[], 0, u32::MAX.into())?;
                put_varint(&mut self.out, tag(5));
                self.out.extend_from_slice(&(number as u32).to_le_bytes());
                number == 0
            }
            Kind::Other => return Err(Fault::Member),
        };
        // Outside of a choice, what has its default is left out.
        if is_default && !is_choice {
            self.out.truncate(start);
        }
        Ok(())
    }

    /// A length-delimited field with what `write` appends.
    fn sized(&mut self, tag: u64, write: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        put_varint(&mut self.out, tag);
        // Most contents are short: room for one byte of length, and for more once it is known.
        self.out.push(0);
        let start = self.out.len();
        write(self)?;
        let size = self.out.len() - start;
        if let (Ok(size @ 0..0x80), Some(length)) = (u8::try_from(size), self.out.get_mut(start - 1)) {
            *length = size;
            return Ok(());
        }
        let mut length = Vec::new();
        put_varint(&mut length, size as u64);
        self.out.splice(start - 1..start, length);
        Ok(())
    }

    fn integer(&mut self, names: &[(&str, i64)], least: i128, most: i128) -> Result<i128, Fault> {
        let number = match self.lexer.scalar()? {
            Token::Number(text) => {
                let is_zero = text.starts_with(b"-0");
                decimal(text).filter(|_| !is_zero)
            }
            Token::String(text) => {
                let text = text.plain()?;
                let named = names.iter().find(|(name, _)| name.as_bytes() == text);
                named.map_or_else(|| signed(text), |n| Some(n.1.into()))
            }
        };
        number.filter(|number| (least..=most).contains(number)).ok_or(Fault::Member)
    }

    fn double(&mut self) -> Result<f64, Fault> {
        let Token::Number(text) = self.lexer.scalar()? else { return Err(Fault::Member) };
        if text == b"-0" {
            return Err(Fault::Member);
        }
        let text = std::str::from_utf8(text).map_err(|_| Fault::Member)?;
        text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or(Fault::Member)
    }
}

/// A [`decimal`] that may have either sign.
fn signed(text: &[u8]) -> Option<i128> {
    match text.strip_prefix(b"+") {
        Some(digits) if digits.starts_with(b"-") => None,
        Some(digits) => decimal(digits),
        None => decimal(text),
    }
}

/// Up to twenty digits, which may be negative.
fn decimal(text: &[u8]) -> Option<i128> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unhex(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let digit = |byte: u8| (byte as char).to_digit(16).ok_or(Fault::Member);
    for pair in text.chunks(2) {
        let [high, low] = pair else { return Err(Fault::Member) };
        out.push((digit(*high)? << 4 | digit(*low)?) as u8);
    }
    Ok(())
}
