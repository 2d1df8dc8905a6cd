//! OTLP requests to the records of `otlp/records.py`, read without Python's lock.
//!
//! What every emitter sends is read here. Whatever is odd is handed back as it came, record by record
//! or as a whole request, and read by `otlp/decode.py`, which alone judges and words what is wrong.

mod json;
mod lexer;
mod messages;
mod outline;
mod python;
mod scan;
mod wire;

pub use outline::Outline;
pub use scan::{scan, Known, Names, Scan, Signal};
pub use wire::Odd;

/// Read a request; the bytes that its places are in, where these are not its own.
///
/// # Errors
/// [`Odd`] where it is Python's as a whole.
pub fn read(
    body: &[u8],
    is_json: bool,
    signal: Signal,
    names: &Names,
    max_parts: usize,
) -> Result<(Option<Vec<u8>>, Scan), Odd> {
    if is_json {
        let (converted, outline) = json::convert(body, signal, max_parts)?;
        let found = scan(&converted, &outline, signal, names)?;
        return Ok((Some(converted), found));
    }
    Ok((None, scan(body, &Outline::of(body, max_parts)?, signal, names)?))
}
