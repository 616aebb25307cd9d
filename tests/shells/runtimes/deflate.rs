//! permessage-deflate.

use futures_util::join;
use websocket_proto::{
    CloseCode, Config, DeflateConfig,
    handshake::{Accept, ClientRequest},
};

use crate::{
    shell::{Shell, WebSocket},
    support::sockets,
};

/// It is negotiated, and messages of every size come back.
pub(crate) async fn negotiated<S: Shell>() {
    for deflate in [DeflateConfig::new(), DeflateConfig::context_takeover()] {
        let (near, far) = sockets();
        let config = Config::new().deflate(deflate);
        let request: ClientRequest = "ws://localhost/".parse().unwrap();
        let accepting = WebSocket::<S>::accept_with(S::wrap(far).unwrap(), &config, async |_| Ok(Accept::new()));
        let connecting = WebSocket::<S>::client_with(S::wrap(near).unwrap(), request, &config);
        let (accepted, connected) = join!(accepting, connecting);
        let ((mut server, _), (mut client, _)) = (accepted.unwrap(), connected.unwrap());
        assert!(client.deflate().is_some() && server.deflate().is_some());
        let talking = async {
            for len in [0, 10, 1000, 70_000, 1 << 20] {
                let text = "Lorem ipsum ".repeat(len / 12);
                client.send(text.as_str()).await.unwrap();
                assert!(client.recv().await.unwrap().unwrap().as_text() == Some(&text));
            }
            client.close(CloseCode::NORMAL).await.unwrap();
        };
        let echoing = async {
            while let Some((message, outbound)) = server.recv_split().await.unwrap() {
                outbound.feed(message).unwrap();
            }
        };
        join!(talking, echoing);
    }
}
