//! Standard base64 as Go decodes it: line ends are skipped, unused low bits may be anything, and the error names the
//! byte that Go names, because docker prints that number.

use zeroize::Zeroizing;

/// Where the text stops being base64.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("illegal base64 data at input byte {at}")]
pub struct Corrupt {
    /// The byte, from 0.
    pub at: usize,
}

/// Decodes `text`. The result is wiped when dropped: it is always a credential.
///
/// # Errors
/// [`Corrupt`] when it is not base64.
pub fn decode(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Corrupt> {
    // Never reallocated, so that no copy of the secret is left behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut input = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    loop {
        let mut group = 0_u32;
        for filled in 0..4 {
            let Some((at, byte)) = input.next() else {
                return match filled {
                    0 => Ok(decoded),
                    // Go counts back from the end, line ends included.
                    _ => Err(Corrupt {
                        at: text.len() - filled,
                    }),
                };
            };
            if let Some(value) = value_of(byte) {
                group = group << 6 | value;
                continue;
            }
            if byte != b'=' || filled < 2 {
                return Err(Corrupt { at });
            }
            if filled == 2 {
                match input.next() {
                    Some((_, b'=')) => {}
                    // Go names the byte before the one that should have been the second '='.
                    Some((next, _)) => return Err(Corrupt { at: next - 1 }),
                    None => return Err(Corrupt { at: text.len() }),
                }
            }
            if let Some((next, _)) = input.next() {
                return Err(Corrupt { at: next });
            }
            let [_, high, middle, _] = (group << (6 * (4 - filled))).to_be_bytes();
            decoded.push(high);
            if filled == 3 {
                decoded.push(middle);
            }
            return Ok(decoded);
        }
        let [_, bytes @ ..] = group.to_be_bytes();
        decoded.extend_from_slice(&bytes);
    }
}

fn value_of(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str) -> Result<String, usize> {
        decode(input.as_bytes())
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            .map_err(|e| e.at)
    }

    #[test]
    fn decodes_rfc_4648_vectors() {
        for (encoded, plain) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(text(encoded).as_deref(), Ok(plain));
        }
    }

    /// Every row was read off docker 28.2.2's warning about a config.json.
    #[test]
    fn is_lenient_and_complains_as_go_does() {
        for (encoded, expected) in [
            ("YWxpY2U6\ncA==", Ok("alice:p")),
            ("YWxpY2U6cB==", Ok("alice:p")),
            ("*", Err(0)),
            ("==", Err(0)),
            ("YWxpY2U", Err(4)),
            ("YWxp Y2U6", Err(4)),
            ("YWxpY2U6cA", Err(8)),
            ("YWxpY2U6cA=", Err(11)),
            ("YWxpY2U6cA=x", Err(10)),
            ("YWxpY2U6cA==x", Err(12)),
        ] {
            assert_eq!(
                text(encoded).as_deref(),
                expected.as_ref().copied(),
                "{encoded:?}"
            );
        }
    }
}
