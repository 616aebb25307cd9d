//! The formulas of `src/guide/memory.md`, written down once more from the page, against `Config::worst_case`.

use websocket_proto::{Config, Delivery, Limits, Role};

/// The formulas, and what they are on the page.
const LINES: [&str; 11] = [
    "  recv_buffer_size  ",
    "+ max_message_size  ",
    "+ 2 × T  ",
    "+ output_high_water + 2 × L  ",
    "T = Q + the larger of Q / 3 and 256",
    "Q = output_high_water + L + (pongs + 2) × 131 + 208",
    "+ 66 KiB + 2^b ",
    "+ 136 KiB + 5 × 2^w + 7 × 2^(m + 6) + 2 × L ",
    "max_head_size + 20 × max_head_fields + 3 × recv_buffer_size + 384",
    "  10 × max_head_size  ",
    "  26 × max_head_size  ",
];

/// What the page says of a connection without compression: held, and transient.
fn page(config: &Config, role: Role, largest: usize) -> (usize, usize) {
    let limits = &config.limits;
    let message = match config.delivery {
        Delivery::Messages => usize::try_from(limits.max_message_size).unwrap(),
        Delivery::Fragments => 0,
    };
    let pongs = (limits.output_high_water / 131).clamp(1, 16);
    let q = limits.output_high_water + largest.max(131) + (pongs + 2) * 131 + 208;
    let t = q + (q / 3).max(256);
    let buffer = limits.recv_buffer_size.max(256).next_power_of_two();
    let (keys, body, list) = match role {
        Role::Client => (1024, 2 * limits.max_error_body, 26 * limits.max_head_size),
        Role::Server => (0, 0, 10 * limits.max_head_size),
    };
    let payloads = if largest > 4096 {
        limits.output_high_water + 2 * largest
    } else {
        0
    };
    let open = buffer + message + 2 * t + payloads + keys;
    let opening = limits.max_head_size + 20 * limits.max_head_fields + 3 * buffer + 384 + body;
    let transient = message.max(t).max(list).max(32 * limits.max_head_fields);
    (open.max(opening), transient)
}

fn assert_close(what: &str, returned: usize, page: usize) {
    let small = 512 + page / 50;
    assert!(
        returned.abs_diff(page) <= small,
        "{what}: {returned}, but the page says {page}"
    );
}

#[test]
fn the_page_has_the_same_formulas() {
    let text = include_str!("../../src/guide/memory.md");
    for line in LINES {
        assert!(text.contains(line), "{line}");
    }
    if cfg!(not(target_pointer_width = "64")) {
        return;
    }
    for role in [Role::Client, Role::Server] {
        for limits in [
            Limits::new(),
            Limits::small(512),
            Limits::small(5000),
            Limits::new().output_high_water(0),
        ] {
            for largest in [0, 300, 4096, 40_000] {
                for delivery in [Delivery::Messages, Delivery::Fragments] {
                    let config = Config::new().limits(limits).delivery(delivery);
                    let one = config.worst_case(role, largest);
                    let (held, transient) = page(&config, role, largest);
                    assert_close("held", one.held, held);
                    assert_close("transient", one.transient, transient);
                }
            }
        }
    }
}

/// Compression adds what the page says.
#[cfg(feature = "deflate")]
#[test]
fn the_page_has_the_same_formulas_of_compression() {
    use websocket_proto::DeflateConfig;

    let largest = 8000;
    for (b, w, m) in [(15, 15, 8), (9, 12, 1), (12, 9, 9)] {
        let deflate = DeflateConfig::context_takeover()
            .client_max_window_bits(b)
            .server_max_window_bits(w)
            .memory_level(m);
        let plain = Config::new().worst_case(Role::Server, largest + largest / 8 + 64);
        let config = Config::new().deflate(deflate);
        let added = config.worst_case(Role::Server, largest).held - plain.held;
        let receiving = (66 << 10) + (1 << b);
        let sending = (136 << 10) + 5 * (1 << w) + (7 << (m + 6)) + 2 * (largest + largest / 8 + 64);
        assert_close("compression", added, receiving + sending);
    }
}

/// `DeflateConfig` and settings beyond all bounds overflow nothing.
#[test]
fn the_largest_settings_are_counted() {
    let limits = Limits::new()
        .max_head_size(usize::MAX)
        .max_head_fields(usize::MAX)
        .max_error_body(usize::MAX)
        .max_message_size(u64::MAX)
        .output_high_water(usize::MAX)
        .recv_buffer_size(usize::MAX);
    for role in [Role::Client, Role::Server] {
        let one = Config::new().limits(limits).worst_case(role, usize::MAX);
        assert_eq!((one.held, one.total()), (usize::MAX, usize::MAX));
        assert_eq!(one.connections(1 << 30), 0);
    }
}
