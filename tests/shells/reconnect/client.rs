//! The reconnecting client on tokio, with a paused clock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future, pending},
    io,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::duplex,
    time::{Instant, advance, sleep},
};
use websocket_proto::{
    CloseCode, Error, Message, Phase,
    handshake::HandshakeError,
    reconnect::{Backoff, GiveUp, Policy, Verdict, Wait},
    tokio::{Reconnect, WebSocket},
};

use crate::support::{Constant, Seeded};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn refused() -> Error {
    Error::Io(io::ErrorKind::ConnectionRefused.into())
}

/// The times at which a client connects, counted from the beginning.
type Starts = Rc<RefCell<Vec<Duration>>>;

type Attempt = std::future::Ready<Result<u32, Error>>;

/// A client with the longest delays, whose attempts succeed according to the script, until the script ends.
fn scripted(
    policy: Policy,
    script: impl IntoIterator<Item = Result<u32, Error>>,
) -> (Reconnect<impl FnMut() -> Attempt, Attempt>, Starts) {
    let (began, starts) = (Instant::now(), Starts::default());
    let mut script: VecDeque<_> = script.into_iter().collect();
    let backoff = Backoff::new(policy).entropy(Arc::new(Constant(u32::MAX)));
    let log = Rc::clone(&starts);
    let reconnect = Reconnect::from_backoff(backoff, move || {
        log.borrow_mut().push(began.elapsed());
        std::future::ready(script.pop_front().unwrap_or_else(|| Err(refused())))
    });
    (reconnect, starts)
}

/// CL-28: the first attempt is made at once, the others after growing delays.
#[tokio::test(start_paused = true)]
async fn attempts_follow_the_policy() {
    let script = (0..5).map(|_| Err(refused())).chain([Ok(1)]);
    let (mut reconnect, starts) = scripted(Policy::new(), script);
    assert_eq!(reconnect.next().await.expect("the last succeeds"), Some(1));
    assert_eq!(*starts.borrow(), [0, 5, 10, 20, 40, 80].map(secs));
    assert_eq!(reconnect.attempts(), 6);
    assert_eq!(reconnect.backoff().retries(), 5);
}

/// CL-28: a stable connection starts the sequence again, and the delay starts at its end.
#[tokio::test(start_paused = true)]
async fn stability() {
    let script = [Err(refused()), Err(refused()), Ok(1), Ok(2), Ok(3), Ok(4)];
    let (mut reconnect, starts) = scripted(Policy::new(), script);
    assert_eq!(reconnect.next().await.expect("a connection"), Some(1)); // at 10 s
    advance(secs(29)).await;
    reconnect.ended(CloseCode::GOING_AWAY);
    advance(secs(3)).await;
    assert_eq!(reconnect.next().await.expect("a connection"), Some(2)); // 10 s after 39 s
    advance(secs(30)).await;
    reconnect.ended(CloseCode::GOING_AWAY);
    assert_eq!(reconnect.next().await.expect("a connection"), Some(3)); // 5 s after 79 s
    assert_eq!(reconnect.backoff().retries(), 1);
    // How it ended is not reported.
    assert_eq!(reconnect.next().await.expect("a connection"), Some(4));
    assert_eq!(*starts.borrow(), [0, 5, 10, 49, 84, 89].map(secs));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let (mut reconnect, starts) = scripted(Policy::new().max_retries(3), []);
    let gave_up = reconnect.next().await.expect_err("nobody listens");
    assert_eq!(gave_up.reason(), GiveUp::Retries);
    assert_eq!(gave_up.attempts(), 4);
    assert_eq!(
        gave_up.to_string(),
        "gave up: no retries left: I/O error: connection refused"
    );
    assert!(
        std::error::Error::source(&gave_up).is_none(),
        "the text contains the cause"
    );
    assert!(matches!(gave_up.into_error(), Some(Error::Io(_))));
    // This lasts until the application changes it.
    let again = reconnect.next().await.expect_err("it was given up");
    assert_eq!((again.reason(), again.error().is_none()), (GiveUp::Retries, true));
    assert_eq!(starts.borrow().len(), 4);
    reconnect.reset();
    assert_eq!(reconnect.next().await.expect_err("nobody listens").attempts(), 8);
}

#[tokio::test(start_paused = true)]
async fn the_time_is_bounded() {
    let (mut reconnect, starts) = scripted(Policy::new().give_up_after(secs(30)), []);
    let gave_up = reconnect.next().await.expect_err("nobody listens");
    assert_eq!(gave_up.reason(), GiveUp::Time);
    assert_eq!(*starts.borrow(), [0, 5, 10, 20].map(secs));
}

