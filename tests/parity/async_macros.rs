// The macros of the scenarios for async worlds. The including file has its own `cancel!` and `block_on`.

macro_rules! test {
    ($name:ident $scenario:block) => {
        #[test]
        fn $name() {
            block_on(async {
                $scenario
                Ok(())
            });
        }
    };
}

macro_rules! go {
    ($request:expr) => {
        $request.await
    };
}

macro_rules! wait {
    ($call:expr) => {
        $call.await
    };
}

/// Sends a body in chunks.
macro_rules! upload {
    ($request:expr, $chunks:expr) => {
        $request.body_stream(stream::iter($chunks.map(Ok::<_, io::Error>))).await
    };
}

/// Sends a body that fails after its first chunk.
macro_rules! upload_that_fails {
    ($request:expr) => {{
        let chunks = [Ok("first"), Err(io::Error::other("the source failed"))];
        $request.body_stream(stream::iter(chunks)).await
    }};
}

macro_rules! close {
    ($transport:expr) => {
        $transport.close().await
    };
}

/// The rest of a body.
macro_rules! read {
    ($body:expr) => {
        $body.read().await
    };
}

/// A body of a file.
macro_rules! file_body {
    ($path:expr) => {
        Body::file($path).await
    };
}

/// The lines of a response.
macro_rules! lines {
    ($response:expr) => {{
        let (mut lines, mut all) = ($response.lines(), Vec::new());
        while let Some(line) = lines.next().await? {
            all.push(line);
        }
        all
    }};
}

/// The next of the lines of a response.
macro_rules! next_line {
    ($lines:expr) => {
        $lines.next().await
    };
}
