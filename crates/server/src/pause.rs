//! Waiting after a lost race against another server on the same database.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often what another server was faster with is tried again.
pub(crate) const TRIES: u32 = 10;

/// The longest first wait.
const STEP: Duration = Duration::from_millis(10);

/// Waits before try number `tried + 1`, longer each time, and never as long as another server that waits too.
pub(crate) async fn pause(tried: u32) {
    tokio::time::sleep(STEP.saturating_mul(tried.min(8)).mul_f64(fraction())).await;
}

/// A number from 0 to 1 that nobody else has.
fn fraction() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_differ_and_stay_in_their_bounds() {
        let some: Vec<f64> = (0..64).map(|_| fraction()).collect();
        assert!(some.iter().all(|x| (0.0..=1.0).contains(x)), "{some:?}");
        assert!(
            some.iter().any(|x| *x < 0.4) && some.iter().any(|x| *x > 0.6),
            "{some:?}"
        );
    }
}