#[tokio::test(start_paused = true)]
async fn fatal_failures_end_it() {
    let (mut reconnect, starts) = scripted(Policy::new(), [Err(refused()), Err(Error::TlsUnavailable)]);
    let gave_up = reconnect.next().await.expect_err("a fatal failure");
    assert_eq!(gave_up.reason(), GiveUp::Fatal);
    assert!(matches!(gave_up.error(), Some(Error::TlsUnavailable)));
    assert_eq!(starts.borrow().len(), 2);
    reconnect.next().await.expect_err("it was given up");
}

#[tokio::test(start_paused = true)]
async fn a_fatal_end_ends_it() {
    let (mut reconnect, _) = scripted(Policy::new(), [Ok(1), Ok(2)]);
    reconnect.ended(Verdict::Fatal); // without effect, because there is no connection
    assert_eq!(reconnect.next().await.expect("a connection"), Some(1));
    reconnect.ended(CloseCode::new(4001));
    let gave_up = reconnect.next().await.expect_err("a fatal end");
    assert_eq!((gave_up.reason(), gave_up.error().is_none()), (GiveUp::Fatal, true));
    assert_eq!(gave_up.to_string(), "gave up: another attempt would fail as well");
}

/// CL-31: a captive portal, or an expired certificate, does not end a client whose settings were right.
#[tokio::test(start_paused = true)]
async fn unlikely_failures_end_it_only_before_a_stable_connection() {
    let portal = || Err(Error::Handshake(HandshakeError::NotHttp));
    let (mut reconnect, starts) = scripted(Policy::new(), (0..100).map(|_| portal()));
    let gave_up = reconnect.next().await.expect_err("the portal stays");
    assert_eq!(gave_up.reason(), GiveUp::Unlikely);
    assert!(matches!(
        gave_up.error(),
        Some(Error::Handshake(HandshakeError::NotHttp))
    ));
    let last = *starts.borrow().last().expect("attempts");
    assert!((secs(500)..secs(600)).contains(&last), "{last:?}");

    let script = [Ok(1)].into_iter().chain((0..1000).map(|_| portal())).chain([Ok(2)]);
    let (mut reconnect, starts) = scripted(Policy::new(), script);
    assert_eq!(reconnect.next().await.expect("a connection"), Some(1));
    advance(secs(30)).await;
    reconnect.ended(CloseCode::ABNORMAL);
    assert_eq!(reconnect.next().await.expect("a connection, at last"), Some(2));
    assert!(*starts.borrow().last().expect("attempts") > secs(12 * 3600));
}

