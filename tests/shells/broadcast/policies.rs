//! What happens to slow receivers.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep, timeout};
use websocket_proto::{
    CloseCode, SendError,
    tokio::{Broadcast, SubscriptionEnd, WhenSlow},
};

use crate::{is_ready, take, text};

const PATIENCE: Duration = Duration::from_secs(5);

const WAIT: WhenSlow = WhenSlow::Wait { at_most: PATIENCE };

async fn send_numbers(room: &Broadcast, numbers: std::ops::Range<usize>) -> (usize, usize, usize) {
    let (mut queued, mut missed, mut disconnected) = (0, 0, 0);
    for i in numbers {
        let outcome = room.send(&text(i.to_string())).await;
        queued += outcome.queued;
        missed += outcome.missed;
        disconnected += outcome.disconnected;
    }
    (queued, missed, disconnected)
}

#[tokio::test]
async fn dropped_messages_are_counted() {
    let room = Broadcast::new();
    let mut newest = room.subscribe(3, WhenSlow::DropMessage);
    let mut oldest = room.subscribe(3, WhenSlow::DropOldest);
    // A capacity of zero counts as one.
    let mut least = room.subscribe(0, WhenSlow::DropOldest);
    assert_eq!(send_numbers(&room, 0..5).await, (3 + 5 + 5, 2 + 2 + 4, 0));
    assert_eq!((newest.missed(), oldest.missed(), least.missed()), (2, 2, 4));
    assert_eq!(take(&mut newest), ["0", "1", "2"]);
    assert_eq!(take(&mut oldest), ["2", "3", "4"]);
    assert_eq!(take(&mut least), ["4"]);
    assert_eq!(send_numbers(&room, 5..6).await, (3, 0, 0));
    assert_eq!((take(&mut newest), newest.missed()), (vec!["5".into()], 2));
}

#[tokio::test]
async fn disconnecting() {
    let room = Broadcast::new();
    let mut slow = room.subscribe(3, WhenSlow::Disconnect);
    let mut fast = room.subscribe(9, WhenSlow::Disconnect);
    // Its connection accepts nothing.
    let mut stuck = Box::pin(slow.unless_too_slow(std::future::pending::<()>()));
    assert!(!is_ready(stuck.as_mut()));
    assert_eq!(send_numbers(&room, 0..3).await, (6, 0, 0));
    assert_eq!(send_numbers(&room, 3..5).await, (2, 0, 1));
    assert_eq!(room.receivers(), 1);
    assert_eq!(stuck.await, None);
    assert_eq!(slow.queued(), 0, "nothing is queued for it");
    for _ in 0..2 {
        assert_eq!(slow.recv().await.map(drop), Err(SubscriptionEnd::TooSlow));
    }
    assert_eq!(slow.unless_too_slow(std::future::pending::<()>()).await, None);
    assert_eq!(SubscriptionEnd::TooSlow.close_code(), CloseCode::TRY_AGAIN_LATER);
    assert_eq!(take(&mut fast), ["0", "1", "2", "3", "4"]);
}

/// DRV-13: a receiver is not slow merely because its task had no turn yet. What is queued for it in the meantime is bounded.
#[tokio::test]
async fn a_burst_does_not_make_a_receiver_slow() {
    let room = Broadcast::new();
    let mut receiver = room.subscribe(3, WhenSlow::Disconnect);
    assert_eq!(send_numbers(&room, 0..10_000).await, (10_000, 0, 0));
    assert_eq!(take(&mut receiver).len(), 10_000);
    assert_eq!(send_numbers(&room, 0..100_000).await.2, 1);
    assert_eq!(receiver.recv().await.map(drop), Err(SubscriptionEnd::TooSlow));

    let mut receiver = room.subscribe(3, WhenSlow::Disconnect);
    let large = text("x".repeat(400_000));
    let mut sent = 0;
    while room.send(&large).await.disconnected == 0 {
        sent += 1;
    }
    assert_eq!(sent, 3, "at most 1 MiB beyond its capacity");
    assert!(receiver.recv().await.is_err());
}

