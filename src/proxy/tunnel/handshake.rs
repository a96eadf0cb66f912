//! The `CONNECT` exchange: requests until the proxy opens the tunnel or refuses.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, PROXY_AUTHORIZATION, TRANSFER_ENCODING},
};
use tower_service::Service;

use super::{Hop, Tunnels};
use crate::{
    auth::{Asker, Authorizing},
    body::Body,
    connect::{ConnectInfo, Connected, HasConnectInfo},
    error::{Error, Phase, ProxyFault, Refusal},
    events::ParentSpan,
    fields::check_room,
    io::direct::DirectReader,
    options::{RawTarget, Repeatable, Timeouts},
    pool::FailsFast,
    request_target::{own_host, tunnel_target},
    target::Target,
    upgrade::{Upgraded, upgrade},
};

/// The most `CONNECT` requests for one tunnel, each with another answer to a challenge.
const MAX_ATTEMPTS: usize = 4;

/// The most bytes kept of a refusal's body: enough for an error page.
const MAX_BODY: usize = 64 * 1024;

/// The time limit for a refusal's body, whose status is known already.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// A `CONNECT` has no content (RFC 9110 §9.3.6): bytes after its head belong to the tunnel.
const FRAMING_FIELDS: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// A request for one tunnel.
struct TunnelRequest<'a> {
    tunnels: Tunnels,
    hop: Hop,
    target: &'a Target,
    /// The target in the request line.
    authority: RawTarget,
    headers: HeaderMap,
    /// The limit for the time to reach the proxy.
    connect_limit: Option<Duration>,
    /// The span above the `CONNECT` requests; `None` without listeners.
    parent_span: Option<ParentSpan>,
}

pub(super) async fn open(
    tunnels: Tunnels,
    hop: Hop,
    connect_limit: Option<Duration>,
    target: &Target,
) -> Result<Connected<Upgraded>, Error> {
    if !hop.proxy.scheme().is_http() {
        return Err(Error::builder(format!(
            "the proxy {} is not an HTTP proxy, so it opens no tunnels",
            hop.proxy
        )));
    }
    hop.proxy.check()?;
    let headers = hop.proxy.headers_for(target)?;
    if let Some(name) = FRAMING_FIELDS.iter().find(|name| headers.contains_key(*name)) {
        let proxy = &hop.proxy;
        return Err(Error::builder(format!("`{name}` is not a field for the proxy {proxy}")));
    }
    let checked = check_room(&headers, 1).and_then(|()| own_host(&headers));
    checked
        .map_err(|error| error.during(format!("asking the proxy {} for a tunnel", hop.proxy)))?;
    let authority = tunnel_target(&target.origin)?;
    let span = hop.start_span(target);
    let parent_span = ParentSpan::of(&span, || authority.to_string());
    let request =
        TunnelRequest { tunnels, hop, target, authority, headers, connect_limit, parent_span };
    let outcome = request.run().await;
    span.finish(&outcome, |_, _| ());
    outcome
}

