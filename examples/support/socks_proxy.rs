//! A SOCKS 5 proxy in this process, which takes names and asks nobody who they are.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A proxy on a free port of the loopback. It ends when this is dropped.
pub(crate) struct SocksProxy {
    /// `127.0.0.1:12345`
    pub(crate) address: String,
    _tasks: JoinSet<()>,
}

impl SocksProxy {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // A client that goes away in the middle is no affair of the proxy's.
        connections.spawn(async move { drop(serve(client).await) });
    }
}

/// RFC 1928, with no authentication and names alone.
async fn serve(mut client: TcpStream) -> io::Result<()> {
    let methods = client.read_u16().await?.to_be_bytes()[1];
    client.read_exact(&mut vec![0; methods.into()]).await?;
    client.write_all(&[5, 0]).await?;

    let [_, _, _, kind] = client.read_u32().await?.to_be_bytes();
    if kind != 3 {
        return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    let mut name = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut name).await?;
    let port = client.read_u16().await?;
    println!("  the proxy is asked for {}", String::from_utf8_lossy(&name));
    // It knows one host, whatever its name is.
    let mut origin = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut origin).await?;
    Ok(())
}
