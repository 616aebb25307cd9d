//! Every id of the checklist that concerns received bytes is in a table.

use std::collections::{BTreeMap, BTreeSet};

#[path = "../checklist/list.rs"]
#[allow(dead_code, reason = "the status of a requirement does not matter here")]
mod list;

use crate::{frames, heads};

/// Ids without received bytes, and the reasons.
const WITHOUT_BYTES: &[(&str, &str)] = &[
    (
        "HS-S-04 HS-S-36 HS-S-38 HS-S-39 HS-S-44 HS-S-45 HS-S-54 SEC-08",
        "what a server's application decides about a request that has arrived",
    ),
    (
        "HS-C-01 HS-C-02 HS-C-03 HS-C-04 HS-C-05 HS-C-06 HS-C-07 HS-C-08 HS-C-11 HS-C-12 HS-C-13 HS-C-14 HS-C-15 HS-C-16 \
         HS-C-17 HS-C-18 HS-C-19 HS-C-20 HS-C-39 SEC-06",
        "what a client sends, or refuses to",
    ),
    (
        "HS-C-09 HS-C-10 HS-C-43 HS-C-44 HS-C-45 SEC-14 SEC-15 SEC-16 SEC-17 CL-28 CL-30 CL-31",
        "what happens before the handshake, or after its failure",
    ),
    (
        "FR-07 FR-08 FR-10 FR-17 MSG-18 MSG-19 MSG-20 MSG-24 MSG-25 MSG-27 MSG-28 CL-10 CL-18 CL-25 CL-26 SEC-01 SEC-02 \
         SEC-13 EXT-13",
        "what this side sends by itself",
    ),
    (
        "CL-12 CL-13 CL-23 CL-24 CL-27 SEC-11",
        "the end of the transport, and time",
    ),
    (
        "EXT-15",
        "what is offered and accepted, which EXT-01 to EXT-06 show as bytes",
    ),
    ("CL-29", "what is done with a reason"),
    ("PMD-46 PMD-47", "what a client offers, and what a connection holds"),
    ("SEC-10 SEC-12", "what holds for all bytes"),
    (
        "EXT-07 PMD-20 PMD-29 PMD-30 PMD-39 PMD-44 PMD-45",
        "what this side compresses",
    ),
];

fn listed() -> BTreeSet<String> {
    // HTTP/2 has its own frames around those of WebSocket, and how a connection is driven does not concern its bytes.
    let ids = list::all().into_keys();
    let ids = ids.filter(|id| !id.starts_with("H2-") && !id.starts_with("DRV-"));
    ids.collect()
}

#[test]
fn every_id_with_bytes_is_cut() {
    let mut places: BTreeMap<&str, &str> = BTreeMap::new();
    let streams = frames::streams();
    let heads = heads::REQUESTS.iter().chain(heads::RESPONSES).map(|row| row.0);
    for ids in streams.iter().map(|stream| stream.ids).chain(heads) {
        places.extend(ids.split_whitespace().map(|id| (id, "a table")));
    }
    for (ids, why) in WITHOUT_BYTES {
        for id in ids.split_whitespace() {
            assert!(places.insert(id, why).is_none(), "{id} has bytes");
        }
    }
    let listed = listed();
    for id in &listed {
        assert!(places.contains_key(&**id), "{id} is nowhere");
    }
    for id in places.keys() {
        assert!(listed.contains(*id), "{id} is unknown");
    }
}