impl TunnelRequest<'_> {
    async fn run(mut self) -> Result<Connected<Upgraded>, Error> {
        let mut authorization = match self.headers.get(PROXY_AUTHORIZATION) {
            Some(own) => Some(own.clone()),
            None => self.hop.proxy.authenticator().first(&Method::CONNECT, &self.authority),
        };
        // The last attempt is below the loop: its answer is final.
        for _ in 1..MAX_ATTEMPTS {
            let response = self.ask(authorization.as_ref()).await?;
            match self.next_authorization(&response, authorization.as_ref()) {
                Some(better) => {
                    // Read to its end, so that the connection can be used again.
                    self.read_body(response.into_body()).await;
                    authorization = Some(better);
                }
                None => return self.outcome(response).await,
            }
        }
        let response = self.ask(authorization.as_ref()).await?;
        self.outcome(response).await
    }

    async fn ask(
        &mut self,
        authorization: Option<&HeaderValue>,
    ) -> Result<
        Response<
            impl http_body::Body<Data = Bytes, Error = Error> + HasConnectInfo + Unpin + use<>,
        >,
        Error,
    > {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::CONNECT;
        *request.headers_mut() = self.headers.clone();
        if let Some(authorization) = authorization {
            let mut authorization = authorization.clone();
            authorization.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let extensions = request.extensions_mut();
        extensions.insert(self.hop.clone());
        extensions.insert(self.authority.clone());
        // A CONNECT by itself does nothing at the origin, so it may be sent again.
        extensions.insert(Repeatable);
        extensions.insert(Timeouts::none().connect(self.connect_limit));
        if self.connect_limit.is_some() {
            extensions.insert(FailsFast);
        }
        if let Some(parent_span) = &self.parent_span {
            extensions.insert(parent_span.clone());
        }
        self.tunnels.pool.call(request).await.map_err(|error| self.failed(error))
    }

    /// The next answer to a 407, if any is left that the proxy has not refused.
    fn next_authorization<B>(
        &self,
        response: &Response<B>,
        refused: Option<&HeaderValue>,
    ) -> Option<HeaderValue> {
        if response.status() != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return None;
        }
        self.hop.proxy.authenticator().next(&Authorizing {
            asker: Asker::Proxy,
            method: &Method::CONNECT,
            target: &self.authority(),
            challenge: response.headers(),
            refused,
        })
    }

    async fn outcome<B>(self, response: Response<B>) -> Result<Connected<Upgraded>, Error>
    where
        B: http_body::Body<Data = Bytes, Error = Error> + HasConnectInfo + Unpin,
    {
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let info = ConnectInfo::of(&response).cloned().unwrap_or_default();
        let info = self.info(info, response.extensions());
        match upgrade(response).await {
            Ok(io) => Ok(Connected { io, info: info.with_reader(DirectReader::of::<Upgraded>()) }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The info of the connection to the proxy, without what was negotiated on it.
    fn info(&self, info: ConnectInfo, extensions: &Extensions) -> ConnectInfo {
        let is_shared = info.version() == Some(Version::HTTP_2);
        let info = info.with_proxy(self.hop.proxy.clone());
        if is_shared { info.on_a_stream(extensions.get().cloned()) } else { info }
    }

    async fn refused<B>(&self, response: Response<B>) -> Error
    where
        B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
    {
        let (head, body) = response.into_parts();
        let body = self.read_body(body).await;
        let (status, headers) = (head.status, head.headers);
        let doing = format!("{}: it answered {status}", self.doing());
        Error::refused(doing, Refusal { status, headers, body })
    }

    /// Up to `MAX_BODY` bytes of the body, as far as they come within `BODY_TIMEOUT`.
    async fn read_body<B>(&self, mut body: B) -> Bytes
    where
        B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
    {
        let mut read = BytesMut::new();
        let reading = async {
            while let Some(Ok(frame)) =
                std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
            {
                let Ok(data) = frame.into_data() else { continue };
                let room = MAX_BODY - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if read.len() == MAX_BODY {
                    break;
                }
            }
        };
        self.tunnels.runtime.within(Some(BODY_TIMEOUT), reading).await;
        read.freeze()
    }

    /// The proxy failed during the exchange; or it was not reached, or not asked, which the error tells already.
    fn failed(&self, error: Error) -> Error {
        if error.is_proxy() {
            return error;
        }
        if error.timeout_phase() == Some(Phase::Connect) {
            return self.hop.unreachable(error);
        }
        let is_asked = !error.is_builder() && !error.is_closed();
        let error = error.during(self.doing());
        if is_asked { error.by_proxy(ProxyFault::Failed) } else { error }
    }

    fn doing(&self) -> String {
        let origin = self.target.origin.authority_form();
        format!("opening a tunnel to {origin} through the proxy {}", self.hop)
    }

    fn authority(&self) -> String {
        self.authority.to_string()
    }
}
