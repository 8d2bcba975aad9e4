//! Reading the body of an update within bounds of size, time and memory.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http_body_util::BodyDataStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::Limits;

/// How many bytes of bodies may be in memory, of all requests together.
#[derive(Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// What one permit stands for, in bytes.
const UNIT: usize = 64 * 1024;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let permits = bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body ends before it is complete")]
    Incomplete,
    #[error("there is no memory for it now")]
    NoMemory,
    #[error("the body is too large")]
    TooLarge,
    #[error("the body does not arrive in time")]
    TooSlow,
}

/// Reads a body. Its share of the budget is given back when the second value is dropped.
pub(super) async fn read<B>(
    body: B,
    limits: &Limits,
    budget: &Budget,
) -> Result<(Bytes, OwnedSemaphorePermit), BodyError>
where
    B: http_body::Body<Data = Bytes>,
{
    tokio::time::timeout(limits.upload_time, collect(body, limits, budget))
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

/// Reads a body and throws it away, as much as a client may send at all: who is refused while still sending would not see the answer.
pub(super) async fn discard<B>(body: B, limits: &Limits)
where
    B: http_body::Body<Data = Bytes>,
{
    let read = async {
        let mut chunks = pin!(BodyDataStream::new(body));
        let mut left = limits.max_upload_bytes;
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len() as u64) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whether it came to its end does not matter: the answer is the same.
    let _ = tokio::time::timeout(limits.upload_time, read).await;
}

async fn collect<B>(
    body: B,
    limits: &Limits,
    budget: &Budget,
) -> Result<(Bytes, OwnedSemaphorePermit), BodyError>
where
    B: http_body::Body<Data = Bytes>,
{
    let max = usize::try_from(limits.max_upload_bytes).unwrap_or(usize::MAX);
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut chunks = pin!(BodyDataStream::new(body));
    let mut collected = BytesMut::new();
    let mut refused = (announced > max).then_some(BodyError::TooLarge);
    let share = Arc::clone(&budget.0).try_acquire_owned();
    let mut share = share.map_err(|_| BodyError::NoMemory)?;
    // Who is refused while still sending would not see the answer: that much is read and thrown away.
    let mut thrown_away = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| BodyError::Incomplete)?;
        if refused.is_none() {
            let length = collected.len().saturating_add(chunk.len());
            refused = if length > max {
                Some(BodyError::TooLarge)
            } else if !extend(&mut share, budget, length) {
                Some(BodyError::NoMemory)
            } else {
                None
            };
        }
        if refused.is_none() {
            collected.extend_from_slice(&chunk);
        } else {
            collected = BytesMut::new();
            thrown_away = thrown_away.saturating_add(chunk.len());
            if thrown_away > max {
                break;
            }
        }
    }
    match refused {
        None => Ok((collected.freeze(), share)),
        Some(error) => Err(error),
    }
}

/// Makes `share` enough for `bytes`, if the budget still has that much.
fn extend(share: &mut OwnedSemaphorePermit, budget: &Budget, bytes: usize) -> bool {
    let missing = bytes.div_ceil(UNIT).saturating_sub(share.num_permits());
    if missing == 0 {
        return true;
    }
    let Ok(missing) = u32::try_from(missing) else {
        return false;
    };
    match Arc::clone(&budget.0).try_acquire_many_owned(missing) {
        Ok(more) => {
            share.merge(more);
            true
        }
        Err(_) => false,
    }
}
