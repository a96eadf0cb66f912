//! A client of an API that answers in pages.

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse, routing::get};
use serde::Deserialize;
use tower_transport::{
    Error,
    client::{Auth, Client, ResponseExt},
};

#[derive(Debug, Deserialize, PartialEq)]
struct Release {
    version: String,
}

struct Api {
    client: Client,
}

impl Api {
    async fn releases(&self, name: &str) -> Result<Vec<Release>, Error> {
        let first = self.client.get(format!("crates/{name}/releases"));
        let mut page = first.query(&[("per_page", "2")]).await?.error_for_status()?;
        let mut releases: Vec<Release> = page.json()?;
        while let Some(next) = page.links().rel("next") {
            page = self.client.get(next.url()).await?.error_for_status()?;
            releases.extend(page.json::<Vec<Release>>()?);
        }
        Ok(releases)
    }
}

async fn answer(request: Request) -> impl IntoResponse {
    let next = |page| format!("</v1/crates/a/releases?page={page}>; rel=\"next\"");
    let is_known = request.headers().get("authorization").is_some_and(|it| it == "Bearer secret");
    let (page, link) = match request.uri().query() {
        _ if !is_known => return StatusCode::UNAUTHORIZED.into_response(),
        Some("per_page=2") => (r#"[{"version": "1"}, {"version": "2"}]"#, next(2)),
        Some("page=2") => (r#"[{"version": "3"}, {"version": "4"}]"#, next(3)),
        _ => (r#"[{"version": "5"}]"#, "</v1/crates/a/releases>; rel=first".to_owned()),
    };
    ([("link", link)], page).into_response()
}

fn api(token: &str) -> Api {
    let transport = super::served(Router::new().route("/v1/crates/a/releases", get(answer)));
    let client = Client::builder().base_url("http://api.example/v1/").auth(Auth::bearer(token));
    Api { client: client.transport(transport.build().unwrap()).build().unwrap() }
}

#[tokio::test]
async fn all_pages_are_read() {
    let releases = api("secret").releases("a").await.unwrap();
    let versions: Vec<_> = releases.iter().map(|release| &*release.version).collect();
    assert_eq!(versions, ["1", "2", "3", "4", "5"]);
    assert_eq!(api("wrong").releases("a").await.unwrap_err().status().unwrap(), 401);
    assert_eq!(api("secret").releases("b").await.unwrap_err().status().unwrap(), 404);
}
