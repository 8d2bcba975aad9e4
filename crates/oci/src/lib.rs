//! Image references and the files that name images, docker's configuration and credentials, the registry and the docker daemon.
//!
//! This crate answers the questions that come before trust: which repository does `alpine:3.20` name, which server
//! holds it, with what credentials and certificates, and which manifest bytes does that server have for the tag. It
//! knows nothing of trust and takes no trust decision; it reads no environment variable, but for the proxies that the HTTP
//! library looks up, and measures time without asking what time it is.
//!
//! ```
//! use signet_oci::reference::Reference;
//!
//! let reference: Reference = "alpine:3.20".parse()?;
//! assert_eq!(reference.gun(), "docker.io/library/alpine");
//! assert_eq!(reference.tag().map(|tag| tag.as_str()), Some("3.20"));
//! assert_eq!(reference.registry_authority(), "registry-1.docker.io");
//! # Ok::<(), signet_oci::reference::InvalidReference>(())
//! ```

pub mod base64;
pub mod challenge;
pub mod compose;
pub mod config;
pub mod credentials;
pub mod daemon;
pub mod digest;
pub mod docker_context;
pub mod dockerfile;
pub mod document;
pub mod manifest;
pub mod reference;
pub mod registry;
pub mod tls;
pub mod token;

mod files;
mod go_json;

pub use challenge::Challenge;
pub use config::DockerConfig;
pub use credentials::Credentials;
pub use daemon::Daemon;
pub use digest::Digest;
pub use docker_context::Endpoint;
pub use manifest::Manifest;
pub use reference::{Reference, Tag};
pub use registry::Registry;
pub use token::Tokens;
