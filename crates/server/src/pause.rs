//! Waiting before something is tried again, never as long as others who wait for the same.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often what another server on the same database was faster with is tried again.
pub(crate) const TRIES: u32 = 10;

/// The longest first wait.
const STEP: Duration = Duration::from_millis(10);

/// Waits after a lost race against another server on the same database, before try number `tried + 1`: longer each time.
pub(crate) async fn pause(tried: u32) {
    tokio::time::sleep(STEP.saturating_mul(tried.min(8)).mul_f64(fraction())).await;
}

/// Up to half as long again, so that servers that lost the same service do not come back at the same moment.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    pause + pause.mul_f64(fraction() / 2.0)
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

    #[test]
    fn a_pause_grows_by_up_to_a_half() {
        let second = Duration::from_secs(1);
        let some: Vec<Duration> = (0..64).map(|_| with_jitter(second)).collect();
        assert!(
            some.iter()
                .all(|pause| (second..=second * 3 / 2).contains(pause)),
            "{some:?}"
        );
        assert!(some.iter().any(|pause| *pause > second * 5 / 4), "{some:?}");
    }
}
