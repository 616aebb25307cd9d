//! The list of hosts that are connected to directly, as the variable `no_proxy` has it.

use core::net::IpAddr;

/// Returns whether the list, which commas and blanks separate, contains the host.
pub(super) fn contains(list: &str, host: &str, port: u16) -> bool {
    let mut entries = list.split(|char: char| char == ',' || char.is_ascii_whitespace());
    entries.any(|entry| !entry.is_empty() && matches(entry, host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    let address = address(host);
    if let Some((network, bits)) = entry.split_once('/') {
        return address.is_some_and(|address| is_within(address, network, bits));
    }
    let Some((name, listed_port)) = split_port(entry) else {
        return false;
    };
    if listed_port.is_some_and(|listed| listed != port) {
        return false;
    }
    match (address, self::address(name)) {
        _ if name == "*" => true,
        (None, None) => is_within_domain(host, name),
        (address, listed) => address == listed,
    }
}

/// Returns whether the host is the domain or a subdomain. It makes no difference whether the domain starts with a dot,
/// with `*.`, or with neither.
fn is_within_domain(host: &str, domain: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let domain = domain.strip_prefix('*').unwrap_or(domain);
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    // Both are compared as bytes: a list may contain anything.
    let (before, end) = host.as_bytes().split_at(start);
    !domain.is_empty() && end.eq_ignore_ascii_case(domain.as_bytes()) && (before.is_empty() || before.ends_with(b"."))
}

/// Returns whether the first bits of both addresses are the same.
fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    let (length, difference): (u32, u128) = match (address, self::address(network)) {
        (IpAddr::V4(address), Some(IpAddr::V4(network))) => (32, u128::from(u32::from(address) ^ u32::from(network))),
        (IpAddr::V6(address), Some(IpAddr::V6(network))) => (128, u128::from(address) ^ u128::from(network)),
        _ => return false,
    };
    match length.checked_sub(bits) {
        Some(others) => difference.checked_shr(others).unwrap_or(0) == 0,
        None => false,
    }
}

/// Parses an address, with or without brackets. IPv4 addresses that are written as IPv6 are IPv4 addresses.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
    Some(address.to_canonical())
}

/// Splits off the port. Returns `None` if it is no port.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    match entry.rsplit_once(':') {
        Some((host, port)) if address(entry).is_none() => Some((host, Some(port.parse().ok()?))),
        _ => Some((entry, None)),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};
    use core::net::IpAddr;

    use proptest::prelude::*;

    use super::contains;

    proptest! {
        /// Nothing in the list panics, and what is not in it is not found.
        #[test]
        fn any_list(list in ".{0,60}", host in "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}", port: u16) {
            if contains(&list, &host, port) {
                let last = host.rsplit('.').next().unwrap_or_default();
                prop_assert!(list.contains('*') || list.to_ascii_lowercase().contains(last));
            }
            for listed in [host.clone(), format!(".{host}"), format!("*.{host}"), format!("{host}:{port}")] {
                let subdomain = format!("a.{host}");
                prop_assert!(contains(&listed, &host, port) && contains(&listed, &subdomain, port));
            }
        }

        /// An address is in each network that has its first bits, and in no other.
        #[test]
        fn any_network(address: IpAddr, other: IpAddr, bits in 0u32..=128) {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.min(length);
            let address = address.to_canonical();
            prop_assume!(address.is_ipv4() == (length == 32));
            let network = format!("{address}/{bits}");
            prop_assert!(contains(&network, &address.to_string(), 80));
            let first = |address: IpAddr| match address {
                IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
                IpAddr::V6(address) => address.into(),
            };
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let is_within = address.is_ipv4() == other.to_canonical().is_ipv4()
                && (first(address) ^ first(other.to_canonical())) & mask == 0;
            prop_assert_eq!(contains(&network, &other.to_string(), 80), is_within);
        }
    }

    /// Each list, hosts that it contains, and hosts that it does not.
    #[test]
    fn lists() {
        for (list, inside, outside) in [
            ("", &[][..], &["h", "127.0.0.1"][..]),
            ("*", &["h", "127.0.0.1", "::1"], &[]),
            ("a, *", &["h"], &[]),
            (
                "example.com",
                &["example.com", "EXAMPLE.com", "www.example.com", "example.com."],
                &["nonexample.com", "com", "example.com.au"],
            ),
            (".example.com", &["example.com", "www.example.com"], &["nonexample.com"]),
            (
                "*.example.com",
                &["example.com", "www.example.com"],
                &["nonexample.com"],
            ),
            ("example.com.", &["example.com", "www.example.com."], &[]),
            ("EXAMPLE.Com", &["example.com"], &[]),
            ("a.test,b.test", &["a.test", "b.test"], &["c.test"]),
            (
                " a.test , b.test\tc.test ,,d.test,",
                &["a.test", "b.test", "c.test", "d.test"],
                &["e.test"],
            ),
            (",", &[], &["h"]),
            (".", &[], &["h"]),
            ("*.", &[], &["h"]),
            ("\u{e4}.test", &[], &["a.test", "x\u{e4}.test"]),
            (
                "10.0.0.1",
                &["10.0.0.1", "::ffff:10.0.0.1"],
                &["10.0.0.10", "110.0.0.1", "x.10.0.0.1"],
            ),
            (".0.0.1", &[], &["10.0.0.1"]),
            (
                "10.0.0.0/8",
                &["10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1"],
                &["11.0.0.1", "10.example", "::a"],
            ),
            (
                "192.168.4.0/22",
                &["192.168.4.1", "192.168.7.255"],
                &["192.168.8.0", "192.168.3.255"],
            ),
            ("10.0.0.1/32", &["10.0.0.1"], &["10.0.0.2"]),
            ("0.0.0.0/0", &["10.0.0.1"], &["::1", "h"]),
            (
                "10.0.0.0/33, 10.0.0.0/x, 10.0.0.0/, 10.0.0.0/-1, x/8",
                &[],
                &["10.0.0.0", "x"],
            ),
            ("::1", &["::1"], &["::2", "1"]),
            ("[::1]", &["::1"], &["::2"]),
            ("0:0::1", &["::1"], &[]),
            ("fd00::/8", &["fd00::1", "fdff::"], &["fe00::", "10.0.0.1"]),
            ("[fd00::]/8", &["fd00::1"], &["fe00::"]),
            ("2001:db8::/127", &["2001:db8::", "2001:db8::1"], &["2001:db8::2"]),
            ("::/0", &["::1"], &["10.0.0.1"]),
            ("::/129", &[], &["::"]),
        ] {
            for host in inside {
                assert!(contains(list, host, 80), "{list:?} contains {host}");
            }
            for host in outside {
                assert!(!contains(list, host, 80), "{list:?} does not contain {host}");
            }
        }
    }

    #[test]
    fn ports() {
        for (entry, host) in [
            ("internal.test:8080", "internal.test"),
            (".internal.test:8080", "a.internal.test"),
            ("*:8080", "h"),
            ("10.0.0.1:8080", "10.0.0.1"),
            ("[::1]:8080", "::1"),
        ] {
            assert!(contains(entry, host, 8080), "{entry}");
            assert!(!contains(entry, host, 80), "{entry}");
        }
        for entry in ["h:", "h:x", "h:70000", "a:h:80", "[::1:80", "h:80:"] {
            assert!(!contains(entry, "h", 80) && !contains(entry, "::1", 80), "{entry}");
        }
    }
}
