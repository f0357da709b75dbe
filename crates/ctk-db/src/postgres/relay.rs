//! TCP for sqlx, which sets no option of its sockets, and does not show them.
//!
//! Without `TCP_NODELAY` each `COPY`, which is several small writes that nobody answers, waits 40 ms for an acknowledgement
//! that the other side delays; without keepalive nobody notices a host that vanished. So sqlx gets a Unix socket of our own,
//! and a task moves bytes between that and a TCP connection which is set up as it should be. Where there are no such
//! sockets, or none can be made, sqlx connects by itself.

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

use super::{Connection, config::Place};

/// Connects to a host. The task ends with the connection, or when this future is dropped.
#[cfg(unix)]
pub(super) async fn connect(
    options: PgConnectOptions,
    place: &Place,
) -> Result<Connection, sqlx::Error> {
    let socket = match unix::Socket::bind(place.port) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "no socket of our own: connections are slower");
            return options.connect().await;
        }
    };
    // All addresses of the name, in turn, as sqlx does.
    let server = tokio::net::TcpStream::connect((place.host.as_str(), place.port)).await?;
    unix::set_up(&server);
    // The host stays what it is: certificates are verified against it.
    let options = options.socket(socket.folder());
    let (here, gone) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let client = tokio::select! {
            client = socket.accept() => client,
            _ = gone => return,
        };
        match client {
            Ok(client) => unix::relay(client, server).await,
            Err(error) => tracing::debug!(%error, "a connection has no socket"),
        }
    });
    let connected = options.connect().await;
    drop(here);
    connected
}

/// Connects to a host.
#[cfg(not(unix))]
pub(super) async fn connect(
    options: PgConnectOptions,
    _: &Place,
) -> Result<Connection, sqlx::Error> {
    options.connect().await
}

#[cfg(unix)]
mod unix {
    use std::{fs::Permissions, io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

    use socket2::{SockRef, TcpKeepalive};
    use tempfile::TempDir;
    use tokio::{
        io::{AsyncRead, AsyncWrite, BufReader, copy_buf},
        net::{TcpStream, UnixListener, UnixStream},
    };

    /// Bytes that are moved at once.
    const BUFFER: usize = 128 * 1024;

    /// A socket for one connection, in a folder that is open to nobody else.
    pub(super) struct Socket {
        folder: TempDir,
        listener: UnixListener,
    }

    impl Socket {
        pub(super) fn bind(port: u16) -> io::Result<Self> {
            let mut folder = tempfile::Builder::new();
            folder.prefix("ctk-").permissions(Permissions::from_mode(0o700));
            let folder = folder.tempdir()?;
            // The name that libpq gives to them, and sqlx as well.
            let listener = UnixListener::bind(folder.path().join(format!(".s.PGSQL.{port}")))?;
            Ok(Self { folder, listener })
        }

        pub(super) fn folder(&self) -> &Path {
            self.folder.path()
        }

        /// Takes the connection, and removes the socket and its folder.
        pub(super) async fn accept(self) -> io::Result<UnixStream> {
            let (stream, _) = self.listener.accept().await?;
            Ok(stream)
        }
    }

    /// Sends what is written at once, and notices after two minutes that the host is gone.
    pub(super) fn set_up(stream: &TcpStream) {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_mins(1))
            .with_interval(Duration::from_secs(10))
            .with_retries(6);
        let set = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
        // One that is closed already cannot be set up: whoever reads from it will see.
        if let Err(error) = set {
            tracing::debug!(%error, "a connection cannot be set up");
        }
    }

    /// Moves bytes in both directions, until either side ends: then both are closed.
    pub(super) async fn relay(client: UnixStream, server: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let moved = tokio::select! {
            moved = pass(from_client, to_server) => moved,
            moved = pass(from_server, to_client) => moved,
        };
        if let Err(error) = moved {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn pass(
        from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<u64> {
        copy_buf(&mut BufReader::with_capacity(BUFFER, from), &mut to).await
    }
}

#[cfg(test)]
mod tests;
