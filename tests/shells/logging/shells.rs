//! The blocking and the tokio shell, over sockets and over pipes.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket_proto::{Error, blocking, tokio as ws};

use crate::scenario::{CLOSE, Scenario, Side, Then};

pub(crate) fn blocking(scenario: &Scenario) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut peer = TcpStream::connect(address).expect("the listener is there");
            peer.write_all(&scenario.bytes).expect("the endpoint reads");
            if scenario.then == Then::Ends {
                peer.shutdown(Shutdown::Write).expect("an open stream");
            }
            if scenario.then != Then::Stays {
                // An endpoint that has failed may reset the stream.
                let _ = peer.read_to_end(&mut Vec::new());
                let _ = peer.shutdown(Shutdown::Both);
            }
            peer
        });
        let (stream, _) = listener.accept().expect("the peer connects");
        let websocket = match &scenario.side {
            Side::Server(decide) => {
                blocking::WebSocket::accept_with(stream, &scenario.config, decide).map(|(websocket, _)| websocket)
            }
            Side::Client(request) => blocking::WebSocket::client_with(stream, (**request).clone(), &scenario.config)
                .map(|(websocket, _)| websocket),
        };
        if let Ok(websocket) = websocket {
            let _ = converse(websocket, scenario);
        }
        drop(peer.join().expect("no panic of the peer"));
    });
}

fn converse(mut websocket: blocking::WebSocket<TcpStream>, scenario: &Scenario) -> Result<(), Error> {
    if scenario.closes {
        websocket.close(CLOSE)?;
    }
    while websocket.recv()?.is_some() {}
    Ok(())
}

pub(crate) fn tokio(scenario: &Scenario) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (stream, mut peer) = tokio::io::duplex(1 << 16);
        let peer = async {
            peer.write_all(&scenario.bytes).await.expect("the endpoint reads");
            if scenario.then == Then::Ends {
                peer.shutdown().await.expect("an open stream");
            }
            if scenario.then != Then::Stays {
                peer.read_to_end(&mut Vec::new()).await.expect("the endpoint ends");
                peer.shutdown().await.expect("an open stream");
            }
            peer
        };
        let endpoint = async {
            let websocket = match &scenario.side {
                Side::Server(decide) => {
                    let accepted =
                        ws::WebSocket::accept_with(stream, &scenario.config, async |request| decide(request));
                    accepted.await.map(|(websocket, _)| websocket)
                }
                Side::Client(request) => {
                    let opened = ws::WebSocket::client_with(stream, (**request).clone(), &scenario.config);
                    opened.await.map(|(websocket, _)| websocket)
                }
            };
            if let Ok(websocket) = websocket {
                let _ = converse_async(websocket, scenario).await;
            }
        };
        let (peer, ()) = tokio::join!(peer, endpoint);
        drop(peer);
    });
}

async fn converse_async<S>(mut websocket: ws::WebSocket<S>, scenario: &Scenario) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if scenario.closes {
        websocket.close(CLOSE).await?;
    }
    while websocket.recv().await?.is_some() {}
    Ok(())
}
