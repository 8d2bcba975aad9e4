//! The bodies of calls: read to their end, within bounds of size, time and memory, before anything is done for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use signet_rpc::MAX_MESSAGE_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// Reads the bodies of all calls of this process.
#[derive(Clone)]
pub(crate) struct Intake {
    memory: Arc<Semaphore>,
    limit: Duration,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A call that is here as a whole, and its share of the memory for calls.
pub(crate) type Taken = (Request<Full<Bytes>>, OwnedSemaphorePermit);

impl Intake {
    /// A body may take `limit` to arrive.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(MEMORY.div_ceil(UNIT))),
            limit,
        }
    }

    /// Reads the body of a call, as far as its one message may be long.
    pub(crate) async fn take(&self, request: Request<Incoming>) -> Result<Taken, Status> {
        let (head, mut body) = request.into_parts();
        match tokio::time::timeout(self.limit, self.collect(&mut body)).await {
            Ok(Ok((bytes, share))) => Ok((Request::from_parts(head, Full::new(bytes)), share)),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(
                "the request did not arrive in time",
            )),
        }
    }

    async fn collect(&self, body: &mut Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        let mut collected = BytesMut::new();
        // What was not sent costs nothing, so that who is slow holds nothing that others need.
        let mut share = self.share(0)?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Status::cancelled("the request was not completed"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let needed = (collected.len() + data.len()).div_ceil(UNIT);
            share.merge(self.share(needed.saturating_sub(share.num_permits()))?);
            collected.extend_from_slice(&data);
            if announced(&collected).is_some_and(|length| length > MAX_MESSAGE_BYTES) {
                // The rest does not matter: this much says that it is refused.
                break;
            }
            if collected.len() > PREFIX + MAX_MESSAGE_BYTES {
                return Err(Status::resource_exhausted("more than one message"));
            }
        }
        Ok((collected.freeze(), share))
    }

    fn share(&self, units: usize) -> Result<OwnedSemaphorePermit, Status> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(&self.memory)
            .try_acquire_many_owned(units)
            .map_err(|_| Status::resource_exhausted("too much is being received at once"))
    }
}

/// How long the message will be, by what stands before it: a byte on compression, and the length.
fn announced(body: &[u8]) -> Option<usize> {
    let length = body.get(1..PREFIX)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

const PREFIX: usize = 5;
/// What one permit stands for, in bytes.
const UNIT: usize = 1024;
/// Most bytes of calls in memory.
const MEMORY: usize = 256 * 1024 * 1024;
