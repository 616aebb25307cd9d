//! fastwebsockets, like its example: upgraded by hyper, fragments collected, without tokio's budget.

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::MAX_MESSAGE;

pub async fn echo(stream: TcpStream) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(open))
        .with_upgrades()
        .await
}

async fn open(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(run(upgraded)));
    Ok(response)
}

async fn run(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut websocket = upgraded.await?;
    websocket.set_max_message_size(MAX_MESSAGE);
    let mut websocket = FragmentCollector::new(websocket);
    loop {
        let frame = websocket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => websocket.write_frame(frame).await?,
            _ => {}
        }
    }
}
