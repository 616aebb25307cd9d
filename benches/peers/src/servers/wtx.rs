//! wtx, with ring and simdutf8. Its default limit is 64 MiB. The payload stays in the receive buffer, if possible.

use tokio::net::TcpStream;
use wtx::{
    collection::Vector,
    web_socket::{
        Compression, OpCode, WebSocketAcceptor, WebSocketPayloadOrigin,
        compression::{CompressionLevel, DeflateConfig, Flate2, NegotiatedCompression, WindowBits},
    },
};

pub async fn echo(stream: TcpStream) -> wtx::Result<()> {
    run(stream, ()).await
}

pub async fn echo_deflate(stream: TcpStream) -> wtx::Result<()> {
    let config = DeflateConfig {
        client_max_window_bits: WindowBits::Fifteen,
        server_max_window_bits: WindowBits::Fifteen,
        compression_level: CompressionLevel::Six,
    };
    run(stream, Flate2::from(config)).await
}

async fn run<C>(stream: TcpStream, compression: C) -> wtx::Result<()>
where
    C: Compression<false, NegotiatedCompression: NegotiatedCompression>,
{
    let mut websocket = WebSocketAcceptor::default()
        .compression(compression)
        .no_masking(false)
        .accept(stream)
        .await?;
    let (mut common, mut reader, mut writer) = websocket.split_mut();
    let mut buffer = Vector::new();
    loop {
        let mut frame = reader
            .read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive)
            .await?;
        match frame.op_code() {
            OpCode::Binary | OpCode::Text => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}
