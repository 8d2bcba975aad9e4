//! The body of an upload, as Go clients send it (specification, `server.md` section 8.1).

use bytes::Bytes;
use data_encoding::HEXLOWER;
use signet_tuf::RoleName;

use crate::random;

/// One document of an upload.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Whose document.
    pub role: &'a RoleName,
    /// Its complete bytes.
    pub bytes: &'a [u8],
}

/// The body and its content type.
pub(super) fn multipart(parts: &[Part<'_>]) -> (Bytes, String) {
    // 240 random bits do not occur in a document.
    let boundary = HEXLOWER.encode(&random::bytes::<30>());
    let size: usize = parts.iter().map(|part| part.bytes.len() + 400).sum();
    let mut body = Vec::with_capacity(size + 80);
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            body.extend_from_slice(b"\r\n");
        }
        // A role's name has no character that would need quoting.
        body.extend_from_slice(
            format!(
                "--{boundary}\r\n\
                 Content-Disposition: form-data; name=\"files\"; filename=\"{}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n",
                part.role
            )
            .as_bytes(),
        );
        body.extend_from_slice(part.bytes);
    }
    let close = if parts.is_empty() { "" } else { "\r\n" };
    body.extend_from_slice(format!("{close}--{boundary}--\r\n").as_bytes());
    (
        body.into(),
        format!("multipart/form-data; boundary={boundary}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchange 022 of the recorded client life cycle: a Go client uploads `targets` alone.
    #[test]
    fn a_body_has_the_bytes_that_a_go_client_sends() {
        let recorded = include_bytes!("../../tests/data/upload-022-request.http");
        let split = recorded.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&recorded[..split]).unwrap();
        let theirs = head
            .split("boundary=")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        let body = std::str::from_utf8(&recorded[split + 4..]).unwrap();
        let document = body.split("\r\n").nth(4).unwrap();
        let (ours, content_type) = multipart(&[Part {
            role: &RoleName::targets(),
            bytes: document.as_bytes(),
        }]);
        let boundary = content_type
            .strip_prefix("multipart/form-data; boundary=")
            .unwrap();
        assert_eq!(boundary.len(), theirs.len());
        let ours = std::str::from_utf8(&ours)
            .unwrap()
            .replace(boundary, theirs);
        assert_eq!(ours, body);
    }
}
