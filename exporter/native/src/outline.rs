//! Where the records of a request are, before any of them is read.

use std::ops::Range;

use crate::wire::{Content, Fields, Odd, Part};

/// Bytes for each group, scope and record, at least, and how many there may be in the smallest body.
/// What is sent in earnest has more of them; a body of little else would take many times its size.
const PART_BYTES: usize = 16;
const FREE_PARTS: usize = 4_096;

/// `ResourceSpans` or `ResourceLogs`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Group {
    pub resource: Option<Part>,
    pub scopes: Range<usize>,
}

/// `ScopeSpans` or `ScopeLogs`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Scope {
    pub scope: Option<Part>,
    pub records: Range<usize>,
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slot {
    /// In protobuf.
    Raw(Part),
    /// In JSON, where that is not a plain record.
    Text(Part),
}

/// The groups of a request, each with its scopes, each with its records.
#[derive(Debug, PartialEq)]
pub struct Outline {
    pub groups: Vec<Group>,
    pub scopes: Vec<Scope>,
    pub records: Vec<Slot>,
    /// How many groups, scopes, records, events and attributes there may be.
    pub max_parts: usize,
    /// The same of groups, scopes and records only.
    most: usize,
}

impl Outline {
    /// The outline of a request of so many bytes, of which nothing is read.
    #[must_use]
    pub fn new(size: usize, max_parts: usize) -> Outline {
        let most = max_parts.min(FREE_PARTS + size / PART_BYTES);
        Outline { groups: Vec::new(), scopes: Vec::new(), records: Vec::new(), max_parts, most }
    }

    /// The outline of an `Export...ServiceRequest` in protobuf.
    pub fn of(body: &[u8], max_parts: usize) -> Result<Outline, Odd> {
        let mut outline = Outline::new(body.len(), max_parts);
        let mut groups = Fields::new(body, Part::new(0, body.len())?);
        while let Some(field) = groups.read()? {
            if let (1, Content::Bytes(part)) = (field.number, field.content) {
                let group = outline.group(body, part)?;
                outline.groups.push(group);
                outline.parts()?;
            }
        }
        Ok(outline)
    }

    /// How many parts there are so far; [`Odd`] where there are too many.
    pub fn parts(&self) -> Result<usize, Odd> {
        let parts = self.groups.len() + self.scopes.len() + self.records.len();
        if parts > self.most {
            Err(Odd)
        } else {
            Ok(parts)
        }
    }

    fn group(&mut self, body: &[u8], part: Part) -> Result<Group, Odd> {
        let first = self.scopes.len();
        let mut resource = None;
        let mut fields = Fields::new(body, part);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Bytes(part)) => once(&mut resource, part)?,
                (2, Content::Bytes(part)) => {
                    let scope = self.scope(body, part)?;
                    self.scopes.push(scope);
                    self.parts()?;
                }
                _ => (),
            }
        }
        Ok(Group { resource, scopes: first..self.scopes.len() })
    }

    fn scope(&mut self, body: &[u8], part: Part) -> Result<Scope, Odd> {
        let first = self.records.len();
        let mut scope = None;
        let mut fields = Fields::new(body, part);
        while let Some(field) = fields.read()? {
            match (field.number, field.content) {
                (1, Content::Bytes(part)) => once(&mut scope, part)?,
                (2, Content::Bytes(part)) => {
                    self.records.push(Slot::Raw(part));
                    self.parts()?;
                }
                _ => (),
            }
        }
        Ok(Scope { scope, records: first..self.records.len() })
    }
}

/// Take a message that may be sent once: pieces of one would have to be merged.
pub fn once<T>(place: &mut Option<T>, found: T) -> Result<(), Odd> {
    match place.replace(found) {
        None => Ok(()),
        Some(_) => Err(Odd),
    }
}
