//! Who calls, for the log.

use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::Request;
use serde_json::Value;
use signet_service::serve::PeerCertificate;
use signet_service::telemetry::LogFields;
use signet_tuf::crypto;

/// The other end of the connection of a call. Cheap to make: nothing is written until a log line is.
#[derive(Debug)]
pub(crate) struct Caller {
    peer: SocketAddr,
    certificate: Option<PeerCertificate>,
}

impl Caller {
    pub(crate) fn of<B>(request: &Request<B>, peer: SocketAddr) -> Arc<Self> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        Arc::new(Self { peer, certificate })
    }
}

impl LogFields for Caller {
    fn fields(&self, add: &mut dyn FnMut(&'static str, Value)) {
        add("caller.address", Value::from(self.peer.to_string()));
        if let Some(certificate) = &self.certificate {
            // The one for people; the other, because anybody can have the same subject.
            add("caller.certificate", Value::from(&*certificate.subject()));
            let fingerprint = HEXLOWER.encode(&crypto::sha256(certificate.der()));
            add("caller.fingerprint", Value::from(fingerprint));
        }
    }
}
