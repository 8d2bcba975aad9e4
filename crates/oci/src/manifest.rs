//! What a registry has under a tag: a manifest, as the bytes that came.
//!
//! Only as much is read of it as is needed to know that it is what its media type says. The digest is always that of
//! the bytes received, computed here, and never one that the server claims (security class A18).

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::digest::Digest;

/// Largest manifest in bytes: what registries themselves accept.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// A manifest whose bytes have been hashed and whose outline has been checked.
///
/// There is no way to make one except [`Manifest::parse`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    digest: Digest,
    media_type: MediaType,
    bytes: Bytes,
}

/// The kinds of manifests that can be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MediaType {
    /// One image, in docker's format.
    DockerManifest,
    /// Images for several platforms, in docker's format.
    DockerManifestList,
    /// One image or artifact, in the OCI format.
    OciManifest,
    /// Images for several platforms, in the OCI format.
    OciIndex,
}

/// Whether a manifest is an image or a list of images.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// One image.
    Image,
    /// An image per platform.
    Index,
}

/// Why bytes are not taken for a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidManifest {
    /// An image is also a list of images, or a list also an image: readers would disagree on what was signed.
    #[error("a manifest of type {media_type} must not have the member {member:?}")]
    Ambiguous {
        /// The type it claims.
        media_type: MediaType,
        /// What does not belong there.
        member: &'static str,
    },
    /// It is not JSON, or a member has a value of the wrong kind.
    #[error("the manifest is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// The type announced for it and the type that it states differ.
    #[error("the manifest was sent as {announced} and calls itself {stated:?}")]
    MediaTypeMismatch {
        /// Type in the `Content-Type` header.
        announced: MediaType,
        /// Type in the manifest, cut to 200 characters.
        stated: String,
    },
    /// A member is missing without which it is no manifest.
    #[error("the manifest of type {media_type} has no {member:?}")]
    Missing {
        /// The type it claims.
        media_type: MediaType,
        /// What is missing.
        member: &'static str,
    },
    /// It is no JSON object.
    #[error("the manifest is not a JSON object")]
    NoObject,
    /// It is in docker's first format, which cannot be signed: its digest does not cover its bytes.
    #[error(
        "the image is in the obsolete schema 1 format; push it again with a current docker to convert it"
    )]
    Schema1,
    /// The schema version is not 2.
    #[error("manifest schema version {version} is not supported")]
    SchemaVersion {
        /// The version.
        version: u64,
    },
    /// It was sent as something that is no manifest, or without a type.
    #[error("the server sent {announced:?} instead of a manifest")]
    UnknownMediaType {
        /// The `Content-Type` header, cut to 200 characters; empty when there was none.
        announced: String,
    },
}

impl MediaType {
    /// All types, in the order in which they are asked for.
    pub const ALL: [Self; 4] = [
        Self::DockerManifest,
        Self::DockerManifestList,
        Self::OciManifest,
        Self::OciIndex,
    ];

    /// The type as written in headers and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerManifestList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
        }
    }

    /// Whether such a manifest is an image or a list.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::DockerManifest | Self::OciManifest => Kind::Image,
            Self::DockerManifestList | Self::OciIndex => Kind::Index,
        }
    }

    /// Whether a manifest of this type must state its type. In the OCI format it may.
    const fn must_be_stated(self) -> bool {
        matches!(self, Self::DockerManifest | Self::DockerManifestList)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Manifest {
    /// Checks the outline of `bytes` and hashes them.
    ///
    /// `content_type` is the header with which they came; parameters such as `charset` are ignored.
    ///
    /// # Errors
    /// [`InvalidManifest`] when header and content do not agree on one of the types in [`MediaType`].
    pub fn parse(bytes: Bytes, content_type: &str) -> Result<Self, InvalidManifest> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if is_schema_1(essence) {
            return Err(InvalidManifest::Schema1);
        }
        let media_type = MediaType::ALL
            .into_iter()
            .find(|known| essence.eq_ignore_ascii_case(known.as_str()))
            .ok_or_else(|| InvalidManifest::UnknownMediaType {
                announced: content_type.chars().take(200).collect(),
            })?;
        // serde would also fill the outline from an array, by position.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(InvalidManifest::NoObject);
        }
        let outline: Outline<'_> = serde_json::from_slice(&bytes).map_err(InvalidManifest::Json)?;
        outline.check(media_type)?;
        Ok(Self {
            digest: Digest::of(&bytes),
            media_type,
            bytes,
        })
    }

    /// Digest of the bytes, computed by us.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its type, on which header and content agree.
    #[must_use]
    pub const fn media_type(&self) -> MediaType {
        self.media_type
    }

    /// Whether it is an image or a list of images.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.media_type.kind()
    }

    /// The bytes as received.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// The members that tell manifests apart. A member given twice is refused.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<u64>,
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
    #[serde(borrow)]
    layers: Option<&'a RawValue>,
    #[serde(borrow)]
    manifests: Option<&'a RawValue>,
}

