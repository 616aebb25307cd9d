//! The HTTP side: requests of Engine.IO as polls, posts and WebSockets of its sessions.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
        UPGRADE,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use websocket_proto::{
    Config, Negotiated,
    handshake::{Accept, UpgradeRequest},
    tokio::{Shutdown, ShutdownGuard},
};

use crate::{
    connection::{self, Carrier},
    engine::{Key, Refusal, Service, payload},
    hub::Hub,
    query::Query,
    replayed::Replayed,
    serve::{TakeWebSockets, Taken},
};

/// The body of every response.
pub type Body = Full<Bytes>;

/// How long the body of a post may take to arrive.
const POST_TIMEOUT: Duration = Duration::from_secs(30);

/// The endpoint of a server below a path.
#[derive(Debug)]
pub struct Endpoint<S> {
    hub: Arc<Hub<S>>,
    config: Config,
    /// How a handshake is accepted.
    accept: Accept,
    shutdown: Shutdown,
}

/// Why a request is refused, with the numbers and words of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Transport,
    Session,
    Method,
    Request,
    Version,
    TooLarge,
    TooMany,
}

impl Refused {
    fn response(self) -> Response<Body> {
        let (code, message) = match self {
            Self::Transport => (0, "Transport unknown"),
            Self::Session => (1, "Session ID unknown"),
            Self::Method => (2, "Bad handshake method"),
            Self::Request => (3, "Bad request"),
            Self::Version => (5, "Unsupported protocol version"),
            Self::TooLarge => return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than maxPayload\n"),
            Self::TooMany => return plain(StatusCode::SERVICE_UNAVAILABLE, "too many sessions\n"),
        };
        let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
        with_type(StatusCode::BAD_REQUEST, "application/json", body)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotPolling | Refusal::Overlap => Self::Request,
            Refusal::Ended => Self::Session,
        }
    }
}

