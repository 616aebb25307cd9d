//! One message to many connections on the tokio shell. The clock is tokio's, and is paused wherever time matters.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too")]

mod connections;
mod policies;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use tokio::task::JoinSet;
use websocket_proto::{
    PreparedMessage,
    tokio::{Broadcast, Subscription, SubscriptionEnd, WhenSlow},
};

fn text(text: impl Into<String>) -> PreparedMessage {
    PreparedMessage::text(text.into())
}

fn string(message: &PreparedMessage) -> String {
    String::from_utf8(message.as_bytes().into()).unwrap()
}

/// The messages that are available now.
fn take(subscription: &mut Subscription) -> Vec<String> {
    let next = || subscription.try_recv().unwrap_or(None);
    std::iter::from_fn(next).map(|message| string(&message)).collect()
}

/// Polls a future once. If it waits, it has then registered itself.
fn is_ready<F: Future>(future: F) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Whatever several senders send at the same time, all receivers get it in the same order, and nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_receivers_see_the_same_order() {
    const SENDERS: usize = 4;
    const MESSAGES: usize = 300;
    let room = Broadcast::new();
    let wait = WhenSlow::Wait {
        at_most: std::time::Duration::from_secs(60),
    };
    let mut receivers = JoinSet::new();
    for i in 0..20 {
        let mut subscription = room.subscribe(1 + i % 5, wait);
        receivers.spawn(async move {
            let mut got = Vec::new();
            while let Ok(message) = subscription.recv().await {
                got.push(string(&message));
                if got.len() % (i + 3) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            got
        });
    }
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let room = room.clone();
        senders.spawn(async move {
            for i in 0..MESSAGES {
                assert_eq!(room.send(&text(format!("{sender} {i}"))).await.queued, 20);
            }
        });
    }
    drop(room);
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    let all = receivers.join_all().await;
    assert_eq!(all[0].len(), SENDERS * MESSAGES);
    assert!(all.iter().all(|got| *got == all[0]));
    for sender in 0..SENDERS {
        let of_sender: Vec<_> = all[0]
            .iter()
            .filter(|text| text.starts_with(&format!("{sender} ")))
            .collect();
        let expected: Vec<_> = (0..MESSAGES).map(|i| format!("{sender} {i}")).collect();
        assert!(of_sender.into_iter().eq(&expected));
    }
}

/// Receivers join and leave at any time, and get what is sent while they are subscribed.
#[tokio::test]
async fn membership() {
    let room = Broadcast::default();
    assert_eq!(room.send(&text("to nobody")).await.queued, 0);
    let mut first = room.subscribe(9, WhenSlow::DropMessage);
    room.send(&text("one")).await;
    let mut second = room.clone().subscribe(9, WhenSlow::Disconnect);
    let third = room.subscribe(9, WhenSlow::DropOldest);
    assert_eq!((room.receivers(), room.send(&text("two")).await.queued), (3, 3));
    assert_eq!((first.queued(), second.queued()), (2, 1));
    drop(third);
    assert_eq!(take(&mut first), ["one", "two"]);
    drop(first);
    assert_eq!((room.receivers(), room.send(&text("three")).await.queued), (1, 1));
    assert_eq!(take(&mut second), ["two", "three"]);
    drop(second);
    assert_eq!(room.receivers(), 0);

    // In any order, including those that were disconnected.
    let mut subscriptions: Vec<_> = (0..100)
        .map(|i| Some(room.subscribe(1 + i % 2, WhenSlow::Disconnect)))
        .collect();
    for i in 0..100 {
        subscriptions[i * 37 % 100] = None;
        let sent = room.try_send(&text("")).unwrap();
        assert_eq!(sent.queued, room.receivers());
        let received = subscriptions.iter_mut().flatten().map(Subscription::try_recv);
        assert_eq!(received.filter(Result::is_ok).count(), sent.queued);
    }
}

/// A message has the same bytes for all receivers.
#[tokio::test]
async fn the_payload_exists_once() {
    let room = Broadcast::new();
    let mut subscriptions = [(); 10].map(|()| room.subscribe(1, WhenSlow::Disconnect));
    let message = text("x".repeat(100_000));
    room.send(&message).await;
    for subscription in &mut subscriptions {
        let received = subscription.recv().await.unwrap();
        assert_eq!(received.as_bytes().as_ptr(), message.as_bytes().as_ptr());
    }
}

/// The end comes after what is queued, for receivers that wait and for those that come later.
#[tokio::test]
async fn a_closed_group() {
    let room = Broadcast::new();
    let (mut queued, mut waiting) = (
        room.subscribe(5, WhenSlow::DropMessage),
        room.subscribe(5, WhenSlow::DropMessage),
    );
    let waiting = tokio::spawn(async move { waiting.recv().await.map(drop) });
    tokio::task::yield_now().await;
    room.send(&text("last words")).await;
    let another = room.clone();
    drop(room);
    another.close();
    assert_eq!(another.receivers(), 0);
    assert_eq!(another.send(&text("too late")).await.queued, 0);
    assert_eq!(take(&mut queued), ["last words"]);
    for _ in 0..2 {
        assert_eq!(queued.recv().await.map(drop), Err(SubscriptionEnd::Closed));
    }
    assert_eq!(waiting.await.unwrap(), Ok(()));
    let mut late = another.subscribe(5, WhenSlow::DropMessage);
    assert_eq!(late.try_recv().map(drop), Err(SubscriptionEnd::Closed));
}

/// When the last handle is dropped, waiting receivers are notified.
#[tokio::test]
async fn no_sender_is_left() {
    let room = Broadcast::new();
    let mut subscription = room.subscribe(5, WhenSlow::DropMessage);
    let waiting = tokio::spawn(async move { subscription.recv().await.map(drop) });
    tokio::task::yield_now().await;
    let clone = room.clone();
    drop(room);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(clone);
    assert_eq!(waiting.await.unwrap(), Err(SubscriptionEnd::Closed));
}

/// A receiver that is dropped by its own waker, while it is woken, calls back into the group: nothing is locked at that time.
#[tokio::test]
async fn wakers_may_do_as_they_like() {
    struct Leaves(std::sync::Mutex<Option<Subscription>>, Broadcast);
    impl std::task::Wake for Leaves {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.lock().unwrap().take();
            self.1.try_send(&text("from a waker")).unwrap();
        }
    }
    let room = Broadcast::new();
    let mut others = room.subscribe(9, WhenSlow::DropMessage);
    for end in [false, true] {
        let leaves = std::sync::Arc::new(Leaves(std::sync::Mutex::default(), room.clone()));
        let mut subscription = room.subscribe(1, WhenSlow::Disconnect);
        let waker = Waker::from(std::sync::Arc::clone(&leaves));
        if end {
            room.try_send(&text("full")).unwrap();
            let never = std::future::pending::<()>();
            let mut waits = Box::pin(subscription.unless_too_slow(never));
            assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        } else {
            let mut recv = Box::pin(subscription.recv());
            assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        *leaves.0.lock().unwrap() = Some(subscription);
        room.try_send(&text("wake")).unwrap();
        assert_eq!(room.receivers(), 1);
    }
    assert_eq!(
        take(&mut others),
        ["wake", "from a waker", "full", "wake", "from a waker"]
    );
}
