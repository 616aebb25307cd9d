//! The sequence of delays, without a clock.

use std::{sync::Arc, time::Duration};

use websocket_proto::{
    Time,
    reconnect::{Backoff, GiveUp, Policy, Verdict, Wait},
};

use crate::support::{Constant, Dry, Seeded};

const SEEDS: u64 = 2000;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(seconds: u64) -> Time {
    Time::from_origin(secs(seconds))
}

/// The longest delays of a policy.
fn longest(policy: Policy) -> Backoff {
    Backoff::new(policy).entropy(Arc::new(Constant(u32::MAX)))
}

/// The shortest delays of a policy.
fn shortest(policy: Policy) -> Backoff {
    Backoff::new(policy).entropy(Arc::new(Constant(0)))
}

/// The delay before a retry.
fn retry(backoff: &mut Backoff, now: Time, wait: Wait) -> Result<Duration, GiveUp> {
    let delay = backoff.next_delay(now, Verdict::Retry(wait))?;
    Ok(delay.expect("this is not finished"))
}

fn delays(backoff: &mut Backoff, count: usize) -> Vec<Duration> {
    (0..count)
        .map(|_| retry(backoff, Time::ZERO, Wait::Backoff).expect("no bound"))
        .collect()
}

/// CL-28: the delays grow by the factor, up to the longest.
#[test]
fn delays_grow_and_are_truncated() {
    let found = delays(&mut longest(Policy::new()), 8);
    assert_eq!(found, [5, 5, 10, 20, 40, 60, 60, 60].map(secs));
    let found = delays(&mut shortest(Policy::new()), 8);
    assert_eq!(
        found,
        [0, 2500, 5000, 10_000, 20_000, 30_000, 30_000, 30_000].map(Duration::from_millis)
    );
    let policy = Policy::new()
        .first_delay(secs(1))
        .base_delay(secs(2))
        .factor(3)
        .max_delay(secs(50));
    assert_eq!(delays(&mut longest(policy), 6), [1, 2, 6, 18, 50, 50].map(secs));
    // A base beyond the longest is truncated, too.
    let policy = Policy::new().base_delay(secs(100));
    assert_eq!(delays(&mut longest(policy), 3), [5, 60, 60].map(secs));
}

/// CL-28: the first delay is between zero and some seconds, and the others vary by the jitter.
#[test]
fn delays_are_spread_over_their_ranges() {
    let bounds: [(u64, u64); 7] = [
        (0, 5000),
        (2500, 5000),
        (5000, 10_000),
        (10_000, 20_000),
        (20_000, 40_000),
        (30_000, 60_000),
        (30_000, 60_000),
    ];
    let mut sums = [Duration::ZERO; 7];
    let mut extremes = [(Duration::MAX, Duration::ZERO); 7];
    for seed in 0..SEEDS {
        let mut backoff = Backoff::new(Policy::new()).entropy(Seeded::new(seed));
        for (retry, delay) in delays(&mut backoff, 7).into_iter().enumerate() {
            let (low, high) = bounds[retry];
            let range = Duration::from_millis(low)..=Duration::from_millis(high);
            assert!(range.contains(&delay), "seed {seed}, retry {retry}: {delay:?}");
            sums[retry] += delay;
            extremes[retry] = (extremes[retry].0.min(delay), extremes[retry].1.max(delay));
        }
    }
    for (retry, (low, high)) in bounds.into_iter().enumerate() {
        let (mean, middle) = (sums[retry].as_millis() / u128::from(SEEDS), u128::from(low + high) / 2);
        let tenth = (high - low) / 10;
        assert!(
            mean.abs_diff(middle) < u128::from(tenth),
            "retry {retry}: {mean} ms, not around {middle} ms"
        );
        assert!(
            extremes[retry].0 < Duration::from_millis(low + tenth),
            "retry {retry}: never short"
        );
        assert!(
            extremes[retry].1 > Duration::from_millis(high - tenth),
            "retry {retry}: never long"
        );
    }
}

/// CL-28: clients that lose their connections at the same time do not reconnect at the same time.
#[test]
fn seeds_differ() {
    let mut firsts: Vec<_> = (0..SEEDS)
        .map(|seed| delays(&mut Backoff::default().entropy(Seeded::new(seed)), 1)[0])
        .collect();
    firsts.sort();
    firsts.dedup();
    assert!(firsts.len() > 1980);
}

#[test]
fn jitter_follows_the_policy() {
    for (jitter, shortest_ms) in [(0, 8000), (25, 6000), (100, 0), (255, 0)] {
        let policy = Policy::new().base_delay(secs(8)).jitter(jitter);
        assert_eq!(delays(&mut shortest(policy), 2)[1], Duration::from_millis(shortest_ms));
        assert_eq!(delays(&mut longest(policy), 2)[1], secs(8));
    }
}

