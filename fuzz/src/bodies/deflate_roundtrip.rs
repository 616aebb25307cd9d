//! Compression: what one end sends is what the other one receives, in any settings, and another inflater can read it as well,
//! with no reference past the negotiated window.

use arbitrary::{Arbitrary, Unstructured};
use websocket_proto::{
    Config, Connection, ContextTakeover, DeflateParams, Delivery, Fragment, Message, Negotiated, Outgoing, ReadyState,
    Role,
};

use super::{
    negotiation::Settings,
    raw::{Got, joined, take_events, take_output},
    reference_inflate::Inflater,
    rng::Rng,
    wire::{self, BINARY, TEXT},
};

#[derive(Clone, Debug, Arbitrary)]
struct Plan<'a> {
    client: Settings,
    server: Settings,
    pieces: bool,
    messages: Vec<Planned<'a>>,
}

#[derive(Clone, Debug, Arbitrary)]
struct Planned<'a> {
    by_client: bool,
    data: Data<'a>,
    fragments: u8,
    uncompressed: bool,
    release: bool,
    step: u16,
}

#[derive(Clone, Debug, Arbitrary)]
enum Data<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Repeated(&'a [u8], u8),
    /// Incompressible data that is repeated, so it refers far back.
    Noise(u8, u16),
}

pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let (client, server) = (plan.client.config(), plan.server.config());
    let (params, answer) = server.answer(client.offers()).expect("our own offer is acceptable");
    assert_eq!(client.check_answer(&answer), Ok(params));
    let delivery = if plan.pieces {
        Delivery::Fragments
    } else {
        Delivery::Messages
    };
    let mut ends = [(Role::Client, client), (Role::Server, server)].map(|(role, deflate)| {
        let config = Config::new().deflate(deflate).delivery(delivery);
        End::new(role, &config, params)
    });
    for planned in plan.messages.iter().take(20) {
        let [client, server] = &mut ends;
        let (from, to) = if planned.by_client {
            (client, server)
        } else {
            (server, client)
        };
        let sent = from.send(planned);
        let bytes = from.write(params, &sent, planned);
        to.receive(&bytes, usize::from(planned.step), &sent);
        if planned.release {
            from.connection.release();
            to.connection.release();
        }
    }
}

struct End {
    role: Role,
    connection: Connection,
    /// Everything that this end sent, read by another inflater.
    inflater: Inflater,
}

impl End {
    fn new(role: Role, config: &Config, params: DeflateParams) -> Self {
        let negotiated = Negotiated::new(role).with_deflate(params);
        Self {
            role,
            connection: Connection::from_negotiated(&negotiated, config),
            inflater: Inflater::default(),
        }
    }

    fn send(&mut self, planned: &Planned<'_>) -> Got {
        let sent = planned.message();
        let pieces = pieces(&sent, usize::from(planned.fragments % 6));
        match &pieces[..] {
            [message] if planned.uncompressed => self
                .connection
                .feed(Outgoing::from(message.clone()).uncompressed())
                .unwrap(),
            [message] => self.connection.feed(message.clone()).unwrap(),
            [pieces @ .., last] => {
                let (_, outbound) = self.connection.split_mut();
                for (piece, is_last) in pieces.iter().map(|piece| (piece, false)).chain([(last, true)]) {
                    if planned.uncompressed {
                        outbound
                            .feed(Outgoing::from(Fragment::new(piece.clone(), is_last)).uncompressed())
                            .unwrap();
                    } else {
                        outbound.feed(Fragment::new(piece.clone(), is_last)).unwrap();
                    }
                }
            }
            [] => unreachable!("one piece at least"),
        }
        sent
    }

    /// The bytes on the wire, read by another inflater.
    fn write(&mut self, params: DeflateParams, sent: &Got, planned: &Planned<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        take_output(&mut self.connection, usize::MAX, &mut bytes);
        let frames = wire::parse_from(self.role, &bytes);
        let opcode = if matches!(sent, Got::Text(_)) { TEXT } else { BINARY };
        assert_eq!(frames[0].opcode(), opcode);
        let payload: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.iter().copied()).collect();
        let is_compressed = frames[0].first & 0x40 != 0;
        assert!(!(is_compressed && planned.uncompressed));
        let plain = bytes_of(sent);
        if !is_compressed {
            assert_eq!(payload, plain);
            return bytes;
        }
        let (takeover, bits) = match self.role {
            Role::Client => (params.client_context_takeover, params.client_max_window_bits),
            Role::Server => (params.server_context_takeover, params.server_max_window_bits),
        };
        // A message that does not shrink is sent uncompressed, unless the compressor keeps its context between messages.
        let goes_on = takeover == ContextTakeover::Allow && bits > 12;
        assert!(frames.len() > 1 || goes_on || payload.len() < plain.len());
        assert_eq!(self.inflater.message(&payload).as_deref(), Some(plain));
        assert!(self.inflater.farthest <= 1 << bits, "a reference past the window");
        if takeover == ContextTakeover::Forbid {
            self.inflater.reset();
        }
        bytes
    }

    fn receive(&mut self, bytes: &[u8], step: usize, sent: &Got) {
        let mut events = Vec::new();
        for piece in bytes.chunks(1 + step) {
            self.connection.receive(piece);
            take_events(&mut self.connection, &mut events).unwrap();
        }
        assert_eq!(self.connection.ready_state(), ReadyState::Open);
        assert_eq!(joined(&events), std::slice::from_ref(sent));
    }
}

impl Planned<'_> {
    fn message(&self) -> Got {
        match &self.data {
            Data::Text(text) => Got::text(text),
            Data::Bytes(bytes) => Got::binary(bytes),
            Data::Repeated(bytes, times) => Got::Binary(bytes[..bytes.len().min(60)].repeat(usize::from(*times))),
            Data::Noise(seed, len) => Got::Binary(Rng::new(u64::from(seed % 4)).bytes(usize::from(*len) % 5000)),
        }
    }
}

fn bytes_of(message: &Got) -> &[u8] {
    match message {
        Got::Text(text) => text.as_bytes(),
        Got::Binary(payload) => payload,
        other => panic!("{other:?}"),
    }
}

/// The message in one piece plus this many more, text cut between code points.
fn pieces(message: &Got, more: usize) -> Vec<Message<'_>> {
    let step = bytes_of(message).len() / (more + 1) + 1;
    match message {
        Got::Text(text) => {
            let mut pieces = Vec::new();
            let mut rest = &text[..];
            while pieces.len() < more {
                let cut = (0..=step.min(rest.len()))
                    .rev()
                    .find(|at| rest.is_char_boundary(*at))
                    .unwrap_or(0);
                let (piece, after) = rest.split_at(cut);
                pieces.push(Message::from(piece));
                rest = after;
            }
            pieces.push(Message::from(rest));
            pieces
        }
        other => {
            let bytes = bytes_of(other);
            let mut pieces: Vec<_> = bytes.chunks(step).map(Message::from).collect();
            pieces.resize_with(more + 1, || Message::from(&[]));
            pieces
        }
    }
}
