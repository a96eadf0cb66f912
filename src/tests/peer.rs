//! The kit of bytes: a peer over any stream, whose every byte a test reads and writes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A peer over a socket, over TLS or in memory.
pub(crate) struct Peer<S> {
    pub(crate) io: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) fn new(io: S) -> Self {
        Self { io }
    }

    /// Reads the head of an HTTP/1.1 message. Fails at once if another protocol begins.
    pub(crate) async fn read_head(&mut self) -> io::Result<String> {
        let mut head = vec![self.io.read_u8().await?];
        if !head[0].is_ascii_graphic() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.io.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads this many bytes.
    pub(crate) async fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.io.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// Reads this many bytes and forgets them.
    pub(crate) async fn skip(&mut self, length: u64) -> io::Result<()> {
        let mut bytes = (&mut self.io).take(length);
        match tokio::io::copy(&mut bytes, &mut tokio::io::sink()).await? == length {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads to the end.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.io.read_to_end(&mut rest).await?;
        Ok(rest)
    }

    /// Reads to the end and forgets it.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        tokio::io::copy(&mut self.io, &mut tokio::io::sink()).await.map(drop)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    /// Writes byte by byte, and yields to the other tasks before each.
    pub(crate) async fn write_slowly(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            self.write([*byte]).await?;
        }
        Ok(())
    }

    /// Writes pieces so that each is a read of its own, where the other side is a task of the same thread.
    pub(crate) async fn write_each(
        &mut self,
        pieces: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> io::Result<()> {
        for piece in pieces {
            self.write(piece).await?;
            run_ready_tasks().await;
        }
        Ok(())
    }

    /// Reads the head of a request, and writes these pieces.
    pub(crate) async fn answer(
        &mut self,
        pieces: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> io::Result<String> {
        let head = self.read_head().await?;
        self.write_each(pieces).await?;
        Ok(head)
    }
}

/// Runs all tasks of this thread that can make progress.
pub(crate) async fn run_ready_tasks() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