/// CL-28: after a stable connection the sequence starts again; after an unstable one it continues.
#[test]
fn stable_connections_start_the_sequence_again() {
    let mut backoff = longest(Policy::new().stable_after(secs(30)).max_retries(4));
    assert_eq!(delays(&mut backoff, 3), [5, 5, 10].map(secs));
    // Not stable.
    backoff.connected(at(100));
    assert_eq!(retry(&mut backoff, at(129), Wait::Backoff), Ok(secs(20)));
    assert_eq!(backoff.retries(), 4);
    // Just stable enough. All four retries are available again.
    backoff.connected(at(200));
    assert_eq!(retry(&mut backoff, at(230), Wait::Backoff), Ok(secs(5)));
    assert_eq!(backoff.retries(), 1);
    assert_eq!(
        retry(&mut backoff, at(300), Wait::Backoff),
        Ok(secs(5)),
        "a connection counts once"
    );
}

#[test]
fn a_clock_that_goes_back_does_no_harm() {
    let mut backoff = longest(Policy::new().give_up_after(secs(100)));
    backoff.connected(at(100));
    assert_eq!(retry(&mut backoff, at(50), Wait::Backoff), Ok(secs(5)));
    assert_eq!(retry(&mut backoff, at(20), Wait::Backoff), Ok(secs(5)));
}

/// CL-30: the server's delay is added to the client's, and is bounded.
#[test]
fn retry_after_comes_before_the_delay() {
    let mut backoff = longest(Policy::new().max_retry_after(secs(600)));
    assert_eq!(retry(&mut backoff, Time::ZERO, Wait::AtLeast(secs(7))), Ok(secs(7 + 5)));
    assert_eq!(retry(&mut backoff, Time::ZERO, Wait::AtLeast(secs(7))), Ok(secs(7 + 5)));
    assert_eq!(
        retry(&mut backoff, Time::ZERO, Wait::AtLeast(secs(7))),
        Ok(secs(7 + 10))
    );
    // A server cannot keep a client away for ever.
    assert_eq!(
        retry(&mut backoff, Time::ZERO, Wait::AtLeast(Duration::MAX)),
        Ok(secs(600 + 20))
    );
}

#[test]
fn a_restart_is_waited_for_between_5_and_30_seconds() {
    assert_eq!(
        retry(&mut shortest(Policy::new()), Time::ZERO, Wait::Restart),
        Ok(secs(5))
    );
    assert_eq!(
        retry(&mut longest(Policy::new()), Time::ZERO, Wait::Restart),
        Ok(secs(30))
    );
    for seed in 0..SEEDS {
        let mut backoff = Backoff::default().entropy(Seeded::new(seed));
        let delay = retry(&mut backoff, Time::ZERO, Wait::Restart).expect("no bound");
        assert!((secs(5)..=secs(30)).contains(&delay), "seed {seed}: {delay:?}");
    }
    // Endless service restarts are answered with growing delays as well.
    let mut backoff = longest(Policy::new());
    delays(&mut backoff, 6);
    assert_eq!(retry(&mut backoff, Time::ZERO, Wait::Restart), Ok(secs(60)));
}

#[test]
fn an_overloaded_service_is_left_alone() {
    let mut backoff = shortest(Policy::new());
    assert_eq!(retry(&mut backoff, Time::ZERO, Wait::Longest), Ok(secs(30)));
    assert_eq!(
        retry(&mut backoff, Time::ZERO, Wait::Backoff),
        Ok(secs(30)),
        "and it stays so"
    );
    assert_eq!(
        retry(&mut longest(Policy::new()), Time::ZERO, Wait::Longest),
        Ok(secs(60))
    );
}

#[test]
fn retries_are_bounded() {
    let mut backoff = longest(Policy::new().max_retries(3));
    delays(&mut backoff, 3);
    for _ in 0..2 {
        assert_eq!(retry(&mut backoff, Time::ZERO, Wait::Backoff), Err(GiveUp::Retries));
    }
    backoff.reset();
    assert_eq!(delays(&mut backoff, 3), [5, 5, 10].map(secs));
    let mut none = longest(Policy::new().max_retries(0));
    assert_eq!(retry(&mut none, Time::ZERO, Wait::Backoff), Err(GiveUp::Retries));
}

#[test]
fn the_time_is_bounded() {
    let mut backoff = longest(Policy::new().give_up_after(secs(60)));
    assert_eq!(retry(&mut backoff, at(1000), Wait::Backoff), Ok(secs(5)));
    assert_eq!(retry(&mut backoff, at(1010), Wait::Backoff), Ok(secs(5)));
    assert_eq!(
        retry(&mut backoff, at(1050), Wait::Backoff),
        Ok(secs(10)),
        "it begins at 1060"
    );
    assert_eq!(retry(&mut backoff, at(1061), Wait::Backoff), Err(GiveUp::Time));
    // A stable connection starts the time again.
    backoff.connected(at(1100));
    assert_eq!(retry(&mut backoff, at(1200), Wait::Backoff), Ok(secs(5)));
    // The delay that the server requests counts, too.
    assert_eq!(
        retry(&mut backoff, at(1200), Wait::AtLeast(secs(60))),
        Err(GiveUp::Time)
    );
}

