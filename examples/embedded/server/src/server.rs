//! The tasks of the server: each accepts a client, and serves it if there is room.

use core::array;

use embassy_futures::{
    join::join_array,
    select::{Either, select},
};
use embedded_io_async::{Read, Write};
use websocket_proto::{Config, Role, handshake::Opening};

use crate::{
    board::{Board, ShutDown, Socket},
    places::Places,
    session,
};

/// What a client is answered for which there is no room. It is in the program's memory, and costs no heap.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n\
    Content-Length: 0\r\n\r\n";

/// An echo server in a heap of a fixed size.
#[derive(Debug)]
pub struct Server<B> {
    board: B,
    config: Config,
    connections: usize,
    places: Places,
}

impl<B: Board> Server<B> {
    /// Creates a server that uses at most `heap` bytes of the heap.
    pub fn new(board: B, config: Config, heap: usize) -> Self {
        // An echo is as long as the longest message.
        let largest = usize::try_from(config.limits.max_message_size).unwrap_or(usize::MAX);
        let connections = config.worst_case(Role::Server, largest).connections(heap);
        Self {
            board,
            config,
            connections,
            places: Places::new(connections),
        }
    }

    /// Returns how many connections are served at a time.
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// Serves clients with a number of tasks, until the board is stopped and every connection has ended. There should be
    /// more tasks than [connections](Self::connections): the others refuse clients.
    pub async fn run<const TASKS: usize>(&self) {
        join_array(array::from_fn::<_, TASKS, _>(|_| self.work())).await;
    }

    /// Serves one client after the other.
    async fn work(&self) {
        while let Either::First(mut socket) = select(self.board.accept(), self.board.stopped()).await {
            match self.places.take() {
                // The place is free again when the connection has given its memory back.
                Some(_place) => session::serve(&self.board, &self.config, &mut socket).await,
                None => self.refuse(&mut socket).await,
            }
        }
    }

    /// Refuses a client, and reads what it has sent: bytes that nobody reads would cause a reset, which can destroy the
    /// response.
    async fn refuse(&self, socket: &mut B::Socket) {
        let (mut reader, mut writer) = socket.split();
        let answer = async {
            let written = writer.write_all(REFUSAL).await;
            writer.shut_down();
            let mut discarded = [0; 64];
            while written.is_ok() && reader.read(&mut discarded).await.is_ok_and(|n| n > 0) {}
        };
        let end = self.board.now() + Opening::<websocket_proto::handshake::ServerHandshake>::LAST_WAIT;
        select(answer, self.board.until(end)).await;
    }
}
