//! Whatever somebody makes who can compute every digest and the seal.

use proptest::prelude::*;

use crate::forge::{Forged, LEVEL, SEAL, gzip, seal, stream, verdict_on};
use crate::hostile::forged;

/// One change that somebody might try.
#[derive(Clone, Debug)]
enum Attempt {
    Byte(usize, u8),
    Cut(usize, usize),
    Copy(usize, usize, usize),
    Text(usize, &'static str),
}

impl Attempt {
    fn on(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        match *self {
            Self::Byte(at, value) => {
                if let Some(byte) = bytes.get_mut(at % length) {
                    *byte = value;
                }
            }
            Self::Cut(at, count) => {
                let at = at % length;
                let end = (at + count).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            Self::Copy(from, count, to) => {
                let from = from % length;
                let piece = bytes[from.min(bytes.len())..(from + count).min(bytes.len())].to_vec();
                let to = (to % length).min(bytes.len());
                bytes.splice(to..to, piece);
            }
            Self::Text(at, text) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, text.bytes());
            }
        }
    }
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let texts = prop::sample::select(vec![
        "null",
        "[]",
        "{}",
        "\"",
        ",",
        "-1",
        "1e400",
        "18446744073709551616",
        "\\u0000",
        "../",
        "\n",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, value)| Attempt::Byte(at, value)),
        (any::<usize>(), 1..600_usize).prop_map(|(at, count)| Attempt::Cut(at, count)),
        (any::<usize>(), 1..600_usize, any::<usize>())
            .prop_map(|(from, count, to)| Attempt::Copy(from, count, to)),
        (any::<usize>(), texts).prop_map(|(at, text)| Attempt::Text(at, text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whoever can compute every digest and the seal makes archives that are refused, or that hold; none stops the program.
    #[test]
    fn nothing_that_is_sealed_stops_the_program(
        which in 0..6_usize,
        attempts in prop::collection::vec(attempt(), 1..4),
    ) {
        static ORIGINAL: std::sync::LazyLock<Forged> = std::sync::LazyLock::new(forged);
        let mut forged = ORIGINAL.clone();
        let change = |bytes: &mut Vec<u8>| attempts.iter().for_each(|attempt| attempt.on(bytes));
        let bytes = match which {
            // A record or a document, with digests and sizes as they then are.
            0 | 1 => {
                let piece = &mut forged.sections[which][0];
                let mut content = piece.content.clone();
                change(&mut content);
                piece.set(content);
                forged.build()
            }
            2 => {
                let index: Vec<String> = forged.entries.iter()
                    .map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect();
                let mut index = index.concat().into_bytes();
                change(&mut index);
                forged.index_text = Some(index);
                forged.build()
            }
            3 => {
                let header = serde_json::to_string(&forged.header).unwrap();
                let mut text = format!("{{\"signatures\":[],\"signed\":{header}}}\n").into_bytes();
                change(&mut text);
                forged.header_text = Some(text);
                forged.build()
            }
            // The stream of a part, whatever it then is.
            4 => {
                let mut content = stream(&forged.sections[1]);
                change(&mut content);
                let part = gzip(&content, LEVEL);
                let mut parts = forged.parts();
                forged.entries[1].length = part.len() as u64;
                forged.entries[1].size = content.len() as u64;
                parts[2] = part;
                let head = parts[0].len() as u64;
                let mut file = parts.concat();
                file.extend_from_slice(&gzip(&[0; 10240], LEVEL));
                seal(&mut file, head);
                file
            }
            // The file, sealed again.
            _ => {
                let mut file = forged.build();
                file.truncate(file.len() - SEAL);
                let head = forged.parts()[0].len() as u64;
                change(&mut file);
                seal(&mut file, head);
                file
            }
        };
        let _ = verdict_on(&bytes);
    }
}
