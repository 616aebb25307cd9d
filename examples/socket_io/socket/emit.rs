//! Emitting an event to one socket or to many.

use super::{
    Args, Io,
    encode::Encoder,
    recovery::Receivers,
    state::{Id, Namespace, SocketRef},
};

/// An event that is about to be emitted: to whom, and how.
///
/// It is encoded once. All receivers share the encoded packet.
#[derive(Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emit<'e, 'i, A> {
    io: &'e mut Io<'i, A>,
    /// `None` is nowhere.
    namespace: Option<u16>,
    to: To<'e>,
    except: Option<SocketRef>,
    is_volatile: bool,
    compress: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To<'e> {
    All,
    Room(&'e str),
    One(SocketRef),
    Id(Id),
}

impl<'e, 'i, A> Emit<'e, 'i, A> {
    pub(super) fn new(io: &'e mut Io<'i, A>, namespace: Option<u16>, to: To<'e>) -> Self {
        Self {
            io,
            namespace,
            to,
            except: None,
            is_volatile: false,
            compress: true,
        }
    }

    /// Leaves a socket out, such as the sender.
    pub fn except(mut self, socket: SocketRef) -> Self {
        self.except = Some(socket);
        self
    }

    /// Drops the event for receivers that are not ready: they do not poll, or read too slowly. It cannot be recovered.
    pub fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// Sets whether the event is compressed, for receivers that negotiated it. Default true.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Sends the event.
    pub fn emit(self, name: &str, args: Args<'_>) {
        let Io { engine, state } = &mut *self.io;
        let Some(namespace) = self.namespace else { return };
        let except_id = self
            .except
            .and_then(|socket| state.sockets.get(socket))
            .map(|socket| socket.id);
        let deflate = state.options.deflate.filter(|_| self.compress);
        let sockets = &state.sockets;
        let Some(Namespace {
            name: namespace,
            sockets: by_id,
            members,
            rooms,
            recovery,
        }) = state.namespaces.get_mut(usize::from(namespace))
        else {
            return;
        };
        let mut recovery = recovery.as_mut().filter(|_| !self.is_volatile);
        let encoder = Encoder { namespace, deflate };
        let offset = recovery.as_ref().map(|recovery| recovery.next());
        let unit = encoder.event(name, args, None, offset);
        if let Some(recovery) = &mut recovery {
            let receivers = match self.to {
                To::All => Receivers::All,
                To::Room(room) => Receivers::Room(room.into()),
                To::Id(id) => Receivers::One(id),
                To::One(socket) => match sockets.get(socket) {
                    Some(found) => Receivers::One(found.id),
                    None => return,
                },
            };
            recovery.add(engine.now(), unit.clone(), receivers, except_id);
        }
        let mut send = |socket: SocketRef| {
            if Some(socket) != self.except {
                if let Some(found) = sockets.get(socket) {
                    engine.send(found.session, unit.clone(), self.is_volatile);
                }
            }
        };
        match self.to {
            To::All => members.iter().copied().for_each(send),
            To::Room(room) => {
                if let Some(members) = rooms.get(room) {
                    members.iter().copied().for_each(send);
                }
            }
            To::One(socket) => send(socket),
            To::Id(id) => by_id.get(&id).copied().into_iter().for_each(send),
        }
    }
}