#[tokio::test(start_paused = true)]
async fn a_finished_connection_is_the_last() {
    let (mut reconnect, starts) = scripted(Policy::new(), [Ok(1), Ok(2)]);
    assert_eq!(reconnect.next().await.expect("a connection"), Some(1));
    reconnect.ended(CloseCode::NORMAL);
    for _ in 0..2 {
        assert_eq!(reconnect.next().await.expect("a good end"), None);
    }
    assert_eq!(starts.borrow().len(), 1);
    reconnect.reset();
    assert_eq!(reconnect.next().await.expect("a connection"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_application_may_classify() {
    let script = [Err(Error::TlsUnavailable), Err(refused()), Err(refused())];
    let (reconnect, starts) = scripted(Policy::new(), script);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let mut reconnect = reconnect.classify(move |error| match (count.fetch_add(1, Ordering::Relaxed), error) {
        (0, Error::TlsUnavailable) => Verdict::Retry(Wait::AtLeast(secs(100))),
        (1, error) => error.into(),
        _ => Verdict::Finished,
    });
    assert_eq!(reconnect.next().await.expect("finished"), None);
    assert_eq!(*starts.borrow(), [0, 105, 110].map(secs));
    assert_eq!(seen.load(Ordering::Relaxed), 3, "each failure is seen once");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_is_bounded() {
    let began = Instant::now();
    let policy = Policy::new().attempt_timeout(secs(7)).max_retries(1);
    let backoff = Backoff::new(policy).entropy(Arc::new(Constant(u32::MAX)));
    let mut reconnect = Reconnect::from_backoff(backoff, pending::<Result<(), Error>>);
    let gave_up = reconnect.next().await.expect_err("it never connects");
    assert!(matches!(gave_up.error(), Some(Error::TimedOut(Phase::Attempt))));
    assert_eq!(began.elapsed(), secs(7 + 5 + 7));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_may_be_unbounded() {
    let policy = Policy::new().attempt_timeout(None);
    let mut reconnect = Reconnect::new(policy, pending::<Result<(), Error>>);
    tokio::select! {
        _ = reconnect.next() => panic!("it never connects"),
        () = sleep(secs(1_000_000)) => {}
    }
    assert_eq!(reconnect.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_be_cut_short() {
    let (mut reconnect, starts) = scripted(Policy::new(), [Err(refused()), Ok(1)]);
    assert_eq!(reconnect.waits_until(), None);
    tokio::select! {
        _ = reconnect.next() => panic!("it waits for 5 s"),
        () = sleep(secs(2)) => {}
    }
    assert_eq!(reconnect.waits_until(), Some(Instant::now() + secs(3)));
    reconnect.retry_now();
    assert_eq!(reconnect.next().await.expect("a connection"), Some(1));
    assert_eq!(*starts.borrow(), [0, 2].map(secs));
    reconnect.retry_now(); // without effect
    reconnect.ended(CloseCode::NORMAL);
    assert_eq!(reconnect.next().await.expect("a good end"), None);
}

#[tokio::test(start_paused = true)]
async fn delays_beyond_the_clock() {
    let policy = Policy::new().first_delay(Duration::MAX).attempt_timeout(Duration::MAX);
    let (mut reconnect, _) = scripted(policy, []);
    tokio::select! {
        _ = reconnect.next() => panic!("it waits for ever"),
        () = sleep(secs(60)) => {}
    }
    assert!(reconnect.waits_until().expect("it waits") > Instant::now() + secs(365 * 24 * 3600));
}

/// Polls a future this number of times; `None` if it was not ready by then.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        let poll = future.as_mut().poll(cx).map(Some);
        if poll.is_pending() && left == 0 {
            cx.waker().wake_by_ref();
        }
        poll
    })
    .await
}

/// A `next` that is dropped after any number of polls does not lose a wait, an attempt or its position in the sequence.
#[tokio::test(start_paused = true)]
async fn next_is_cancel_safe() {
    const MS: Duration = Duration::from_millis(1);
    let mut uncut = None;
    for polls in [usize::MAX, 1, 2, 3, 4, 5, 6, 7, 8] {
        let (began, starts) = (Instant::now(), Starts::default());
        let entropy = Seeded::new(1);
        let backoff = Backoff::new(Policy::new()).entropy(entropy.clone());
        let (log, mut number) = (Rc::clone(&starts), 0);
        let mut reconnect = Reconnect::from_backoff(backoff, move || {
            log.borrow_mut().push(began.elapsed());
            number += 1;
            let succeeds = number == 6;
            async move {
                // It waits several times, so that it is dropped in between.
                for _ in 0..3 {
                    sleep(10 * MS).await;
                }
                if succeeds {
                    Ok(())
                } else {
                    Err(Error::Handshake(HandshakeError::Eof))
                }
            }
        });
        loop {
            match polled(reconnect.next(), polls).await {
                Some(outcome) => break assert!(outcome.expect("the last succeeds").is_some()),
                // The caller that dropped it does something else for a while.
                None => sleep(MS).await,
            }
        }
        let starts = starts.take();
        assert_eq!(
            (starts.len(), reconnect.attempts(), entropy.draws()),
            (6, 6, 5),
            "{polls} polls"
        );
        let expected = uncut.get_or_insert_with(|| starts.clone());
        for (retry, (found, expected)) in (0_u32..).zip(starts.iter().zip(&*expected)) {
            // Each start is late by at most the caller's absence, twice for each attempt.
            let late = found.checked_sub(*expected).expect("never early");
            assert!(
                late <= (retry + 1) * 8 * MS,
                "{polls} polls, start {retry}: {late:?} late"
            );
        }
    }
}

/// It can be used from any task, and with a whole connection.
#[tokio::test(start_paused = true)]
async fn real_connections() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let client = tokio::spawn(async move {
        let mut reconnect = Reconnect::new(Policy::new(), move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                let (near, far) = duplex(4096);
                tokio::spawn(server(far, number));
                WebSocket::client(near, "ws://localhost/".parse()?).await
            }
        });
        let mut texts = Vec::new();
        while let Some(mut websocket) = reconnect.next().await? {
            while let Ok(Some(Message::Text(text))) = websocket.recv().await {
                texts.push(text.as_str().to_owned());
            }
            reconnect.ended(websocket.close_info());
        }
        Ok::<_, websocket_proto::tokio::GaveUp>(texts)
    });
    let texts = client.await.expect("no panic").expect("a good end");
    assert_eq!(texts, ["connection 1", "connection 3", "connection 4"]);
    assert_eq!(attempts.load(Ordering::Relaxed), 5);
}

/// A server that refuses two attempts, is lost once, goes away once, and closes the last connection normally.
async fn server(stream: tokio::io::DuplexStream, number: usize) {
    use websocket_proto::{
        Config,
        handshake::{Accept, Rejection},
    };
    let accepted = WebSocket::accept_with(stream, &Config::new(), async |_| match number {
        0 => Err(Rejection::new(503).header("Retry-After", "30")),
        2 => Err(Rejection::new(500)),
        _ => Ok(Accept::new()),
    })
    .await;
    let Ok((mut websocket, _)) = accepted else { return };
    websocket
        .send(format!("connection {number}"))
        .await
        .expect("it is open");
    match number {
        1 => {}
        3 => websocket.close(CloseCode::GOING_AWAY).await.expect("a clean close"),
        _ => websocket.close(CloseCode::NORMAL).await.expect("a clean close"),
    }
}