impl Outline<'_> {
    fn check(&self, media_type: MediaType) -> Result<(), InvalidManifest> {
        match self.schema_version {
            Some(2) => {}
            Some(1) => return Err(InvalidManifest::Schema1),
            Some(version) => return Err(InvalidManifest::SchemaVersion { version }),
            None => {
                return Err(InvalidManifest::Missing {
                    media_type,
                    member: "schemaVersion",
                });
            }
        }
        match &self.media_type {
            Some(stated) if stated == media_type.as_str() => {}
            Some(stated) => {
                return Err(InvalidManifest::MediaTypeMismatch {
                    announced: media_type,
                    stated: stated.chars().take(200).collect(),
                });
            }
            None if media_type.must_be_stated() => {
                return Err(InvalidManifest::Missing {
                    media_type,
                    member: "mediaType",
                });
            }
            None => {}
        }
        let config = ("config", self.config, '{');
        let layers = ("layers", self.layers, '[');
        let manifests = ("manifests", self.manifests, '[');
        let (needed, forbidden) = match media_type.kind() {
            Kind::Image => ([config, layers].to_vec(), [manifests].to_vec()),
            Kind::Index => ([manifests].to_vec(), [config, layers].to_vec()),
        };
        for (member, value, opening) in needed {
            if !value.is_some_and(|value| value.get().starts_with(opening)) {
                return Err(InvalidManifest::Missing { media_type, member });
            }
        }
        // CVE-2021-41190: one document, two readings.
        for (member, value, _) in forbidden {
            if value.is_some() {
                return Err(InvalidManifest::Ambiguous { media_type, member });
            }
        }
        Ok(())
    }
}

fn is_schema_1(essence: &str) -> bool {
    [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ]
    .iter()
    .any(|schema_1| essence.eq_ignore_ascii_case(schema_1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn parse(content_type: &str, text: &str) -> Result<Manifest, String> {
        Manifest::parse(Bytes::copy_from_slice(text.as_bytes()), content_type)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn takes_the_four_types() {
        for (content_type, text, kind) in [
            (
                DOCKER,
                format!(
                    r#"{{"schemaVersion":2,"mediaType":"{DOCKER}","config":{{}},"layers":[]}}"#
                ),
                Kind::Image,
            ),
            (
                DOCKER_LIST,
                format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_LIST}","manifests":[]}}"#),
                Kind::Index,
            ),
            (
                OCI,
                format!(r#"{{"schemaVersion":2,"mediaType":"{OCI}","config":{{}},"layers":[]}}"#),
                Kind::Image,
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":[],"annotations":{}}"#.to_owned(),
                Kind::Image,
            ),
            (
                OCI_INDEX,
                r#"{"schemaVersion":2,"manifests":[{"digest":"x"}]}"#.to_owned(),
                Kind::Index,
            ),
        ] {
            let manifest = parse(content_type, &text).unwrap();
            assert_eq!(manifest.kind(), kind);
            assert_eq!(manifest.media_type().as_str(), content_type);
            assert_eq!(manifest.size(), text.len() as u64);
            assert_eq!(manifest.bytes(), text.as_bytes());
            assert_eq!(manifest.digest(), &Digest::of(text.as_bytes()));
            assert!(parse(&format!("{content_type}; charset=utf-8"), &text).is_ok());
        }
    }

    #[test]
    fn refuses_schema_1_however_it_comes() {
        let v1 = r#"{"schemaVersion":1,"name":"x","fsLayers":[],"signatures":[]}"#;
        for content_type in [
            "application/vnd.docker.distribution.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws; charset=utf-8",
            DOCKER,
        ] {
            assert!(
                parse(content_type, v1).unwrap_err().contains("schema 1"),
                "{content_type}"
            );
        }
    }

    #[test]
    fn refuses_what_header_and_content_do_not_agree_on() {
        let image =
            format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER}","config":{{}},"layers":[]}}"#);
        for (content_type, text, expected) in [
            (OCI, image.as_str(), "was sent as"),
            (DOCKER_LIST, &image, "was sent as"),
            ("application/json", &image, "instead of a manifest"),
            ("text/html", "<html>", "instead of a manifest"),
            ("", &image, "instead of a manifest"),
            (
                DOCKER,
                r#"{"schemaVersion":2,"config":{},"layers":[]}"#,
                r#"has no "mediaType""#,
            ),
            (
                OCI,
                r#"{"config":{},"layers":[]}"#,
                r#"has no "schemaVersion""#,
            ),
            (
                OCI,
                r#"{"schemaVersion":3,"config":{},"layers":[]}"#,
                "version 3",
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"layers":[]}"#,
                r#"has no "config""#,
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":null}"#,
                r#"has no "layers""#,
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":[],"layers":[]}"#,
                r#"has no "config""#,
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#,
                r#"must not have the member "manifests""#,
            ),
            (OCI_INDEX, r#"{"schemaVersion":2}"#, r#"has no "manifests""#),
            (
                OCI_INDEX,
                r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
                r#"must not have the member "layers""#,
            ),
            (
                OCI_INDEX,
                r#"{"schemaVersion":2,"manifests":[],"config":{}}"#,
                r#"must not have the member "config""#,
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"schemaVersion":2,"config":{},"layers":[]}"#,
                "not valid JSON",
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":[],"layers":[1]}"#,
                "not valid JSON",
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":["#,
                "not valid JSON",
            ),
            (
                OCI,
                r#"{"schemaVersion":2,"config":{},"layers":[]} x"#,
                "not valid JSON",
            ),
            (
                OCI,
                r#"{"schemaVersion":2.0,"config":{},"layers":[]}"#,
                "not valid JSON",
            ),
            (OCI, "[]", "not a JSON object"),
            (
                OCI,
                r#"[2,"application/vnd.oci.image.manifest.v1+json",{},[],null]"#,
                "not a JSON object",
            ),
            (OCI, "null", "not a JSON object"),
            (OCI, "", "not a JSON object"),
        ] {
            let error = parse(content_type, text).unwrap_err();
            assert!(error.contains(expected), "{content_type} {text}: {error}");
        }
    }

    #[test]
    fn a17_deep_nesting_is_an_error_and_no_overflow() {
        let deep = format!(
            r#"{{"schemaVersion":2,"config":{{}},"layers":{}"#,
            "[".repeat(1 << 20)
        );
        assert!(parse(OCI, &deep).is_err());
    }
}
