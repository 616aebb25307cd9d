//! The scenarios for a peer, each on its own connection.

use std::time::Duration;

use websocket_proto::{CloseCode, CloseFrame, Message, asynchronous::Transport};

use crate::{
    deflate,
    talk::{Complaint, Talk, complain},
};

/// The time limit of one scenario. Ten mebibytes take interpreters a while on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Scenarios without compression.
const PLAIN: [&str; 16] = [
    "sizes",
    "utf8",
    "fragments",
    "pings",
    "pings-between-fragments",
    "unsolicited-pongs",
    "10-mib-text",
    "10-mib-binary",
    "burst",
    "close-1000",
    "close-1001",
    "close-3000",
    "close-4999-long-reason",
    "close-without-code",
    "closed-by-peer-1000",
    "closed-by-peer-4000",
];

/// Lengths around the boundaries of the three forms of the payload length, and of common buffers.
const LENGTHS: [usize; 12] = [0, 1, 2, 125, 126, 127, 1000, 4096, 65_535, 65_536, 65_537, 100_000];

/// Characters of one to four bytes.
const MIXED: &str = "aé€😀";

/// The names of all scenarios, in the order of play.
pub(crate) fn names() -> Vec<String> {
    let plain = PLAIN.map(String::from);
    plain
        .into_iter()
        .chain(deflate::sets().into_iter().map(|(name, _)| name))
        .collect()
}

pub(crate) async fn play<T: Transport>(name: &str, talk: &mut Talk<T>) -> Result<(), Complaint> {
    let normal = || Some(CloseFrame::new(CloseCode::NORMAL, ""));
    match name {
        "sizes" => sizes(talk).await?,
        "utf8" => utf8(talk).await?,
        "fragments" => fragments(talk).await?,
        "pings" => pings(talk).await?,
        "pings-between-fragments" => pings_between_fragments(talk).await?,
        "unsolicited-pongs" => unsolicited_pongs(talk).await?,
        "10-mib-text" => talk.echo(MIXED.repeat(1 << 20)).await?,
        "10-mib-binary" => talk.echo(bytes(10 << 20)).await?,
        "burst" => talk.echo_all(&burst(5000)).await?,
        "close-1000" => return talk.close(Some(CloseFrame::new(CloseCode::NORMAL, "done"))).await,
        "close-1001" => return talk.close(Some(CloseFrame::new(CloseCode::GOING_AWAY, ""))).await,
        "close-3000" => return talk.close(Some(CloseFrame::new(3000.into(), ""))).await,
        "close-4999-long-reason" => {
            // 123 bytes, the longest possible.
            let reason = "😀".repeat(30) + "...";
            return talk.close(Some(CloseFrame::new(4999.into(), &reason))).await;
        }
        "close-without-code" => return talk.close(None).await,
        "closed-by-peer-1000" => return talk.be_closed(1000, "").await,
        "closed-by-peer-4000" => return talk.be_closed(4000, "that will do").await,
        "deflate-empty-messages" => empty_messages(talk).await?,
        "deflate-pings-between-fragments" => pings_between_fragments(talk).await?,
        _ if name.starts_with("deflate-") => compressed(talk).await?,
        _ => return complain(format!("there is no scenario {name}")),
    }
    talk.close(normal()).await
}

async fn sizes<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    for length in LENGTHS {
        talk.echo("x".repeat(length)).await?;
        talk.echo(bytes(length)).await?;
    }
    Ok(())
}

/// The ends of the ranges for each encoded length of a character, and characters that consist of several code points.
async fn utf8<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    let edges = "\0 \u{7f}\u{80} \u{7ff}\u{800} \u{d7ff}\u{e000} \u{ffff}\u{10000} \u{10ffff} \u{feff}";
    for text in edges.split(' ').chain([MIXED, "👩‍👩‍👧‍👦 𝄞 𐍈", "\u{feff}x"]) {
        talk.echo(text).await?;
    }
    Ok(())
}

async fn fragments<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    let (text, binary) = (MIXED.repeat(200).into(), bytes(2000).into());
    for size in [1, 2, 3, 7, 64, 125, 126, 127, 1000, 1999] {
        talk.fragments(&text, size).await?;
        talk.fragments(&binary, size).await?;
    }
    talk.fragments(&bytes(1 << 20).into(), 1 << 16).await
}

async fn pings<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    for length in [0, 1, 2, 124, 125] {
        talk.ping(&bytes(length)).await?;
    }
    talk.echo("messages still arrive").await
}

async fn pings_between_fragments<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    for size in [100, 333, 1000] {
        talk.fragments_and_pings(&MIXED.repeat(200).into(), size).await?;
        talk.fragments_and_pings(&bytes(2000).into(), size).await?;
    }
    Ok(())
}

/// RFC 6455, section 5.5.3: no answer is expected.
async fn unsolicited_pongs<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    talk.pong(b"unsolicited").await?;
    talk.pong(b"").await?;
    talk.echo("messages still arrive").await?;
    talk.ping(b"and so do pings").await
}

/// RFC 7692, section 7.2.3.6: an empty message has a payload when it is compressed.
async fn empty_messages<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    for text in ["", "", "x", ""] {
        talk.echo(text).await?;
        talk.echo(text.as_bytes()).await?;
    }
    Ok(())
}

/// Messages for compression: short, repetitive, incompressible, fragmented, and many in a row.
async fn compressed<T: Transport>(talk: &mut Talk<T>) -> Result<(), Complaint> {
    for length in LENGTHS.into_iter().filter(|&length| length > 0) {
        talk.echo("x".repeat(length)).await?;
        talk.echo(bytes(length)).await?;
    }
    // Each refers to those before it, if context takeover is allowed.
    for number in 0..50 {
        talk.echo(format!(r#"{{"type":"update","number":{number},"text":"{MIXED}"}}"#))
            .await?;
    }
    // Longer than any window, so that it moves.
    talk.echo(noise(200_000)).await?;
    talk.echo(MIXED.repeat(50_000)).await?;
    talk.fragments(&MIXED.repeat(2000).into(), 999).await?;
    talk.fragments(&noise(70_000).into(), 10_000).await?;
    talk.echo_all(&burst(500)).await
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8)).to_le_bytes()[0]).collect()
}

/// Bytes that do not compress: xorshift, with a fixed seed.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    };
    (0..length).map(|_| next()).collect()
}

/// Text and binary messages of all short lengths.
fn burst(count: usize) -> Vec<Message<'static>> {
    (0..count)
        .map(|i| match i % 3 {
            0 => bytes(1 + i % 1000).into(),
            _ => format!("{i} {}", ".".repeat(i % 200)).into(),
        })
        .collect()
}
