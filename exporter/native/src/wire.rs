//! Protobuf's wire format: what every emitter writes. All else is [`Odd`], for Python's protobuf to judge.

/// Not read here: malformed, or well-formed in a way that nobody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd;

/// Of a tag and of a length, however many zeros they hold: protobuf's own parsers take no more.
const MAX_SIZE_BYTES: usize = 5;

/// A place in a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    start: u32,
    end: u32,
}

impl Part {
    /// The place from `start` to before `end`; [`Odd`] beyond 4 GiB.
    pub fn new(start: usize, end: usize) -> Result<Part, Odd> {
        Ok(Part { start: u32::try_from(start).map_err(|_| Odd)?, end: u32::try_from(end).map_err(|_| Odd)? })
    }

    /// The bytes there; none where `body` is not the one that it is a place of.
    #[must_use]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(Part),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    pub number: u32,
    pub content: Content,
    /// The field as it stands, tag included.
    pub whole: Part,
}

/// The fields of a message, in the order in which they stand.
pub struct Fields<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the message at `part` of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], part: Part) -> Fields<'a> {
        let end = (part.end as usize).min(body.len());
        Fields { body: body.get(..end).unwrap_or_default(), at: part.start as usize }
    }

    /// The next field; None at the end.
    pub fn read(&mut self) -> Result<Option<Field>, Odd> {
        if self.at >= self.body.len() {
            return Ok(None);
        }
        let start = self.at;
        let tag = u32::try_from(self.varint()?).map_err(|_| Odd)?;
        if self.at - start > MAX_SIZE_BYTES || tag >> 3 == 0 {
            return Err(Odd);
        }
        let content = match tag & 7 {
            0 => Content::Varint(self.varint()?),
            1 => Content::Fixed64(self.fixed64()?),
            2 => {
                let before = self.at;
                let size = usize::try_from(self.varint()?).map_err(|_| Odd)?;
                if self.at - before > MAX_SIZE_BYTES {
                    return Err(Odd);
                }
                Content::Bytes(self.take(size)?)
            }
            5 => {
                self.take(4)?;
                Content::Fixed32
            }
            _ => return Err(Odd),
        };
        Ok(Some(Field { number: tag >> 3, content, whole: Part::new(start, self.at)? }))
    }

    fn take(&mut self, size: usize) -> Result<Part, Odd> {
        let end = self.at.checked_add(size).filter(|&end| end <= self.body.len()).ok_or(Odd)?;
        let part = Part::new(self.at, end)?;
        self.at = end;
        Ok(part)
    }

    fn fixed64(&mut self) -> Result<u64, Odd> {
        let part = self.take(8)?;
        Ok(u64::from_le_bytes(part.of(self.body).try_into().map_err(|_| Odd)?))
    }

    fn varint(&mut self) -> Result<u64, Odd> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.body.get(self.at).ok_or(Odd)?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                return Err(Odd);
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Odd)
    }
}

/// Append a varint.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7F {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Append a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_varint(out, u64::from(number << 3 | 2));
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn fields(body: &[u8]) -> Result<Vec<(u32, Content)>, Odd> {
        let mut read = Fields::new(body, Part::new(0, body.len())?);
        let mut found = Vec::new();
        while let Some(field) = read.read()? {
            found.push((field.number, field.content));
        }
        Ok(found)
    }

    #[test]
    fn reads_each_kind() {
        let body = [0x08, 0x96, 0x01, 0x12, 0x01, b'a', 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0];
        let part = Part { start: 5, end: 6 };
        let expected = vec![
            (1, Content::Varint(150)),
            (2, Content::Bytes(part)),
            (3, Content::Fixed64(1)),
            (4, Content::Fixed32),
        ];
        assert_eq!(fields(&body), Ok(expected));
        assert_eq!(part.of(&body), b"a");
    }

    #[test]
    fn every_cut_is_odd_or_shorter() {
        let body = [0x08, 0x96, 0x01, 0x12, 0x01, b'a', 0x19, 1, 0, 0, 0, 0, 0, 0, 0];
        for end in 0..body.len() {
            assert_eq!(fields(&body[..end]).is_ok(), [0, 3, 6].contains(&end), "{end}");
        }
    }

    #[test]
    fn odd_tags_lengths_and_varints() {
        let odd: [&[u8]; 7] = [
            &[0x00, 0x00],
            &[0x0B, 0x0C],
            &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            &[0x0A, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, b'a'],
            &[0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00],
            &[0x0F],
        ];
        for body in odd {
            assert_eq!(fields(body), Err(Odd), "{body:?}");
        }
    }

    #[test]
    fn varints_come_back() {
        for number in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
            let mut body = vec![0x08];
            put_varint(&mut body, number);
            assert_eq!(fields(&body), Ok(vec![(1, Content::Varint(number))]));
        }
    }
}
