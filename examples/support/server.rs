//! The site on TCP, in plain text.

use hyper_util::rt::TokioIo;
use tokio::{io, net::TcpListener, task::JoinSet};

use crate::site::serve;

/// The site on a free port of the loopback. It ends when this is dropped.
pub(crate) struct Server {
    /// `http://localhost:12345`
    pub(crate) url: String,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self { url, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(TokioIo::new(stream)));
    }
}
