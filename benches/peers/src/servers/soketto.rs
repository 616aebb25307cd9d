//! soketto, buffered like its example. It does not validate text: the server does, like the example.

use futures_util::io::{BufReader, BufWriter};
use soketto::{
    BoxedError, Data,
    handshake::{Server, server::Response},
};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::MAX_MESSAGE;

pub async fn echo(stream: TcpStream) -> Result<(), BoxedError> {
    let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
    let key = server.receive_request().await?.key();
    let accept = Response::Accept { key, protocol: None };
    server.send_response(&accept).await?;
    let mut builder = server.into_builder();
    builder.set_max_message_size(MAX_MESSAGE);
    builder.set_max_frame_size(MAX_MESSAGE);
    let (mut sender, mut receiver) = builder.finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
            Data::Text(_) => sender.send_text(simdutf8::basic::from_utf8(&message)?).await?,
        }
        sender.flush().await?;
    }
}
