//! How much somebody may say: a token bucket.

use std::time::{Duration, Instant};

/// Allows a burst, and a steady rate after it.
#[derive(Debug)]
pub(crate) struct Pace {
    burst: u32,
    /// The time for which one line counts.
    each: Duration,
    /// When the bucket is full again.
    full_at: Instant,
}

impl Pace {
    /// At least one line per second, and at most a million.
    pub(crate) fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        Self {
            burst: burst.max(1),
            each: Duration::from_secs(1) / per_second.clamp(1, 1_000_000),
            full_at: now,
        }
    }

    /// Counts a line.
    ///
    /// # Errors
    ///
    /// Returns how long to wait before the next one. Then this one was not counted.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let after = self.full_at.max(now) + self.each;
        let excess = after.duration_since(now).saturating_sub(self.each * self.burst);
        if excess.is_zero() {
            self.full_at = after;
            return Ok(());
        }
        Err(excess)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "proptest")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_a_steady_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(3, 2, start);
        for _ in 0..3 {
            assert_eq!(pace.take(start), Ok(()));
        }
        assert_eq!(pace.take(start), Err(Duration::from_millis(500)));
        assert_eq!(
            pace.take(start),
            Err(Duration::from_millis(500)),
            "a refusal is not counted"
        );
        assert_eq!(
            pace.take(start + Duration::from_millis(499)),
            Err(Duration::from_millis(1))
        );
        assert_eq!(pace.take(start + Duration::from_millis(500)), Ok(()));
        assert!(pace.take(start + Duration::from_millis(500)).is_err());
    }

    #[cfg(feature = "proptest")]
    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(steps in prop::collection::vec(0_u64..700, 1..200)) {
            let start = Instant::now();
            let mut pace = Pace::new(5, 4, start);
            let (mut now, mut taken) = (start, 0);
            for step in steps {
                now += Duration::from_millis(step);
                match pace.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => prop_assert!(wait <= Duration::from_millis(250)),
                }
                prop_assert!(taken <= 5 + now.duration_since(start).as_millis() / 250);
            }
        }
    }
}
