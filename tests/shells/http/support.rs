//! Messages in both forms, and runs with a deadline.

use std::{future::Future, time::Duration};

use http::HeaderMap;
use websocket_proto::handshake::Headers;

/// The key of the RFC's example, and its accept value.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A header field.
pub(crate) type Field = (String, Vec<u8>);

/// A request in a form from which both others can be made.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) fields: Vec<Field>,
}

impl Draft {
    /// A short, valid upgrade request.
    pub(crate) fn upgrade() -> Self {
        let draft = Self {
            method: "GET".into(),
            target: "/chat?x=1".into(),
            version: "HTTP/1.1".into(),
            fields: Vec::new(),
        };
        draft
            .add("Host", "example.com")
            .add("Upgrade", "websocket")
            .add("Connection", "Upgrade")
            .add("Sec-WebSocket-Key", KEY)
            .add("Sec-WebSocket-Version", "13")
    }

    /// A short, valid extended CONNECT.
    pub(crate) fn connect() -> Self {
        let draft = Self {
            method: "CONNECT".into(),
            target: "https://example.com/chat?x=1".into(),
            version: "HTTP/2.0".into(),
            fields: Vec::new(),
        };
        draft.add("sec-websocket-version", "13")
    }

    pub(crate) fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces all fields with that name by one, or adds it.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).add(name, value)
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// The bytes of the request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// The request as a type of the `http` crate, unless that cannot represent it.
    pub(crate) fn http(&self) -> Option<http::Request<()>> {
        let version = match &*self.version {
            "HTTP/1.0" => http::Version::HTTP_10,
            "HTTP/1.1" => http::Version::HTTP_11,
            "HTTP/2.0" => http::Version::HTTP_2,
            "HTTP/3.0" => http::Version::HTTP_3,
            _ => return None,
        };
        let request = http::Request::builder()
            .method(&*self.method)
            .uri(&*self.target)
            .version(version);
        let fields = self.fields.iter();
        let request = fields.fold(request, |request, (name, value)| request.header(name, &value[..]));
        request.body(()).ok()
    }
}

/// Fields in an order that does not depend on their source: by name, and for each name in the original order.
pub(crate) fn sorted<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<Field> {
    let mut fields: Vec<Field> = fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields
}

pub(crate) fn received_fields(headers: &Headers) -> Vec<Field> {
    sorted(headers.iter())
}

pub(crate) fn http_fields(headers: &HeaderMap) -> Vec<Field> {
    sorted(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The status, fields and body of a raw response.
pub(crate) fn parts_of(response: &[u8]) -> (u16, Vec<Field>, Vec<u8>) {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = response.split_at(end.expect("a whole head") + 4);
    let head = std::str::from_utf8(head).expect("text");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok()).expect("a status");
    let fields = lines.map(|line| line.split_once(": ").expect("a field"));
    (
        status,
        sorted(fields.map(|(name, value)| (name, value.as_bytes()))),
        body.to_vec(),
    )
}

/// Runs a scenario, which must not hang.
pub(crate) fn run<T>(scenario: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(Duration::from_secs(30), scenario)
            .await
            .expect("the scenario ends in time")
    })
}
