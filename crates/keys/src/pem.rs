//! PEM with headers, read and written as Go does (specification, signer-and-keys sections 5.2 to 5.4).
//!
//! Key files carry `role` and `gun` headers, which RFC 7468 and most readers refuse. Text outside blocks is ignored, a
//! malformed block is skipped.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// One block.
#[derive(Clone, Eq, PartialEq)]
pub struct Block {
    /// The type, as in `-----BEGIN type-----`.
    pub label: String,
    /// Headers by name; of several with one name the last.
    pub headers: BTreeMap<String, String>,
    /// What the base64 text holds.
    pub contents: Zeroizing<Vec<u8>>,
}

impl Block {
    /// A header's value; an absent one is empty, as in Go.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The block as text: headers sorted by name but `Proc-Type` first, base64 in lines of 64, a newline at the end.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let body = Zeroizing::new(BASE64.encode(&self.contents));
        let headers: usize = self
            .headers
            .iter()
            .map(|(n, v)| n.len() + v.len() + 3)
            .sum();
        // All at once, so that no grown-out-of buffer keeps a secret.
        let mut out = Zeroizing::new(String::with_capacity(
            2 * self.label.len() + headers + body.len() + body.len() / 64 + 64,
        ));
        for part in ["-----BEGIN ", &self.label, "-----\n"] {
            out.push_str(part);
        }
        let first = self.headers.get_key_value(PROC_TYPE);
        let rest = self.headers.iter().filter(|(name, _)| *name != PROC_TYPE);
        for (name, value) in first.into_iter().chain(rest) {
            for part in [name, ": ", value, "\n"] {
                out.push_str(part);
            }
        }
        if !self.headers.is_empty() {
            out.push('\n');
        }
        let mut body = body.as_str();
        while !body.is_empty() {
            let (line, tail) = body.split_at(body.len().min(64));
            out.push_str(line);
            out.push('\n');
            body = tail;
        }
        for part in ["-----END ", &self.label, "-----\n"] {
            out.push_str(part);
        }
        out
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("label", &self.label)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// The well-formed blocks of a text, in order. One pass, whatever the text (security class A17).
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Draft<'_>> = None;
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        if let Some(label) = marker(line, "-----BEGIN ") {
            open = Some(Draft {
                label,
                headers: BTreeMap::new(),
                in_headers: true,
                body: Zeroizing::new(Vec::new()),
            });
        } else if let Some(label) = marker(line, "-----END ") {
            if let Some(block) = open
                .take()
                .filter(|d| d.label == label)
                .and_then(Draft::close)
            {
                blocks.push(block);
            }
        } else if let Some(draft) = &mut open
            && !draft.take(line)
        {
            open = None;
        }
    }
    blocks
}

/// A block whose end has not come yet.
struct Draft<'a> {
    label: &'a str,
    headers: BTreeMap<String, String>,
    in_headers: bool,
    body: Zeroizing<Vec<u8>>,
}

impl Draft<'_> {
    /// Adds a line; `false` when the block cannot be one.
    fn take(&mut self, line: &[u8]) -> bool {
        if self.in_headers {
            if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
                else {
                    return false;
                };
                self.headers
                    .insert(name.trim().to_owned(), value.trim().to_owned());
                return true;
            }
            if line.is_empty() {
                return true;
            }
            self.in_headers = false;
        }
        // A vector that grows by itself leaves copies of the key behind.
        if self.body.capacity() - self.body.len() < line.len() {
            let mut roomier = Vec::with_capacity(2 * (self.body.len() + line.len()).max(1024));
            roomier.extend_from_slice(&self.body);
            self.body = Zeroizing::new(roomier);
        }
        self.body.extend(
            line.iter()
                .filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r')),
        );
        true
    }

    fn close(self) -> Option<Block> {
        Some(Block {
            label: self.label.to_owned(),
            headers: self.headers,
            contents: Zeroizing::new(BASE64.decode(&self.body).ok()?),
        })
    }
}

/// The label in a `-----BEGIN label-----` line.
fn marker<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    let label = line
        .strip_prefix(start.as_bytes())?
        .strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok()
}

/// The header that RFC 1421 wants first.
pub(crate) const PROC_TYPE: &str = "Proc-Type";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_headers_in_gos_order() {
        // Specification, signer-and-keys section 5.2: sorted bytewise, Proc-Type first, one empty line.
        let block = Block {
            label: "EC PRIVATE KEY".into(),
            headers: [
                ("role", "targets"),
                ("gun", "docker.io/q/r"),
                ("Proc-Type", "4,ENCRYPTED"),
                ("DEK-Info", "AES-256-CBC,00"),
            ]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into(),
            contents: Zeroizing::new(vec![0; 49]),
        };
        let text = format!(
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\ngun: docker.io/q/r\nrole: targets\n\n{}\nAA==\n-----END EC PRIVATE KEY-----\n",
            "A".repeat(64)
        );
        assert_eq!(*block.encode(), text);
        assert_eq!(parse(text.as_bytes()), [block]);
    }

    #[test]
    fn skips_text_and_malformed_blocks() {
        let good = "-----BEGIN A-----\r\nname:  value \r\n\r\nAAAA\r\n-----END A-----\r\n";
        let text = format!(
            "text\n-----BEGIN A-----\nAAAA\n-----END B-----\n-----BEGIN A-----\n*\n-----END A-----\n-----BEGIN X-----\nAAAA\n{good}-----BEGIN A-----\nAAAA"
        );
        let blocks = parse(text.as_bytes());
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].header("name"), "value");
        assert_eq!(*blocks[0].contents, [0, 0, 0]);
    }

    #[test]
    fn a17_many_beginnings_take_one_pass() {
        let text = "-----BEGIN A-----\nx: y\n".repeat(50_000);
        assert!(parse(text.as_bytes()).is_empty());
    }
}
