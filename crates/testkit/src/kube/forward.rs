//! Port-forwards: a WebSocket to a pod's port, as the kubelet speaks it. Each message begins with a
//! channel, 0 for data and 1 for what is wrong, and the first of each channel tells the port.

use std::net::SocketAddr;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::{Parameters, refuse};
use super::store::Shared;

/// What clients that speak it ask for.
const PROTOCOL: &str = "v4.channel.k8s.io";

const DATA: u8 = 0;
const ERROR: u8 = 1;

/// What a read takes at most.
const CHUNK: usize = 16 << 10;

/// Answers who asks for a port of a pod, named as `namespace/name`.
pub(super) fn answer(
    shared: &Shared,
    pod: &str,
    parameters: &Parameters,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if shared.read(|store| store.forbidden.contains("pods/portforward")) {
        let message = format!(
            "pods {pod:?} is forbidden: User \"somebody\" cannot create resource \"pods/portforward\" in \
             API group \"\""
        );
        return refuse(403, "Forbidden", &message);
    }
    let port = parameters.get("ports").and_then(|port| port.parse().ok());
    let Some(port) = port else {
        return refuse(400, "BadRequest", "one port is what this fake forwards");
    };
    let to = shared.read(|store| store.forwards.get(&(pod.to_owned(), port)).copied());
    match upgrade {
        Ok(upgrade) => upgrade
            .protocols([PROTOCOL])
            .on_upgrade(move |socket| async move {
                // Who goes away in the middle is told nothing more.
                let _ = carry(socket, port, to).await;
            }),
        Err(rejection) => rejection.into_response(),
    }
}

async fn carry(
    mut socket: WebSocket,
    port: u16,
    to: Option<SocketAddr>,
) -> Result<(), axum::Error> {
    for channel in [DATA, ERROR] {
        let [low, high] = port.to_le_bytes();
        socket.send(message(channel, &[low, high])).await?;
    }
    let connected = match to {
        Some(to) => TcpStream::connect(to).await.ok(),
        None => None,
    };
    let Some(mut stream) = connected else {
        let said =
            format!("failed to connect to localhost:{port} inside namespace: connection refused");
        socket.send(message(ERROR, said.as_bytes())).await?;
        return socket.send(Message::Close(None)).await;
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            read = stream.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return socket.send(Message::Close(None)).await,
                Ok(length) => socket.send(message(DATA, &chunk[..length])).await?,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&DATA) => {
                    if stream.write_all(&bytes[1..]).await.is_err() {
                        return socket.send(Message::Close(None)).await;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut whole = vec![channel];
    whole.extend_from_slice(bytes);
    Message::Binary(whole.into())
}
