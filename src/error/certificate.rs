//! What is wrong with a certificate, in words, and what to do about it.

use alloc::{format, string::ToString, vec::Vec};
use core::{fmt, time::Duration};

use rustls::{CertificateError, pki_types::UnixTime};

/// Formats an error of a certificate as a sentence for its user.
pub(super) struct Words<'a>(pub(super) &'a CertificateError);

const EXPIRED: &str = "the certificate has expired";
const NOT_YET: &str = "the certificate is not valid yet";
const CLOCK: &str = "if that is wrong, so is the clock of this machine";
const REPLACED: &str = "the certificate is signed with another key than that of the trusted issuer of this name: \
                        was the issuer's certificate replaced?";

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CertificateError::Expired => write!(f, "{EXPIRED}; {CLOCK}"),
            CertificateError::ExpiredContext { time, not_after } => {
                write!(f, "{EXPIRED}, {} ago; {CLOCK}", Span::between(not_after, time))
            }
            CertificateError::NotValidYet => write!(f, "{NOT_YET}; {CLOCK}"),
            CertificateError::NotValidYetContext { time, not_before } => {
                write!(f, "{NOT_YET}, but in {}; {CLOCK}", Span::between(time, not_before))
            }
            CertificateError::NotValidForName => f.write_str("the certificate is for another host"),
            CertificateError::NotValidForNameContext { expected, presented } => {
                let expected = expected.to_str();
                if presented.is_empty() {
                    return write!(
                        f,
                        "the certificate names no host: make one with `{expected}` in its `subjectAltName` (the common name does not count)"
                    );
                }
                let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
                write!(f, "the certificate is for {}, not for {expected}", names.join(", "))
            }
            CertificateError::UnknownIssuer => f.write_str(
                "the issuer of the certificate is not trusted: if it is yours, add its certificate with `TlsConfig::add_root`",
            ),
            CertificateError::BadSignature => f.write_str(REPLACED),
            CertificateError::BadEncoding => f.write_str("the certificate is damaged"),
            CertificateError::Revoked => f.write_str("the certificate was revoked"),
            CertificateError::Other(other) => by_name(&other.to_string(), f),
            // Some variants exist in later versions of rustls only.
            other => by_name(&format!("{other:?}"), f),
        }
    }
}

/// Describes an error by the name of its variant, which may be one of the verifier, for which rustls has none.
fn by_name(shown: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = shown.split([' ', '(', '{']).next().unwrap_or(shown);
    f.write_str(match name {
        "CaUsedAsEndEntity" => {
            "the server uses the certificate of an authority (CA:TRUE) as its own: \
             with `openssl req -x509`, make one for a server by adding \
             `-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST`"
        }
        "EndEntityUsedAsCa" => {
            "the issuer of the certificate is not an authority: make the issuer's certificate with \
             `basicConstraints=critical,CA:TRUE`"
        }
        "UnsupportedCertVersion" => {
            "the certificate is of X.509 version 1: make one of version 3, which `openssl x509 -req` does with \
             `-extfile FILE` and `subjectAltName=DNS:HOST` in the file"
        }
        "InvalidPurpose" | "InvalidPurposeContext" => {
            "the certificate is not for servers: its `extendedKeyUsage` lacks `serverAuth`"
        }
        "UnsupportedSignatureAlgorithmForPublicKeyContext" => REPLACED,
        "UnsupportedSignatureAlgorithm" | "UnsupportedSignatureAlgorithmContext" => {
            "the certificate is signed with an algorithm that is not supported: \
             make one with an ECDSA P-256 or RSA 2048 key and SHA-256"
        }
        _ => return write!(f, "invalid certificate: {shown}"),
    })
}

/// Returns a name that a certificate presents without its kind: `DnsName("a.example")` is `a.example`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// A duration in its largest unit.
struct Span(Duration);

impl Span {
    fn between(earlier: &UnixTime, later: &UnixTime) -> Self {
        Self(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (count, unit) = match seconds {
            0..60 => (seconds, "second"),
            60..3600 => (seconds / 60, "minute"),
            3600..86_400 => (seconds / 3600, "hour"),
            86_400.. => (seconds / 86_400, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, sync::Arc, vec};

    use rustls::{OtherError, pki_types::ServerName};

    use super::*;

    fn words(error: CertificateError) -> String {
        Words(&error).to_string()
    }

    #[test]
    fn times() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (seconds, span) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "1 minute"),
            (7199, "1 hour"),
            (86_400, "1 day"),
            (40 * 86_400, "40 days"),
        ] {
            let expired = words(CertificateError::ExpiredContext {
                time: at(1_000_000_000 + seconds),
                not_after: at(1_000_000_000),
            });
            assert!(
                expired.starts_with(&format!("the certificate has expired, {span} ago;")),
                "{expired}"
            );
            let early = words(CertificateError::NotValidYetContext {
                time: at(1_000_000_000),
                not_before: at(1_000_000_000 + seconds),
            });
            assert!(
                early.starts_with(&format!("the certificate is not valid yet, but in {span};")),
                "{early}"
            );
        }
    }

    #[test]
    fn names() {
        let error = |presented| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.example").expect("a name"),
            presented,
        };
        assert_eq!(
            words(error(vec![
                r#"DnsName("b.example")"#.into(),
                "IpAddress(192.0.2.1)".into()
            ])),
            "the certificate is for b.example, 192.0.2.1, not for a.example"
        );
        assert_eq!(
            words(error(Vec::new())),
            "the certificate names no host: make one with `a.example` in its `subjectAltName` (the common name does not count)"
        );
    }

    #[test]
    fn every_other_error_says_that_it_is_about_the_certificate() {
        for error in [
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::NotValidForName,
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::BadEncoding,
            CertificateError::Revoked,
            CertificateError::InvalidPurpose,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::ApplicationVerificationFailure,
            CertificateError::Other(OtherError(Arc::new(fmt::Error))),
        ] {
            let text = words(error);
            assert!(text.contains("certificate"), "{text}");
            assert!(!text.contains("Other("), "{text}");
        }
    }
}
