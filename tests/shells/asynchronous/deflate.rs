//! Compression through the shells, which have one engine: negotiated by the configuration alone, reported to the application,
//! and left out of single messages.

use websocket_proto::{CloseCode, Config, ContextTakeover, DeflateConfig, Error, Outgoing, tokio::WebSocket};

/// What the client and the server have in common is less than either has.
fn configs() -> [Config; 2] {
    let client = DeflateConfig::context_takeover().threshold(0);
    let server = DeflateConfig::context_takeover()
        .server_max_window_bits(10)
        .client_context_takeover(ContextTakeover::Forbid);
    [client, server].map(|deflate| Config::new().deflate(deflate))
}

#[track_caller]
fn assert_agreed(params: Option<websocket_proto::DeflateParams>) {
    let params = params.expect("both sides want it");
    assert_eq!((params.server_max_window_bits, params.client_max_window_bits), (10, 12));
    assert_eq!(params.server_context_takeover, ContextTakeover::Allow);
    assert_eq!(params.client_context_takeover, ContextTakeover::Forbid);
}

fn text() -> String {
    "all work and no play makes Jack a dull boy. ".repeat(100)
}

/// PMD-45: both ends agree without help from the application, which can exempt single messages.
#[test]
fn both_ends_agree() -> Result<(), Error> {
    let [client, server] = configs();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (near, far) = tokio::io::duplex(1000);
        let serve = async {
            let (mut websocket, _) =
                WebSocket::accept_with(far, &server, async |_| Ok(websocket_proto::handshake::Accept::new())).await?;
            assert_agreed(websocket.deflate());
            while let Some((message, outbound)) = websocket.recv_split().await? {
                outbound.feed(message)?;
            }
            Ok::<(), Error>(())
        };
        let talk = async {
            let request = "ws://localhost/".parse()?;
            let (mut websocket, _) = WebSocket::client_with(near, request, &client).await?;
            assert_agreed(websocket.deflate());
            for _ in 0..3 {
                websocket.feed(text()).await?;
                websocket.feed(Outgoing::from(text()).uncompressed()).await?;
                for _ in 0..2 {
                    let message = websocket.recv().await?;
                    assert_eq!(message.as_ref().and_then(|message| message.as_text()), Some(&*text()));
                }
            }
            let (mut send, mut recv) = websocket.split();
            send.feed(Outgoing::from("plain").uncompressed()).await?;
            send.send(text()).await?;
            assert_eq!(recv.recv().await?.map(|message| message.len()), Some(5));
            assert_eq!(recv.recv().await?.map(|message| message.len()), Some(text().len()));
            let received = async { while let Ok(Some(_)) = recv.recv().await {} };
            let (closed, ()) = tokio::join!(send.close(CloseCode::NORMAL), received);
            closed
        };
        let (served, talked) = tokio::join!(serve, talk);
        served.and(talked)
    })
}
