//! The first hop: TCP to the address of a host that answers first.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
use alloc::boxed::Box;
use alloc::vec::Vec;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
use core::{future::poll_fn, task::Poll};
use core::{net::SocketAddr, time::Duration};
#[cfg(any(feature = "tokio", feature = "futures-io"))]
use std::io;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
use crate::{error::Error, io::asynchronous::RuntimeTimer};

/// How long an attempt runs before the next one starts (RFC 8305 §8).
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Alternates between the two address families, beginning with the one that the system prefers (RFC 8305 §4), so that
/// an unreachable family does not delay the other.
pub(super) fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == prefers_ipv6);
    let mut ordered = Vec::with_capacity(addresses.len());
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    loop {
        let pair = (preferred.next(), others.next());
        ordered.extend([pair.0, pair.1].into_iter().flatten());
        if pair == (None, None) {
            return ordered;
        }
    }
}

/// Connects to the first address that answers. The next one is tried when the previous one has failed, or has not
/// answered for a while; then both continue in parallel. No address is tried twice, as RFC 6455 §4.1 item 2 requires.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(super) async fn race<S, C: RuntimeTimer, A: Future<Output = io::Result<S>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> A,
) -> Result<S, Error> {
    let mut timer = C::new();
    let mut waiting = addresses.into_iter();
    let mut attempts = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    loop {
        match waiting.next() {
            Some(address) => attempts.push(Box::pin(connect(address))),
            None if attempts.is_empty() => return Err(Error::Connect(failure)),
            None => {}
        }
        let delay = (waiting.len() > 0).then(|| timer.now() + ATTEMPT_DELAY);
        let ended = poll_fn(|cx| {
            for index in 0..attempts.len() {
                if let Poll::Ready(ended) = attempts[index].as_mut().poll(cx) {
                    drop(attempts.remove(index));
                    return Poll::Ready(Some(ended));
                }
            }
            match delay {
                Some(due) => timer.poll_until(due, cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = error,
            None => {}
        }
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use ::tokio::net::TcpStream;

    use super::*;
    use crate::io::tokio::TokioTimer;

    async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, Error> {
        super::race::<_, TokioTimer, _>(addresses, TcpStream::connect).await
    }

    #[test]
    fn families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("valid");
        let ordered = in_turns(["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(address).into());
        assert_eq!(ordered, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(address));
        let ordered = in_turns(["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"].map(address).into());
        assert_eq!(ordered, ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"].map(address));
        assert!(in_turns(Vec::new()).is_empty());
    }

    #[test]
    fn addresses_that_refuse_or_are_silent_are_passed_over() {
        // Built by hand, since tokio's macros are not a dependency of the library.
        ::tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(refusing_and_silent());
    }

    async fn refusing_and_silent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let good = listener.local_addr().expect("bound");
        // Bound but not listening, so that nothing else listens there meanwhile.
        let refusing = ::tokio::net::TcpSocket::new_v4().expect("a socket");
        refusing.bind("127.0.0.1:0".parse().expect("valid")).expect("bound");
        let bad = refusing.local_addr().expect("bound");
        let stream = race([bad, good].into()).await.expect("connected");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        // A connection gets no answer if the listener's queue is full.
        let full = ::tokio::net::TcpSocket::new_v4().expect("a socket");
        full.bind("127.0.0.1:0".parse().expect("valid")).expect("bound");
        let silent = full.local_addr().expect("bound");
        let _full = full.listen(1).expect("listening");
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(TcpStream::connect(silent))).collect();
        for connecting in &mut waiting {
            let _ = ::tokio::time::timeout(Duration::from_millis(10), connecting).await;
        }
        let stream = race([silent, good].into()).await.expect("connected");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        assert!(matches!(race([bad].into()).await, Err(Error::Connect(_))));
    }
}
