//! A client for an API, and its tests without a network: `cargo run --features client,json,mock --example client`,
//! `cargo test --features client,json,mock --example client`.
//!
//! It has a base URL, a token that is refreshed, retries, JSON both ways, and pages by `Link` (RFC 8288).

use std::sync::Arc;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tower_transport::{
    Error, Transport,
    client::{Auth, AuthRequest, Client, ResponseExt},
    error::BoxError,
    options::Retries,
};

/// What the API keeps.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    title: String,
    #[serde(default)]
    stars: u32,
}

#[derive(Clone)]
struct Notes {
    client: Client,
}

impl Notes {
    /// `refresh` is exchanged for a token, first and whenever that is refused.
    fn new(base: &str, refresh: &str, transport: Transport) -> Result<Self, Error> {
        let builder = || Client::builder().base_url(base).transport(transport.clone());
        let tokens = Arc::new(Tokens {
            client: builder().build()?,
            refresh: refresh.to_owned(),
            token: Mutex::default(),
        });
        let auth = Auth::by_async(move |request: AuthRequest| {
            let tokens = tokens.clone();
            async move { tokens.token(request.refused()).await.map(Some) }
        });
        let client = builder().auth(auth).retries(Retries::new(3)).build()?;
        Ok(Self { client })
    }

    /// All notes, page by page.
    async fn all(&self) -> Result<Vec<Note>, Error> {
        let mut page = self.client.get("notes").await?.error_for_status()?;
        let mut notes: Vec<Note> = page.json()?;
        while let Some(next) = page.links().rel("next") {
            page = self.client.get(next.url()).await?.error_for_status()?;
            notes.extend(page.json::<Vec<Note>>()?);
        }
        Ok(notes)
    }

    /// Adds a note, and returns it as it was stored.
    async fn add(&self, note: &Note) -> Result<Note, Error> {
        self.client.post("notes").json(note).await?.error_for_status()?.json()
    }
}

/// The token of the moment. Requests that come while it is refreshed wait for the same.
struct Tokens {
    client: Client,
    refresh: String,
    token: Mutex<Option<HeaderValue>>,
}

impl Tokens {
    async fn token(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, BoxError> {
        let mut token = self.token.lock().await;
        match &*token {
            Some(token) if Some(token) != refused => Ok(token.clone()),
            _ => {
                let request = self.client.post("token").body(self.refresh.clone());
                let fresh = request.await?.error_for_status()?.text();
                let mut value = HeaderValue::try_from(format!("Bearer {fresh}"))?;
                value.set_sensitive(true);
                Ok(token.insert(value).clone())
            }
        }
    }
}

#[path = "support/notes.rs"]
mod notes;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (transport, connector) = notes::two_pages()?;
    let api = Notes::new("http://api.example/v1/", "refresh", transport)?;
    for note in api.all().await? {
        println!("{:>3} {}", note.stars, note.title);
    }
    connector.assert_done();

    let (transport, connector) = notes::full()?;
    let api = Notes::new("http://api.example/v1/", "refresh", transport)?;
    let refused = api.add(&Note { title: "new".to_owned(), stars: 1 }).await;
    println!("{}", refused.err().ok_or("there was room")?);
    connector.assert_done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_pages_are_read_with_a_token_that_is_refreshed() {
        let (transport, connector) = notes::two_pages().unwrap();
        let api = Notes::new("http://api.example/v1/", "refresh", transport).unwrap();
        let titles: Vec<_> = api.all().await.unwrap().into_iter().map(|note| note.title).collect();
        assert_eq!(titles, ["first", "second", "third"]);
        connector.assert_done();
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_asked_again() {
        let (transport, connector) = notes::busy_once().unwrap();
        let api = Notes::new("http://api.example/v1/", "refresh", transport).unwrap();
        assert!(api.all().await.unwrap().is_empty());
        connector.assert_done();
    }

    #[tokio::test]
    async fn a_note_is_sent_as_json_and_a_refusal_is_an_error_with_its_status() {
        let (transport, connector) = notes::full().unwrap();
        let api = Notes::new("http://api.example/v1/", "refresh", transport).unwrap();
        let note = Note { title: "new".to_owned(), stars: 1 };
        assert_eq!(api.add(&note).await.unwrap_err().status().unwrap(), 507);
        connector.assert_done();
    }
}
