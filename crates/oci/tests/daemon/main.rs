//! The Docker Engine API: with a real daemon, and with one that says what no real daemon says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod real;
mod scripted;

use signet_oci::Endpoint;
use signet_oci::daemon::{Message, Progress};

fn endpoint(host: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        tls: None,
    }
}

/// Keeps what was shown.
#[derive(Default, Debug)]
struct Shown(Vec<Message>);

impl Shown {
    fn statuses(&self) -> Vec<&str> {
        self.0
            .iter()
            .map(|message| message.status.as_str())
            .collect()
    }
}

impl Progress for Shown {
    fn show(&mut self, message: &Message) -> std::io::Result<()> {
        self.0.push(message.clone());
        Ok(())
    }
}
