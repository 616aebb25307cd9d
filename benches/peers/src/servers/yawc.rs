//! yawc, upgraded by hyper, with text validation enabled. When gathering by hand, it uses the buffer sizes of its own benchmark.

use futures_util::{SinkExt, StreamExt};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use yawc::{CompressionLevel, Frame, HttpStream, OpCode, Options, WebSocket};

use super::{MAX_MESSAGE, batched};

/// The limits are exclusive.
fn options() -> Options {
    Options::default()
        .with_limits(MAX_MESSAGE + 1, 2 * MAX_MESSAGE)
        .with_utf8()
}

pub async fn echo(stream: TcpStream, deflate: bool) -> hyper::Result<()> {
    let options = if deflate {
        options().with_compression_level(CompressionLevel::new(6))
    } else {
        options().without_compression()
    };
    serve(stream, options, run).await
}

pub async fn echo_batched(stream: TcpStream) -> hyper::Result<()> {
    let options = options()
        .without_compression()
        .with_read_buffer_capacity(128 << 10)
        .with_backpressure_boundary(64 << 10);
    serve(stream, options, async |mut websocket| {
        batched::echo(&mut websocket, |frame: Frame| Some(frame).filter(is_data)).await;
    })
    .await
}

async fn serve<F, T>(stream: TcpStream, options: Options, echo: F) -> hyper::Result<()>
where
    F: Fn(WebSocket<HttpStream>) -> T + Copy + Send + 'static,
    T: Future<Output = ()> + Send,
{
    let open = service_fn(move |mut request: Request<Incoming>| {
        let options = options.clone();
        async move {
            let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
            tokio::spawn(async move {
                if let Ok(websocket) = upgraded.await {
                    echo(websocket).await;
                }
            });
            Ok::<_, yawc::WebSocketError>(response)
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), open)
        .with_upgrades()
        .await
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}

async fn run(mut websocket: WebSocket<HttpStream>) {
    while let Some(frame) = websocket.next().await {
        if is_data(&frame) && websocket.send(frame).await.is_err() {
            return;
        }
    }
}
