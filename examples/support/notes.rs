//! What the API of `client` says in its tests, on connections that play it.

use tower_transport::{
    Error, Transport,
    mock::{Script, ScriptedConnector},
};

type Played = Result<(Transport, ScriptedConnector), Error>;

fn played(script: Script) -> Played {
    let connector = ScriptedConnector::new([script]);
    let transport = Transport::builder().connector(connector.clone()).build()?;
    Ok((transport, connector))
}

/// An exchange: the beginning of a request, the end of its head, a response.
fn exchange(script: Script, request: &str, response: &str) -> Script {
    script.expect(request).expect_head().respond(response)
}

fn token(script: Script, token: &str) -> Script {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{token}", token.len());
    script.expect("POST /v1/token HTTP/1.1\r\n").expect_head().expect("refresh").respond(response)
}

/// The first token is refused.
pub(crate) fn two_pages() -> Played {
    let script = token(Script::new(), "old");
    let refused =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n";
    let script = exchange(script, "GET /v1/notes HTTP/1.1\r\n", refused);
    let script = token(script, "new");
    let first = "[{\"title\": \"first\", \"stars\": 3}, {\"title\": \"second\"}]";
    let first = format!(
        "HTTP/1.1 200 OK\r\nlink: <notes?page=2>; rel=next\r\ncontent-length: {}\r\n\r\n{first}",
        first.len()
    );
    let script = exchange(script, "GET /v1/notes HTTP/1.1\r\n", &first);
    let second = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n[{\"title\": \"third\"}]";
    played(exchange(script, "GET /v1/notes?page=2 HTTP/1.1\r\n", second))
}

/// The second request for the notes is answered.
#[cfg(test)]
pub(crate) fn busy_once() -> Played {
    let script = token(Script::new(), "new");
    let busy = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n";
    let script = exchange(script, "GET /v1/notes HTTP/1.1\r\n", busy);
    let empty = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
    played(exchange(script, "GET /v1/notes HTTP/1.1\r\n", empty))
}

/// There is no room for another note.
pub(crate) fn full() -> Played {
    let script = token(Script::new(), "new");
    let script = script.expect("POST /v1/notes HTTP/1.1\r\n").expect_head();
    let script = script.expect("{\"title\":\"new\",\"stars\":1}");
    played(script.respond("HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\n\r\n"))
}
