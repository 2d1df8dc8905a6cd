//! JSON by RFC 8259, read from left to right within its limits: nothing is built of what is passed over.

/// Nesting that is followed; Python's reader judges what is deeper.
const MAX_DEPTH: u32 = 192;
/// Python refuses to read numbers of very many digits, also where nobody asks for them.
const LONG_NUMBER: usize = 40;

/// Why something is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The document is no JSON, or too much.
    Text,
    /// A member is not what it should be.
    Member,
}

/// A text as it stands, and whether something in it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    raw: &'a [u8],
    is_escaped: bool,
}

/// A number as it stands, or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Number(&'a [u8]),
    String(Quoted<'a>),
}

/// Where a lexer is.
#[derive(Debug, Clone, Copy)]
pub struct State {
    pub at: usize,
    pub marks: usize,
    depth: u32,
    is_first: bool,
}

/// A document and how far it is read.
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// Whether an object or array has just begun.
    is_first: bool,
    /// Braces, brackets and commas so far.
    pub marks: usize,
    limit: usize,
    pub has_long_number: bool,
}

impl<'a> Lexer<'a> {
    /// A document that may hold so many marks.
    #[must_use]
    pub fn new(text: &'a str, limit: usize) -> Lexer<'a> {
        let text = text.as_bytes();
        Lexer { text, at: 0, depth: 0, is_first: false, marks: 0, limit, has_long_number: false }
    }

    #[must_use]
    pub fn state(&self) -> State {
        State { at: self.at, marks: self.marks, depth: self.depth, is_first: self.is_first }
    }

    /// Go back to a place, and say which it is.
    pub fn rewind(&mut self, to: State) -> usize {
        (self.at, self.marks, self.depth, self.is_first) = (to.at, to.marks, to.depth, to.is_first);
        self.space();
        self.at
    }

    /// Begin an object or an array.
    pub fn begin(&mut self, bracket: u8) -> Result<(), Fault> {
        self.space();
        if self.peek()? != bracket {
            return Err(Fault::Member);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Text);
        }
        self.is_first = true;
        self.mark()
    }

    /// The name of the next member of an object, whose value comes next; None at its end.
    pub fn name(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        if !self.next(b'}')? {
            return Ok(None);
        }
        let name = self.string()?;
        self.space();
        if self.peek()? != b':' {
            return Err(Fault::Text);
        }
        self.at += 1;
        // An escaped name may be any other: no emitter writes one.
        if name.is_escaped {
            Err(Fault::Member)
        } else {
            Ok(Some(name.raw))
        }
    }

    /// Whether another item of an array comes.
    pub fn item(&mut self) -> Result<bool, Fault> {
        self.next(b']')
    }

    /// Whether the value is null; it is then passed.
    pub fn null(&mut self) -> Result<bool, Fault> {
        self.space();
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word(b"null")?;
        Ok(true)
    }

    pub fn boolean(&mut self) -> Result<bool, Fault> {
        self.space();
        match self.peek()? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => Err(Fault::Member),
        }
    }

    /// A number or a text.
    pub fn scalar(&mut self) -> Result<Token<'a>, Fault> {
        self.space();
        match self.peek()? {
            b'"' => self.string().map(Token::String),
            b'-' | b'0'..=b'9' => {
                let number = self.number()?;
                if number.len() > LONG_NUMBER {
                    Err(Fault::Member)
                } else {
                    Ok(Token::Number(number))
                }
            }
            _ => Err(Fault::Member),
        }
    }

    pub fn string(&mut self) -> Result<Quoted<'a>, Fault> {
        self.space();
        if self.peek()? != b'"' {
            return Err(Fault::Member);
        }
        self.at += 1;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at += plain_bytes(self.text.get(self.at..).unwrap_or_default());
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    let (_, size) = escape(self.text.get(self.at..).unwrap_or_default())?;
                    self.at += size;
                }
                _ => return Err(Fault::Text),
            }
        }
        let raw = self.text.get(start..self.at).ok_or(Fault::Text)?;
        self.at += 1;
        Ok(Quoted { raw, is_escaped })
    }

    /// Pass over a value.
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.space();
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                self.begin(b'{')?;
                while self.next(b'}')? {
                    self.string().map_err(|_| Fault::Text)?;
                    self.space();
                    if self.peek()? != b':' {
                        return Err(Fault::Text);
                    }
                    self.at += 1;
                    self.skip()?;
                }
                Ok(())
            }
            b'[' => {
                self.begin(b'[')?;
                while self.next(b']')? {
                    self.skip()?;
                }
                Ok(())
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => {
                self.has_long_number |= self.number()?.len() > LONG_NUMBER;
                Ok(())
            }
        }
    }

    /// Whether nothing but space follows.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Fault::Text)
        }
    }

    /// Whether another part comes before `bracket`, which ends them.
    fn next(&mut self, bracket: u8) -> Result<bool, Fault> {
        self.space();
        let found = self.peek()?;
        if found == bracket {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
            self.is_first = false;
            return Ok(false);
        }
        if self.is_first {
            self.is_first = false;
            return Ok(true);
        }
        if found != b',' {
            return Err(Fault::Text);
        }
        self.mark()?;
        self.space();
        if self.peek()? == bracket {
            Err(Fault::Text)
        } else {
            Ok(true)
        }
    }

    /// Pass a brace, bracket or comma.
    fn mark(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.marks += 1;
        if self.marks > self.limit {
            Err(Fault::Text)
        } else {
            Ok(())
        }
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.text.get(self.at).copied().ok_or(Fault::Text)
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(Fault::Text);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at).ok_or(Fault::Text)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(Fault::Text)
        } else {
            Ok(())
        }
    }
}