/// The sender waits for room as long as its patience allows, and the message that it waits with is not lost.
#[tokio::test(start_paused = true)]
async fn waiting_for_room() {
    let room = Broadcast::new();
    let mut slow = room.subscribe(2, WAIT);
    let mut other = room.subscribe(1, WhenSlow::DropOldest);
    let began = Instant::now();
    let sender = tokio::spawn({
        let room = room.clone();
        async move { send_numbers(&room, 0..10).await }
    });
    let mut got = Vec::new();
    while got.len() < 10 {
        // Each message that the receiver takes renews the patience.
        sleep(PATIENCE - Duration::from_millis(10)).await;
        got.extend(slow.try_recv().unwrap().map(|message| crate::string(&message)));
    }
    assert!(began.elapsed() > PATIENCE * 8);
    assert_eq!(sender.await.unwrap(), (20, 9, 0));
    assert_eq!(got, (0..10).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(take(&mut other), ["9"]);
}

/// A sender waits once for a receiver that takes nothing, and for all such receivers at the same time.
#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let room = Broadcast::new();
    let mut stuck: Vec<_> = (0..100).map(|_| room.subscribe(1, WAIT)).collect();
    let mut longer = room.subscribe(1, WhenSlow::Wait { at_most: PATIENCE * 2 });
    let mut other = room.subscribe(9, WAIT);
    assert_eq!(send_numbers(&room, 0..1).await, (102, 0, 0));
    let began = Instant::now();
    assert_eq!(send_numbers(&room, 1..2).await, (1, 0, 101));
    let took = began.elapsed();
    assert!(
        took >= PATIENCE * 2 && took < PATIENCE * 2 + Duration::from_millis(10),
        "{took:?}"
    );
    for subscription in stuck.iter_mut().chain([&mut longer]) {
        assert_eq!(subscription.try_recv().map(drop), Err(SubscriptionEnd::TooSlow));
    }
    assert_eq!(take(&mut other), ["0", "1"]);
    let began = Instant::now();
    assert_eq!(send_numbers(&room, 2..9).await, (7, 0, 0));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Receivers whose patience ends first are notified at once, although the sender still waits for another.
#[tokio::test(start_paused = true)]
async fn the_impatient_are_notified_while_others_are_awaited() {
    let room = Broadcast::new();
    let mut stuck = room.subscribe(1, WAIT);
    let _longer = room.subscribe(1, WhenSlow::Wait { at_most: Duration::MAX });
    room.send(&text("")).await;
    let waits = tokio::spawn(async move { stuck.unless_too_slow(std::future::pending::<()>()).await });
    let sender = tokio::spawn({
        let room = room.clone();
        async move { room.send(&text("")).await }
    });
    sleep(PATIENCE + Duration::from_millis(10)).await;
    assert!(waits.is_finished() && !sender.is_finished());
    sleep(PATIENCE * 1000).await;
    assert!(!sender.is_finished());
    sender.abort();
}

/// A sender no longer waits for a receiver that leaves, nor for a group that is closed.
#[tokio::test(start_paused = true)]
async fn leaving_while_a_sender_waits() {
    for leaves in [true, false] {
        let room = Broadcast::new();
        let stuck = room.subscribe(1, WAIT);
        let second = room.subscribe(1, WAIT);
        room.send(&text("")).await;
        let senders = [(); 3].map(|()| {
            let room = room.clone();
            tokio::spawn(async move { room.send(&text("")).await.queued })
        });
        let began = Instant::now();
        sleep(Duration::from_secs(1)).await;
        if leaves {
            drop(stuck);
            sleep(Duration::from_secs(1)).await;
            assert!(senders.iter().all(|sender| !sender.is_finished()));
            drop(second);
        } else {
            room.close();
        }
        for sender in senders {
            assert_eq!(sender.await.unwrap(), 0);
        }
        assert!(began.elapsed() < PATIENCE);
    }
}

/// A message that was not sent went to no receiver; the next one goes to all.
#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped() {
    let room = Broadcast::new();
    let mut stuck = room.subscribe(1, WAIT);
    let mut other = room.subscribe(9, WhenSlow::DropMessage);
    room.send(&text("first")).await;
    for _ in 0..3 {
        assert!(timeout(PATIENCE / 10, room.send(&text("dropped"))).await.is_err());
        assert!(!is_ready(room.send(&text("dropped"))));
        assert_eq!(room.try_send(&text("refused")), Err(SendError::Full(())));
    }
    assert_eq!((stuck.queued(), other.queued()), (1, 1));
    assert_eq!(take(&mut stuck), ["first"]);
    // The sender waits for no receiver any more, so the patience starts again.
    advance(PATIENCE * 2).await;
    assert!(is_ready(room.send(&text("second"))));
    assert!(!is_ready(room.send(&text("dropped"))));
    assert_eq!(take(&mut stuck), ["second"]);
    assert_eq!(take(&mut other), ["first", "second"]);
}

/// A sender that must wait ignores receivers with other policies, and does not affect them.
#[tokio::test(start_paused = true)]
async fn policies_do_not_mix() {
    let room = Broadcast::new();
    let mut patient = room.subscribe(2, WAIT);
    let mut dropping = room.subscribe(1, WhenSlow::DropMessage);
    let mut disconnecting = room.subscribe(1, WhenSlow::Disconnect);
    let mut stuck = Box::pin(disconnecting.unless_too_slow(std::future::pending::<()>()));
    assert!(!is_ready(stuck.as_mut()));
    let began = Instant::now();
    assert_eq!(send_numbers(&room, 0..2).await, (2 + 1 + 1, 1, 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(take(&mut patient), ["0", "1"]);
    assert_eq!(take(&mut dropping), ["0"]);
    drop(stuck);
    assert_eq!(disconnecting.try_recv().map(drop), Err(SubscriptionEnd::TooSlow));
}
