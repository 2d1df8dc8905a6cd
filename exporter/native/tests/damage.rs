//! Whatever is read, nothing panics, and every place that is found lies within the bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use llm_trace_exporter_native::{read, Known, Names, Signal};

const MAX_PARTS: usize = 1_000_000;
const ROUNDS: usize = 400;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Requests that a fuzzer found, and one of each kind that a library sends.
fn seeds() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let mut paths: Vec<PathBuf> = ["traces", "logs", "traces-json", "logs-json"]
        .iter()
        .flat_map(|kind| files(&tests.join("long/corpus").join(kind)))
        .collect();
    let is_request = |path: &PathBuf| matches!(path.extension(), Some(end) if end == "pb" || end == "json");
    paths.extend(files(&tests.join("corpus")).into_iter().filter(is_request).step_by(40));
    paths.iter().map(|path| fs::read(path).unwrap()).filter(|body| body.len() < 100_000).collect()
}

fn check(body: &[u8], names: &Names) -> usize {
    let mut records = 0;
    for signal in [Signal::Traces, Signal::Logs] {
        for is_json in [false, true] {
            let Ok((converted, scan)) = read(body, is_json, signal, names, MAX_PARTS) else { continue };
            let bytes = converted.as_deref().unwrap_or(body);
            for pair in &scan.pairs {
                assert_eq!(pair.value.of(bytes).len(), pair.value.len());
            }
            for span in &scan.spans {
                assert_eq!((span.trace_id.of(bytes).len(), span.span_id.of(bytes).len()), (16, 8));
                assert!(span.pairs.end as usize <= scan.pairs.len());
                assert!(span.events.end as usize <= scan.events.len());
            }
            records += scan.records.len();
        }
    }
    records
}

#[test]
fn damaged_requests_are_read_or_refused() {
    let mut names = Names::new();
    names.insert((*b"gen_ai.request.model").into(), Known::Read(0));
    names.insert((*b"service.name").into(), Known::Unread);
    let (seeds, mut numbers) = (seeds(), Numbers(0x9E37_79B9_7F4A_7C15));
    assert!(seeds.len() > 50, "no seeds");
    let mut records = 0;
    for seed in &seeds {
        records += check(seed, &names);
        for _ in 0..ROUNDS {
            let mut body = seed.clone();
            for _ in 0..=numbers.below(3) {
                if body.is_empty() {
                    break;
                }
                let at = numbers.below(body.len());
                match numbers.below(4) {
                    0 => body.truncate(at),
                    1 => body[at] = u8::try_from(numbers.below(256)).unwrap(),
                    2 => body[at] ^= 1 << numbers.below(8),
                    _ => {
                        let other = &seeds[numbers.below(seeds.len())];
                        let from = numbers.below(other.len());
                        let piece = &other[from..other.len().min(from + numbers.below(64))];
                        body.splice(at..at, piece.iter().copied());
                    }
                }
            }
            records += check(&body, &names);
        }
    }
    assert!(records > 1_000, "nothing was read");
}

#[test]
fn nothing_nests_without_end() {
    let names = Names::new();
    for depth in [10, 100, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"resourceSpans\":[", "]}")] {
            check((open.repeat(depth) + "0" + &close.repeat(depth)).as_bytes(), &names);
        }
        // Groups, and values in values.
        check(&[vec![0x0B; depth], vec![0x0C; depth]].concat(), &names);
        let mut value = Vec::new();
        for _ in 0..depth.min(1_000) {
            let mut outer = vec![0x2A, 0x80 | (value.len() & 0x7F) as u8, (value.len() >> 7 & 0x7F) as u8];
            outer.append(&mut value);
            value = outer;
        }
        check(&value, &names);
    }
}