impl<'a> Quoted<'a> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The text where nothing in it is escaped.
    pub fn plain(self) -> Result<&'a [u8], Fault> {
        if self.is_escaped {
            Err(Fault::Member)
        } else {
            Ok(self.raw)
        }
    }

    /// Append the text.
    pub fn write(self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut rest = self.raw;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
            let (before, escaped) = rest.split_at(at);
            out.extend_from_slice(before);
            let (character, size) = escape(escaped)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = escaped.get(size..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// How many bytes come before a quote, a backslash or a control character.
fn plain_bytes(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    const TOPS: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & TOPS;
    let mut at = 0;
    for chunk in text.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        if quote | backslash | below(word, 0x20) != 0 {
            break;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').unwrap_or(rest.len())
}

/// The character that an escape at the start of `text` stands for, and the bytes that it takes.
fn escape(text: &[u8]) -> Result<(char, usize), Fault> {
    let simple = |character| Ok((character, 2));
    match text.get(1).ok_or(Fault::Text)? {
        b'"' => simple('"'),
        b'\\' => simple('\\'),
        b'/' => simple('/'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'u' => {
            let first = unit(text)?;
            if !(0xD800..0xDC00).contains(&first) {
                // A low surrogate alone is no character.
                return Ok((char::from_u32(first).ok_or(Fault::Text)?, 6));
            }
            let rest = text.get(6..).unwrap_or_default();
            if !rest.starts_with(b"\\u") {
                return Err(Fault::Text);
            }
            let second = unit(rest)?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(Fault::Text);
            }
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Ok((char::from_u32(code).ok_or(Fault::Text)?, 12))
        }
        _ => Err(Fault::Text),
    }
}

/// The number in `\uXXXX`.
fn unit(text: &[u8]) -> Result<u32, Fault> {
    let digits = text.get(2..6).ok_or(Fault::Text)?;
    digits.iter().try_fold(0, |number, &byte| {
        (byte as char).to_digit(16).map(|digit| number << 4 | digit).ok_or(Fault::Text)
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn skipped(text: &str) -> Result<usize, Fault> {
        let mut lexer = Lexer::new(text, 1_000);
        lexer.skip()?;
        lexer.end()?;
        Ok(lexer.marks)
    }

    #[test]
    fn json_is_passed_over_and_its_marks_counted() {
        for (text, marks) in [
            ("{}", 1),
            (" [ 1 , -0.5e+3 , \"a,[{\" ] ", 3),
            ("{\"a\":{\"b\":[true,false,null]},\"\\u00e9\":0}", 6),
        ] {
            assert_eq!(skipped(text), Ok(marks), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_a_fault() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{,}",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "-",
            "nul",
            "NaN",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "{} {}",
            "[1}",
            "{1:2}",
            "'a'",
        ] {
            assert!(skipped(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_marks_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(skipped(&nested(192)), Ok(192));
        assert_eq!(skipped(&nested(193)), Err(Fault::Text));
        assert_eq!(skipped(&nested(100_000)), Err(Fault::Text));
        assert_eq!(skipped(&format!("[{}0]", "0,".repeat(999))), Ok(1_000));
        assert_eq!(skipped(&format!("[{}0]", "0,".repeat(1_000))), Err(Fault::Text));
    }

    #[test]
    fn texts_are_unescaped() {
        let text = r#""caf\u00e9 \ud83d\ude00\n\"\\\/\b\f\r\t\u0000 and more than eight bytes""#;
        let mut out = Vec::new();
        let quoted = Lexer::new(text, 0).string();
        assert_eq!(quoted.and_then(|quoted| quoted.write(&mut out)), Ok(()));
        assert_eq!(out, "café 😀\n\"\\/\u{8}\u{c}\r\t\0 and more than eight bytes".as_bytes());
    }

    #[test]
    fn any_byte_anywhere_in_a_text_is_found() {
        for at in 0..40 {
            for stop in [b'"', b'\\', 0, 0x1F] {
                for around in [b' ', b'a', 0x7F, 0x80, 0xA2, 0xDC, 0xFF] {
                    let mut text = vec![around; 40];
                    text[at] = stop;
                    assert_eq!(plain_bytes(&text), at);
                }
            }
        }
    }
}
