//! Our programs against the real ones: the docker client and daemon, Go's notary client and server, a registry.
//!
//! What a repository holds is always judged by the *other* side. Every test has its own server, home and repository; a peer that is not
//! installed fails the test with the command that installs it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod archive;
mod archive_create;
mod archive_import;
mod archive_interrupted;
mod arguments;
mod attack;
mod crash;
mod credentials;
mod daemon;
mod endpoint;
mod enforce;
mod faults;
mod go_client;
mod htpasswd;
mod judge;
mod keys;
mod library;
mod login;
mod manual;
mod mixed;
mod notary_completion;
mod notary_delegation;
mod notary_delete;
mod notary_doctor;
mod notary_hints;
mod notary_login;
mod notary_pairings;
mod notary_publish;
mod notary_read;
mod notary_renew;
mod notary_roots;
mod notary_rotate;
mod notary_stage;
mod notary_transcripts;
mod operation;
mod patience;
mod plugin;
mod progress;
mod prompts;
mod proxy;
mod requests;
mod signer;
mod swap;
mod takeover;
mod tokens;
mod tour;
mod typist;
mod walk;