/// CL-31: a failure that is unlikely to pass is retried for ten minutes, or without limit once a connection was stable.
#[test]
fn unlikely_failures_are_bounded_until_a_connection_was_stable() {
    let unlikely = Verdict::Unlikely(Wait::Backoff);
    let mut backoff = longest(Policy::new());
    let mut now = Duration::ZERO;
    let outcome = loop {
        match backoff.next_delay(Time::from_origin(now), unlikely) {
            Ok(Some(delay)) => now += delay,
            outcome => break outcome,
        }
    };
    assert_eq!(outcome, Err(GiveUp::Unlikely));
    assert!((secs(540)..secs(600)).contains(&now), "{now:?}");
    // Another failure in between starts the time again.
    let now = 600;
    assert_eq!(retry(&mut backoff, at(now), Wait::Backoff), Ok(secs(60)));
    assert_eq!(backoff.next_delay(at(now), unlikely), Ok(Some(secs(60))));
    // A connection that was not stable does not.
    backoff.connected(at(now + 530));
    assert_eq!(backoff.next_delay(at(now + 540), unlikely), Err(GiveUp::Unlikely));
    // After a stable connection the settings are known to be right, whatever a captive portal answers.
    backoff.connected(at(now + 600));
    assert_eq!(backoff.next_delay(at(now + 630), unlikely), Ok(Some(secs(5))));
    for day in 1..100 {
        let delay = backoff.next_delay(at(now + 630 + day * 24 * 3600), unlikely);
        assert!(
            delay.is_ok_and(|delay| delay.is_some_and(|delay| delay <= secs(60))),
            "day {day}"
        );
    }
    // The other limits still apply.
    let mut backoff = longest(Policy::new().max_retries(1));
    assert_eq!(backoff.next_delay(at(0), unlikely), Ok(Some(secs(5))));
    assert_eq!(backoff.next_delay(at(5), unlikely), Err(GiveUp::Retries));
}

#[test]
fn the_application_chooses_what_unlikely_means() {
    let unlikely = Verdict::Unlikely(Wait::Backoff);
    let fatal = Policy::new().give_up_unlikely_after(Duration::ZERO);
    for mut backoff in [shortest(fatal), longest(fatal)] {
        assert_eq!(backoff.next_delay(at(0), unlikely), Err(GiveUp::Unlikely));
    }
    let mut backoff = longest(Policy::new().give_up_unlikely_after(None));
    for day in 0..100 {
        assert!(backoff.next_delay(at(day * 24 * 3600), unlikely).is_ok(), "day {day}");
    }
}

#[test]
fn the_other_verdicts() {
    let mut backoff = longest(Policy::new());
    assert_eq!(backoff.next_delay(at(0), Verdict::Finished), Ok(None));
    for _ in 0..2 {
        assert_eq!(backoff.next_delay(at(0), Verdict::Fatal), Err(GiveUp::Fatal));
    }
    assert_eq!(backoff.retries(), 0);
    assert_eq!(retry(&mut backoff, at(0), Wait::Backoff), Ok(secs(5)));
}

#[test]
fn nothing_overflows() {
    let extreme = Policy::new()
        .first_delay(Duration::MAX)
        .base_delay(Duration::MAX)
        .max_delay(Duration::MAX)
        .max_retry_after(Duration::MAX)
        .factor(u32::MAX)
        .give_up_after(Duration::MAX)
        .give_up_unlikely_after(None);
    for waits in [
        Wait::Backoff,
        Wait::AtLeast(Duration::MAX),
        Wait::Restart,
        Wait::Longest,
    ] {
        for mut backoff in [longest(extreme), shortest(extreme), shortest(extreme.jitter(0))] {
            for _ in 0..100 {
                let now = Time::from_origin(Duration::MAX);
                backoff.connected(Time::ZERO);
                let _ = retry(&mut backoff, now, waits).expect("no bound");
                let _ = backoff.next_delay(now, Verdict::Unlikely(waits)).expect("no bound");
            }
        }
    }
    assert_eq!(delays(&mut longest(extreme), 2), [Duration::MAX; 2]);
    assert_eq!(delays(&mut shortest(extreme), 1), [Duration::ZERO]);
    // Zero is allowed, too.
    let none = Policy::new()
        .first_delay(Duration::ZERO)
        .base_delay(Duration::ZERO)
        .factor(0)
        .max_delay(Duration::ZERO);
    assert_eq!(delays(&mut longest(none), 100), [Duration::ZERO; 100]);
    let constant = Policy::new().factor(0);
    assert_eq!(delays(&mut longest(constant), 4), [secs(5); 4]);
    let mut long = longest(Policy::new());
    assert_eq!(delays(&mut long, 10_000)[9_999], secs(60));
}

#[test]
fn without_entropy_every_delay_is_the_longest() {
    let mut backoff = Backoff::new(Policy::new()).entropy(Arc::new(Dry));
    assert_eq!(delays(&mut backoff, 5), [5, 5, 10, 20, 40].map(secs));
}

#[test]
fn the_same_randomness_makes_the_same_delays() {
    let run = |seed| delays(&mut Backoff::default().entropy(Seeded::new(seed)), 20);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
