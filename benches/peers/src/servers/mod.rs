//! The echo servers. Each runs alone in a child process, on one core: tokio's current-thread runtime, `TCP_NODELAY`, messages up
//! to 64 MiB, text validated. All other settings are the library's defaults, unless stated in the server's file.

mod batched;
mod fastwebsockets;
mod ours;
mod raw;
mod raw_uring;
mod sockudo;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod wtx;
mod yawc;

use std::{io, path::PathBuf, process::Command, sync::Arc};

use clap::ValueEnum;
use tokio::net::{TcpListener, TcpStream};

/// The largest message that a server accepts.
const MAX_MESSAGE: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    RawEpoll,
    RawUring,
    RawTokio,
    OursTokio,
    /// With windows of 32 KiB, which only affects compression.
    #[value(name = "ours-tokio-32k")]
    OursTokioWide,
    OursMio,
    OursUring,
    /// Forwards the pieces of a message as they arrive.
    OursTokioStreamed,
    TokioTungstenite,
    TokioTungsteniteBatched,
    Fastwebsockets,
    TokioWebsockets,
    TokioWebsocketsBatched,
    Wtx,
    SockudoWs,
    SockudoWsBatched,
    Yawc,
    YawcBatched,
    Soketto,
    /// In C++.
    #[value(name = "uwebsockets")]
    UWebSockets,
    NodeWs,
}

/// The kind of a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Echoes bytes unread: the best that a server on this machine can reach.
    Limit,
    Ours,
    /// A peer in the loop from its documentation.
    Peer,
    /// A peer whose application gathers replies by hand, and decides when to flush.
    Batched,
    /// A peer in another language.
    Outside,
}

impl Server {
    pub fn kind(self) -> Kind {
        match self {
            Self::RawEpoll | Self::RawUring | Self::RawTokio => Kind::Limit,
            Self::OursTokio | Self::OursTokioWide | Self::OursTokioStreamed | Self::OursMio | Self::OursUring => {
                Kind::Ours
            }
            Self::TokioTungsteniteBatched
            | Self::TokioWebsocketsBatched
            | Self::SockudoWsBatched
            | Self::YawcBatched => Kind::Batched,
            Self::UWebSockets | Self::NodeWs => Kind::Outside,
            _ => Kind::Peer,
        }
    }

    /// Its name in tables and on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub fn can_deflate(self) -> bool {
        matches!(
            self,
            Self::OursTokio
                | Self::OursTokioWide
                | Self::OursMio
                | Self::OursUring
                | Self::Wtx
                | Self::SockudoWs
                | Self::Yawc
                | Self::NodeWs
        )
    }

    /// Whether it has a row for measurements without compression.
    pub fn is_plain(self) -> bool {
        !matches!(self, Self::OursTokioWide | Self::OursTokioStreamed)
    }

    /// The server program, which first prints its address.
    pub fn command(self, deflate: bool) -> io::Result<Command> {
        let own = std::env::current_exe()?;
        let mut command = match self {
            Self::NodeWs => {
                let mut command = Command::new("node");
                command.arg(node_directory().join("server.mjs"));
                command
            }
            Self::UWebSockets => Command::new(own.with_file_name("uwebsockets")),
            Self::OursMio | Self::OursUring => {
                let example = if self == Self::OursMio {
                    "echo_mio"
                } else {
                    "echo_uring"
                };
                let mut command = Command::new(own.with_file_name(example));
                command.args(["--addr", "127.0.0.1:0"]);
                command
            }
            _ => {
                let mut command = Command::new(own);
                command.args(["serve", &self.name()]);
                command
            }
        };
        if deflate {
            command.arg("--deflate");
        }
        Ok(command)
    }

    /// The reason why this server cannot run here, if any.
    pub fn obstacle(self) -> Option<&'static str> {
        let is_missing = |path: PathBuf| !path.exists();
        match self {
            Self::UWebSockets
                if std::env::current_exe().is_ok_and(|own| is_missing(own.with_file_name("uwebsockets"))) =>
            {
                Some("uWebSockets is not built; the script `run` does it, with a compiler for C++")
            }
            Self::RawUring | Self::OursUring if raw_uring::is_missing() => {
                Some("io_uring is not available, or older than Linux 6.1")
            }
            Self::NodeWs if Command::new("node").arg("--version").output().is_err() => Some("node is not installed"),
            Self::NodeWs if is_missing(node_directory().join("node_modules/ws")) => {
                Some("the package `ws` is not installed; the script `run` does it")
            }
            _ => None,
        }
    }

    /// Serves until the process is ended.
    pub fn serve(self, deflate: bool) -> io::Result<()> {
        if self == Self::RawEpoll {
            return raw::epoll();
        }
        if self == Self::RawUring {
            return raw_uring::serve();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            match self {
                Self::RawTokio => accept_all(raw::echo).await,
                Self::OursTokio | Self::OursTokioWide => {
                    let config = Arc::new(ours::config(deflate, self == Self::OursTokioWide));
                    accept_all(move |stream| ours::echo(stream, Arc::clone(&config))).await
                }
                Self::OursTokioStreamed => accept_all(ours::echo_streamed).await,
                Self::TokioTungstenite => accept_all(tungstenite::echo).await,
                Self::TokioTungsteniteBatched => accept_all(tungstenite::echo_batched).await,
                Self::Fastwebsockets => accept_all(fastwebsockets::echo).await,
                Self::TokioWebsockets => accept_all(tokio_websockets::echo).await,
                Self::TokioWebsocketsBatched => accept_all(tokio_websockets::echo_batched).await,
                Self::Wtx if deflate => accept_all(wtx::echo_deflate).await,
                Self::Wtx => accept_all(wtx::echo).await,
                Self::SockudoWs => accept_all(move |stream| sockudo::echo(stream, deflate)).await,
                Self::SockudoWsBatched => accept_all(sockudo::echo_batched).await,
                Self::Yawc => accept_all(move |stream| yawc::echo(stream, deflate)).await,
                Self::YawcBatched => accept_all(yawc::echo_batched).await,
                Self::Soketto => accept_all(soketto::echo).await,
                Self::RawEpoll
                | Self::RawUring
                | Self::OursMio
                | Self::OursUring
                | Self::UWebSockets
                | Self::NodeWs => Err(io::Error::other("is a program of its own")),
            }
        })
    }
}

/// The folder of the JavaScript server.
pub fn node_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("node")
}

/// Echoes on each connection until it ends. How it ends does not matter.
async fn accept_all<F, T>(echo: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> T,
    T: Future<Output: Send + 'static> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

fn announce(addr: std::net::SocketAddr) {
    println!("listening on ws://{addr}");
}