impl<S: Service> Endpoint<S> {
    /// Creates an endpoint, whose WebSockets `shutdown` waits for. They end when [`Hub::close_all`] closes their sessions,
    /// which must follow [`Shutdown::request`].
    #[must_use]
    pub fn new(hub: Arc<Hub<S>>, config: Config, shutdown: Shutdown) -> Self {
        let accept = Accept::new().header(ACCESS_CONTROL_ALLOW_ORIGIN.as_str(), "*");
        Self {
            hub,
            config,
            accept,
            shutdown,
        }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let requested = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = if request.method() == Method::OPTIONS {
            preflight(requested)
        } else {
            let answered = self.answer_query(request).await;
            answered.unwrap_or_else(Refused::response)
        };
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn answer_query(&self, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let is_get = request.method() == Method::GET;
        let (is_websocket, session) = self.check_query(request.uri().query(), is_get)?;
        if is_websocket != request.headers().contains_key(UPGRADE) {
            return Err(Refused::Request);
        }
        match (is_websocket, session, request.method()) {
            (true, session, _) => self.upgrade(request, session),
            (false, None, _) => self.open(),
            (false, Some(key), &Method::GET) => self.poll(key).await,
            (false, Some(key), &Method::POST) => self.post(key, request).await,
            _ => Err(Refused::Request),
        }
    }

    /// Returns whether a request is for a WebSocket, and its session, if it has one.
    fn check_query(&self, query: Option<&str>, is_get: bool) -> Result<(bool, Option<Key>), Refused> {
        let query = Query::parse(query.unwrap_or_default());
        let is_websocket = match query.transport {
            Some("polling") => false,
            Some("websocket") => true,
            _ => return Err(Refused::Transport),
        };
        let session = match query.sid {
            Some(sid) => Some(self.hub.with(|engine, _| engine.find(sid)).ok_or(Refused::Session)?),
            None if !is_get => return Err(Refused::Method),
            None if query.version != Some("4") => return Err(Refused::Version),
            None if is_websocket && self.hub.with(|engine, _| engine.is_full()) => return Err(Refused::TooMany),
            None => None,
        };
        Ok((is_websocket, session))
    }

    /// Opens a session over polling.
    fn open(&self) -> Result<Response<Body>, Refused> {
        self.hub.with(|engine, service| {
            if engine.is_full() {
                return Err(Refused::TooMany);
            }
            // Without randomness there are no sessions.
            let (key, _) = engine.open(false).map_err(|_| Refused::TooMany)?;
            service.opened(engine, key);
            let answer = engine.poll_answer(key, &Context::from_waker(Waker::noop()));
            Ok(polled(answer.unwrap_or_default()))
        })
    }

    async fn poll(&self, key: Key) -> Result<Response<Body>, Refused> {
        self.hub.with(|engine, _| engine.poll(key))?;
        let mut pending = Pending::new(&self.hub, key, |engine, key| engine.poll_lost(key));
        let answer = poll_fn(|cx| {
            let answer = self.hub.with(|engine, _| engine.poll_answer(key, cx));
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        pending.is_done = true;
        Ok(polled(answer))
    }

    async fn post(&self, key: Key, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        self.hub.with(|engine, _| engine.post(key))?;
        let mut pending = Pending::new(&self.hub, key, |engine, key| engine.post_lost(key));
        if is_binary(request.headers()) {
            return Err(Refused::Request);
        }
        let max = self.hub.settings().max_payload;
        let body = request.into_body();
        let collected = if body.size_hint().lower() > max as u64 {
            Err(Refused::TooLarge)
        } else {
            let collecting = timeout(POST_TIMEOUT, Limited::new(body, max).collect());
            let collected = tokio::select! {
                collected = collecting => collected,
                // The session has ended without it.
                () = self.ended(key) => return Err(Refused::Session),
            };
            match collected {
                Ok(Ok(body)) => Ok(body.to_bytes()),
                Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::TooLarge),
                Ok(Err(_)) | Err(_) => return Err(Refused::Request),
            }
        };
        // The request is released, whatever it has brought.
        pending.is_done = true;
        self.hub.with(|engine, service| {
            engine.posted(key);
            let body = collected?;
            let Ok(packets) = payload::parse(&body) else {
                engine.receive(key, Err(crate::engine::packet::PacketError::Utf8));
                return Err(Refused::Request);
            };
            for packet in packets {
                let is_valid = packet.is_ok();
                if let Some(data) = engine.receive(key, packet) {
                    service.received(engine, key, data);
                }
                if !is_valid {
                    return Err(Refused::Request);
                }
            }
            // Not text/plain, which some browsers offer to download.
            Ok(with_type(StatusCode::OK, "text/html", "ok"))
        })
    }

    /// Returns when a session has ended that a post is being received for.
    async fn ended(&self, key: Key) {
        poll_fn(|cx| match self.hub.with(|engine, _| engine.poll_ended(key, cx)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Accepts a WebSocket that has been a request to the HTTP server.
    fn upgrade(&self, mut request: Request<Incoming>, session: Option<Key>) -> Result<Response<Body>, Refused> {
        let accepted = match UpgradeRequest::from_http(&request) {
            Ok(upgrade_request) => upgrade_request.config(&self.config).accept(Accept::new()),
            Err(error) => return Ok(error.response_http(request.version())),
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return Ok(error.response_http(request.version())),
        };
        let response = accepted.response_http();
        let upgraded = hyper::upgrade::on(&mut request);
        let (hub, config) = (Arc::clone(&self.hub), self.config.clone());
        self.shutdown.spawn(|guard| async move {
            let Ok(upgraded) = upgraded.await else { return };
            let Ok(parts) = upgraded.downcast::<TokioIo<Replayed>>() else {
                return;
            };
            let (stream, rest) = parts.io.into_inner().into_parts();
            let leftover = [&parts.read_buf[..], &rest].concat();
            let negotiated = accepted.into_negotiated().with_leftover(leftover);
            carry(hub, session, stream, &negotiated, &config, guard).await;
        });
        Ok(response)
    }
}

impl<S: Service> TakeWebSockets for Endpoint<S> {
    fn take(&self, request: UpgradeRequest) -> Option<Taken> {
        let (true, session) = self.check_query(request.query(), true).ok()? else {
            return None;
        };
        let accepted = request.config(&self.config).accept(self.accept.clone()).ok()?;
        let (response, negotiated) = accepted.into_parts();
        let negotiated = negotiated.with_unsent_response(response);
        let (hub, config) = (Arc::clone(&self.hub), self.config.clone());
        Some(Box::new(move |stream, guard| {
            Box::pin(async move { carry(hub, session, stream, &negotiated, &config, guard).await })
        }))
    }
}

/// Carries a session over a WebSocket: a new one, or one that began with polling.
async fn carry<S: Service>(
    hub: Arc<Hub<S>>,
    session: Option<Key>,
    stream: TcpStream,
    negotiated: &Negotiated,
    config: &Config,
    guard: ShutdownGuard,
) {
    let carrier = hub.with(|engine, service| match session {
        Some(key) => engine.connect(key).map(|id| (key, id)),
        None if engine.is_full() => None,
        None => {
            let (key, id) = engine.open(true).ok()?;
            service.opened(engine, key);
            Some((key, id?))
        }
    });
    // Whatever goes wrong ends the session with its reason; nobody else is to be told.
    let _ = match carrier {
        Some((key, id)) => Carrier { hub, key, id }.run(stream, negotiated, config, guard).await,
        None => connection::refuse(stream, negotiated, config).await,
    };
}

/// A request whose session is told if it is dropped before it is done.
struct Pending<'a, S: Service> {
    hub: &'a Hub<S>,
    key: Key,
    lost: fn(&mut crate::engine::Engine, Key),
    is_done: bool,
}

impl<'a, S: Service> Pending<'a, S> {
    fn new(hub: &'a Hub<S>, key: Key, lost: fn(&mut crate::engine::Engine, Key)) -> Self {
        Self {
            hub,
            key,
            lost,
            is_done: false,
        }
    }
}

impl<S: Service> Drop for Pending<'_, S> {
    fn drop(&mut self) {
        if !self.is_done {
            self.hub.with(|engine, _| (self.lost)(engine, self.key));
        }
    }
}

fn is_binary(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/octet-stream"))
}

/// Pages of any origin may use the server.
fn preflight(requested: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields: [(HeaderName, HeaderValue); 3] = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            requested.unwrap_or(HeaderValue::from_static("content-type")),
        ),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    response
        .headers_mut()
        .extend(fields.map(|(name, value)| (Some(name), value)));
    response
}

fn polled(payload: String) -> Response<Body> {
    with_type(StatusCode::OK, "text/plain; charset=UTF-8", payload)
}

fn plain(status: StatusCode, body: &'static str) -> Response<Body> {
    with_type(status, "text/plain; charset=UTF-8", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
