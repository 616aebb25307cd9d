//! What the suite needs of a shell, and the shells that it tests.

use std::{future::Future, io, net::TcpStream};

use websocket_proto::asynchronous::{self, Transport};

use crate::{compio_io, reactor, reactor_io};

/// A connection of a shell.
pub(crate) type WebSocket<S> = asynchronous::WebSocket<<S as Shell>::Io>;

/// A shell: a runtime, and a transport over a socket of it.
pub(crate) trait Shell: 'static {
    /// The transport.
    type Io: Transport + 'static;

    /// Runs a future on the runtime.
    fn run<T>(future: impl Future<Output = T>) -> T;

    /// Hands a connected socket to the runtime. It is called by a future that the runtime runs.
    fn wrap(socket: TcpStream) -> io::Result<Self::Io>;
}

/// The shell for tokio.
pub(crate) struct Tokio;

impl Shell for Tokio {
    type Io = websocket_proto::tokio::Io<tokio::net::TcpStream>;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(future)
    }

    fn wrap(socket: TcpStream) -> io::Result<Self::Io> {
        socket.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(socket).map(Into::into)
    }
}

/// The shell for futures-io.
pub(crate) struct Futures;

impl Shell for Futures {
    type Io = websocket_proto::futures::Io<smol::net::TcpStream>;

    fn run<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }

    fn wrap(socket: TcpStream) -> io::Result<Self::Io> {
        smol::Async::new(socket).map(|socket| smol::net::TcpStream::from(socket).into())
    }
}

/// The example `echo_reactor`: a runtime on mio.
pub(crate) struct Reactor;

impl Shell for Reactor {
    type Io = reactor_io::Io;

    fn run<T>(future: impl Future<Output = T>) -> T {
        reactor::run(&async_executor::LocalExecutor::new(), future).unwrap()
    }

    fn wrap(socket: TcpStream) -> io::Result<Self::Io> {
        socket.set_nonblocking(true)?;
        reactor_io::Io::new(mio::net::TcpStream::from_std(socket))
    }
}

/// The example `echo_compio`: a runtime whose operations own their buffers.
pub(crate) struct Compio;

impl Shell for Compio {
    type Io = compio_io::Io;

    fn run<T>(future: impl Future<Output = T>) -> T {
        compio::runtime::Runtime::new().unwrap().block_on(future)
    }

    fn wrap(socket: TcpStream) -> io::Result<Self::Io> {
        compio::net::TcpStream::from_std(socket).map(compio_io::Io::new)
    }
}
