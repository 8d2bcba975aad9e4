//! Summaries as the Go services expose them: quantiles over the last ten minutes, a sum and a count over all time.
//!
//! The `prometheus` crate has no summaries of its own but writes those that a collector returns. Recording takes one
//! uncontended lock and allocates only when a value is the first of its magnitude; the work is done when somebody asks.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use prometheus::proto;

/// The quantiles that are shown.
pub const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// How far back the quantiles look.
pub const WINDOW: Duration = Duration::from_secs(600);

/// A group of `N` summaries that are recorded together, one value each.
pub struct Summaries<const N: usize> {
    start: Instant,
    shards: [Mutex<Shard<N>>; SHARDS],
}

impl<const N: usize> fmt::Debug for Summaries<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summaries").finish_non_exhaustive()
    }
}

/// What a summary shows at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// The values at [`QUANTILES`]; not a number when nothing was recorded within [`WINDOW`].
    pub quantiles: [f64; 3],
    /// The sum of everything recorded.
    pub sum: f64,
    /// How many values were recorded.
    pub count: u64,
}

impl<const N: usize> Summaries<N> {
    /// Empty summaries, whose windows begin at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
        }
    }

    /// Records one value in each summary.
    pub fn record(&self, now: Instant, values: [f64; N]) {
        let period = self.period(now);
        // Threads take different shards as long as there are enough of them.
        if let Some(shard) = self.shards.get(shard_of_this_thread()) {
            lock(shard).record(period, values);
        }
    }

    /// What the summaries show now.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> [Snapshot; N] {
        let period = self.period(now);
        let mut totals = [(0.0, 0_u64); N];
        let mut windows: [Histogram<u32>; N] = std::array::from_fn(|_| histogram());
        for shard in &self.shards {
            lock(shard).add_to(period, &mut totals, &mut windows);
        }
        let mut snapshots = totals.map(|(sum, count)| Snapshot {
            quantiles: [f64::NAN; 3],
            sum,
            count,
        });
        for (snapshot, window) in snapshots.iter_mut().zip(&windows) {
            if !window.is_empty() {
                snapshot.quantiles =
                    QUANTILES.map(|quantile| as_float(window.value_at_quantile(quantile)));
            }
        }
        snapshots
    }

    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / (WINDOW.as_secs() / SLOTS as u64)
    }
}

impl Snapshot {
    /// The summary as a metric with these labels.
    #[must_use]
    pub fn metric(&self, labels: Vec<proto::LabelPair>) -> proto::Metric {
        let quantiles = QUANTILES
            .iter()
            .zip(self.quantiles)
            .map(|(&quantile, value)| {
                let mut shown = proto::Quantile::default();
                shown.set_quantile(quantile);
                shown.set_value(value);
                shown
            });
        let mut summary = proto::Summary::default();
        summary.set_quantile(quantiles.collect());
        summary.set_sample_sum(self.sum);
        summary.set_sample_count(self.count);
        let mut metric = proto::Metric::from_label(labels);
        metric.set_summary(summary);
        metric
    }
}

/// A label of a metric.
#[must_use]
pub fn label(name: &str, value: &str) -> proto::LabelPair {
    let mut pair = proto::LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// The part of a group that a few threads write to.
struct Shard<const N: usize> {
    totals: [(f64, u64); N],
    /// The window in turning slots; each belongs to the period that last wrote to it.
    slots: [Option<(u64, [Histogram<u32>; N])>; SLOTS],
}

impl<const N: usize> Default for Shard<N> {
    fn default() -> Self {
        Self {
            totals: [(0.0, 0); N],
            slots: std::array::from_fn(|_| None),
        }
    }
}

impl<const N: usize> Shard<N> {
    fn record(&mut self, period: u64, values: [f64; N]) {
        for (total, value) in self.totals.iter_mut().zip(values) {
            total.0 += value;
            total.1 += 1;
        }
        let index = usize::try_from(period % SLOTS as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let (owner, histograms) =
            slot.get_or_insert_with(|| (period, std::array::from_fn(|_| histogram())));
        if *owner != period {
            *owner = period;
            histograms.iter_mut().for_each(Histogram::reset);
        }
        for (histogram, value) in histograms.iter_mut().zip(values) {
            histogram.saturating_record(as_integer(value));
        }
    }

    fn add_to(&self, period: u64, totals: &mut [(f64, u64); N], windows: &mut [Histogram<u32>; N]) {
        for (total, own) in totals.iter_mut().zip(self.totals) {
            total.0 += own.0;
            total.1 += own.1;
        }
        for (owner, histograms) in self.slots.iter().flatten() {
            if owner + SLOTS as u64 > period {
                for (window, histogram) in windows.iter_mut().zip(histograms) {
                    // Same bounds and precision: every value fits.
                    let _ = window.add(histogram);
                }
            }
        }
    }
}

/// Values from 0 to about 71 minutes in microseconds or 4 GiB, with two digits.
fn histogram() -> Histogram<u32> {
    #[expect(clippy::expect_used, reason = "the bounds are constant and valid")]
    Histogram::new_with_bounds(1, u64::from(u32::MAX), 2).expect("constant bounds are valid")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, as wanted here"
)]
const fn as_integer(value: f64) -> u64 {
    value as u64
}

#[expect(clippy::cast_precision_loss, reason = "the histogram keeps two digits")]
const fn as_float(value: u64) -> f64 {
    value as f64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while recording leaves numbers that are at worst one value short.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shard_of_this_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static SHARD: Cell<Option<usize>> = const { Cell::new(None) });
    SHARD.with(|shard| {
        shard.get().unwrap_or_else(|| {
            let mine = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
            shard.set(Some(mine));
            mine
        })
    })
}

const SLOTS: usize = 5;
const SHARDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_thousand_values_are_right() {
        let now = Instant::now();
        let summaries = Summaries::<2>::new(now);
        for value in 0..1000_u32 {
            summaries.record(now, [f64::from(value), 7.0]);
        }
        let [first, second] = summaries.snapshot(now);
        for (shown, expected) in first.quantiles.into_iter().zip([500.0, 900.0, 990.0]) {
            assert!(
                (shown - expected).abs() / expected < 0.02,
                "{shown} should be about {expected}"
            );
        }
        assert_eq!((first.sum, first.count), (499_500.0, 1000));
        assert_eq!((second.sum, second.count), (7000.0, 1000));
    }

    #[test]
    fn quantiles_forget_after_ten_minutes_and_sums_do_not() {
        let start = Instant::now();
        let summaries = Summaries::<1>::new(start);
        summaries.record(start, [100.0]);
        let [fresh] = summaries.snapshot(start + Duration::from_secs(479));
        assert!((fresh.quantiles[0] - 100.0).abs() < 2.0);
        let [idle] = summaries.snapshot(start + WINDOW);
        assert!(idle.quantiles.iter().all(|value| value.is_nan()));
        assert_eq!((idle.sum, idle.count), (100.0, 1));
        // The slot is used again by a later period.
        summaries.record(start + WINDOW, [300.0]);
        let [again] = summaries.snapshot(start + WINDOW);
        assert!((again.quantiles[0] - 300.0).abs() < 4.0);
        assert_eq!(again.count, 2);
    }

    #[test]
    fn threads_are_added_up() {
        let now = Instant::now();
        let summaries = Summaries::<1>::new(now);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..100).for_each(|_| summaries.record(now, [2.0])));
            }
        });
        assert_eq!(summaries.snapshot(now)[0].count, 1600);
    }
}
