//! The opening handshake of the bare core.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Duration,
};

use websocket_proto::{
    Config, Error, Negotiated, Role,
    handshake::{Accept, ClientHandshake, ServerHandshake},
};

use crate::{
    clock::{self, Alarm},
    network::Pipe,
    shells::request,
};

/// Performs the opening handshake with the bare core.
pub async fn negotiate(pipe: &Pipe, role: Role, config: &Config) -> Result<Negotiated, Error> {
    let alarm = Alarm::new();
    let deadline = config.timers.handshake.unwrap_or(Duration::MAX);
    let deadline = clock::now().saturating_add(deadline);
    Ok(match role {
        Role::Client => {
            let mut handshake = ClientHandshake::new(request(), config.nonce()?, config)?;
            let request = handshake.request().to_vec();
            let mut written = 0;
            let response = poll_fn(|cx| -> Poll<Result<_, Error>> {
                if alarm.poll_until(deadline, cx).is_ready() {
                    return Poll::Ready(Err(handshake.handle_timeout().into()));
                }
                while written < request.len() {
                    match ready!(pipe.poll_write(cx, &[io::IoSlice::new(&request[written..])]))? {
                        0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                        n => written += n,
                    }
                }
                ready!(pipe.poll_flush(cx))?;
                let mut buffer = [0; 300];
                loop {
                    match ready!(pipe.poll_read(cx, &mut buffer))? {
                        0 => return Poll::Ready(Err(handshake.receive_eof().into())),
                        n => {
                            if let Some(response) = handshake.receive(&buffer[..n])? {
                                return Poll::Ready(Ok(response));
                            }
                        }
                    }
                }
            })
            .await?;
            response.into_negotiated()
        }
        Role::Server => {
            let mut handshake = ServerHandshake::new(config);
            let request = poll_fn(|cx| -> Poll<Result<_, Error>> {
                if alarm.poll_until(deadline, cx).is_ready() {
                    return Poll::Ready(Err(handshake.handle_timeout().into()));
                }
                let mut buffer = [0; 300];
                loop {
                    match ready!(pipe.poll_read(cx, &mut buffer))? {
                        0 => return Poll::Ready(Err(handshake.receive_eof().into())),
                        n => {
                            if let Some(request) = handshake.receive(&buffer[..n])? {
                                return Poll::Ready(Ok(request));
                            }
                        }
                    }
                }
            })
            .await?;
            let accepted = request.accept(Accept::new())?;
            let response = accepted.response().to_vec();
            accepted.into_negotiated().with_unsent_response(response)
        }
    })
}
