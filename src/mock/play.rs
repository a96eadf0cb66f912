//! Plays one script over a stream of the user's.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    Script,
    player::{ReadAction, ScriptPlayer},
    script::ScriptEnd,
};

/// The bytes that one read may take.
const READ: usize = 16 * 1024;

impl Script {
    /// Plays this script as the server on a stream of your own: a socket, TLS once it is accepted, a tunnel.
    ///
    /// By default it returns after the last step, and the stream is yours again: still open, for another script, or for
    /// TLS inside the tunnel that this one has opened. [`stall`](Self::stall) reads until the client closes, and
    /// [`close`](Self::close) shuts the stream down.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) shows what the client wrote instead, credentials included.
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) lists the steps that were left when the client closed.
    /// [`reset`](Self::reset) and [`fail`](Self::fail) are [`Unsupported`](io::ErrorKind::Unsupported): only a
    /// [`ScriptedConnector`](super::ScriptedConnector) can play them. All other errors are those of the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the script at its current step. Bytes that were read but not yet expected are lost.
    ///
    /// ```
    /// # #[cfg(all(feature = "http1", feature = "tokio"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::net::TcpListener;
    /// use tower_transport::{Transport, RequestExt, mock::Script};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let url = format!("http://{}/", listener.local_addr()?);
    /// let server = tokio::spawn(async move {
    ///     let (mut stream, _) = listener.accept().await?;
    ///     let script = Script::new().expect_head().respond("HTTP/1.1 204 No Content\r\n\r\n");
    ///     script.play(&mut stream).await
    /// });
    ///
    /// let transport = Transport::new();
    /// assert_eq!(transport.request("GET", url).await?.status(), 204);
    /// server.await??;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "http1", feature = "tokio")))]
    /// # fn main() {}
    /// ```
    pub async fn play<S>(self, stream: &mut S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + ?Sized,
    {
        if matches!(self.end, ScriptEnd::Reset | ScriptEnd::Fail(_)) {
            let why = "a stream of one's own cannot be reset or refused by a script";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let (mut player, mut buffer) = (ScriptPlayer::new(Some(self)), vec![0; READ]);
        loop {
            match player.next_read(usize::MAX) {
                ReadAction::Read(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.flush().await?;
                }
                ReadAction::Pause(runtime, duration) => {
                    runtime.sleep(duration).await;
                    drop(player.end_pause());
                }
                ReadAction::Fail(error) => return Err(error),
                ReadAction::End => return stream.shutdown().await,
                ReadAction::Wait if player.reached() == Some(ScriptEnd::Open) => return Ok(()),
                ReadAction::Wait => match stream.read(&mut buffer).await? {
                    0 => return player.at_end(),
                    read => player.write(&buffer[..read])?,
                },
            }
        }
    }
}

impl ScriptPlayer {
    /// The outcome when the client has closed.
    fn at_end(mut self) -> io::Result<()> {
        match self.unfinished() {
            Some(missing) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing)),
            None => Ok(()),
        }
    }
}
