//! The conversation that ends in a tunnel, or in a refusal.

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
    options::{RawTarget, Repeatable, Timeouts},
    pool::FailsFast,
    request_target::{own_host, tunnel_target},
    target::Target,
    upgrade::{Upgraded, upgrade},
};

/// So often a proxy is asked for one tunnel, each time with another answer to what it wants to know.
const TRIES: usize = 4;

/// Of the body of a refusal, so much is kept, in bytes: enough for an error page.
const BODY: usize = 64 * 1024;

/// What a refusal says is worth so much waiting: its status is known already.
const PATIENCE: Duration = Duration::from_secs(1);

/// A `CONNECT` has no content (RFC 9110 §9.3.6): what would follow is the beginning of the tunnel.
const OF_THE_MESSAGE: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// One tunnel that is asked for.
struct Asking<'a> {
    tunnels: Tunnels,
    hop: Hop,
    target: &'a Target,
    /// The target as it stands in the request line.
    authority: RawTarget,
    headers: HeaderMap,
    /// How long reaching the proxy may take.
    stall: Option<Duration>,
    /// As a part of what it is asked for, if anybody is told.
    told: Option<ParentSpan>,
}

pub(super) async fn open(
    tunnels: Tunnels,
    hop: Hop,
    stall: Option<Duration>,
    target: &Target,
) -> Result<Connected<Upgraded>, Error> {
    if !hop.proxy.scheme().is_http() {
        return Err(Error::builder(format!("the proxy {} opens no tunnels by HTTP", hop.proxy)));
    }
    hop.proxy.check()?;
    let headers = hop.proxy.headers_for(target)?;
    if let Some(name) = OF_THE_MESSAGE.iter().find(|name| headers.contains_key(*name)) {
        let proxy = &hop.proxy;
        return Err(Error::builder(format!("`{name}` is not a field for the proxy {proxy}")));
    }
    let is_told = check_room(&headers, 1).and_then(|()| own_host(&headers));
    is_told
        .map_err(|error| error.during(format!("asking the proxy {} for a tunnel", hop.proxy)))?;
    let authority = tunnel_target(&target.origin)?;
    let span = hop.told(target);
    let told = ParentSpan::of(&span, || authority.to_string());
    let asking = Asking { tunnels, hop, target, authority, headers, stall, told };
    let outcome = asking.until_open().await;
    span.finish(&outcome, |_, _| ());
    outcome
}

impl Asking<'_> {
    async fn until_open(mut self) -> Result<Connected<Upgraded>, Error> {
        let mut authorization = match self.headers.get(PROXY_AUTHORIZATION) {
            Some(own) => Some(own.clone()),
            None => self.hop.proxy.authenticator().first(&Method::CONNECT, &self.authority),
        };
        for _ in 1..TRIES {
            let response = self.ask(authorization.as_ref()).await?;
            match self.better_answer(&response, authorization.as_ref()) {
                Some(better) => {
                    // Read to its end, so that the connection can be asked again.
                    self.body_of(response.into_body()).await;
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
        extensions.insert(Repeatable);
        extensions.insert(Timeouts::none().connect(self.stall));
        if self.stall.is_some() {
            extensions.insert(FailsFast);
        }
        if let Some(told) = &self.told {
            extensions.insert(told.clone());
        }
        self.tunnels.pool.call(request).await.map_err(|error| self.failed(error))
    }

    /// What to say to a proxy that wants to know who we are, if there is anything that it has not refused.
    fn better_answer<B>(
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
            Ok(io) => Ok(Connected { io, info }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// What is known of the way to the proxy is known of the tunnel, but not what was said there.
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
        let body = self.body_of(body).await;
        let (status, headers) = (head.status, head.headers);
        let doing = format!("{}: it answered {status}", self.doing());
        Error::refused(doing, Refusal { status, headers, body })
    }

    /// The beginning of it, as far as it comes without delay.
    async fn body_of<B>(&self, mut body: B) -> Bytes
    where
        B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
    {
        let mut read = BytesMut::new();
        let reading = async {
            while let Some(Ok(frame)) =
                std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
            {
                let Ok(data) = frame.into_data() else { continue };
                let room = BODY - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if read.len() == BODY {
                    break;
                }
            }
        };
        self.tunnels.runtime.within(Some(PATIENCE), reading).await;
        read.freeze()
    }

    /// The proxy broke off, or did not speak HTTP; or it was not reached, which is said already; or it was not asked.
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
