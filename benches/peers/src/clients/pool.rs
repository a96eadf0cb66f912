//! hyper-util's composable pool: a map of origins to a cache of HTTP/1.1 connections or to one of HTTP/2.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::{
    client::pool::{cache, map::Map, singleton::Singleton},
    rt::TokioExecutor,
};
use tower::{Service, ServiceExt};

use super::{
    Client,
    bare::{Dial, Http1, Http2, host, with_host},
    read, request,
};
use crate::work::{Bulk, Job, Outcome};

type Dialing<S> = Pin<Box<dyn Future<Output = Outcome<S>> + Send>>;

#[derive(Clone)]
struct DialHttp1(Dial);

impl Service<Uri> for DialHttp1 {
    type Response = Http1;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Dialing<Http1>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.0.clone();
        Box::pin(async move { dial.http1(&uri).await })
    }
}

#[derive(Clone)]
struct DialHttp2(Dial);

impl Service<Uri> for DialHttp2 {
    type Response = Shared;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Dialing<Shared>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.0.clone();
        Box::pin(async move { dial.http2(&uri).await.map(Shared) })
    }
}

/// What is inside a connection of a singleton cannot be had, but by calling it.
#[derive(Clone)]
struct Shared(Http2);

impl Service<()> for Shared {
    type Response = Http2;
    type Error = hyper::Error;
    type Future = Ready<Result<Http2, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, _: ()) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

/// The types of hyper-util's pool have no names, so these are closures: the service of an origin, and what is inside a
/// connection that it gave.
struct Pooled<G, S, I, C> {
    service: G,
    inside: I,
    types: PhantomData<fn() -> (S, C)>,
}

impl<G: Clone, S, I: Clone, C> Clone for Pooled<G, S, I, C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), inside: self.inside.clone(), types: PhantomData }
    }
}

pub fn http1(dial: Dial) -> impl Client + Clone {
    let map = Map::builder::<Uri>()
        .keys(|uri: &Uri| (uri.scheme().cloned(), uri.authority().cloned()))
        .values(move |_: &Uri| {
            cache::builder().executor(TokioExecutor::new()).build(DialHttp1(dial.clone()))
        })
        .build();
    let map = Arc::new(Mutex::new(map));
    let service = move |uri: &Uri, forget: bool| {
        let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = map.service(uri);
        if forget {
            cache.retain(|_| false);
        }
        cache.clone()
    };
    pooled(service, |cached| cached.inner_mut())
}

fn pooled<G, S, I, C>(service: G, inside: I) -> Pooled<G, S, I, C>
where
    G: Fn(&Uri, bool) -> S + Clone + Send + 'static,
    S: Service<Uri, Response = C, Future: Send> + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    C: Send + 'static,
    I: Fn(&mut C) -> &mut Http1 + Clone + Send + 'static,
{
    Pooled { service, inside, types: PhantomData }
}

impl<G, S, I, C> Client for Pooled<G, S, I, C>
where
    G: Fn(&Uri, bool) -> S + Clone + Send + 'static,
    S: Service<Uri, Response = C, Future: Send> + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    C: Send + 'static,
    I: Fn(&mut C) -> &mut Http1 + Clone + Send + 'static,
{
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        let mut service = (self.service)(&job.uri, job.is_new);
        service.ready().await.map_err(Into::into)?;
        let mut cached = service.call(job.uri.clone()).await.map_err(Into::into)?;
        let sender = (self.inside)(&mut cached);
        sender.ready().await?;
        let response = sender.send_request(with_host(job, host(job)?)).await?;
        read(job, response).await
    }
}

/// The one connection of HTTP/2.
#[derive(Clone)]
struct Single<S>(S);

pub fn http2(dial: Dial) -> impl Client + Clone {
    Single(Singleton::new(DialHttp2(dial)))
}

impl<S, C> Client for Single<S>
where
    S: Service<Uri, Response = C, Future: Send> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    C: Service<(), Response = Http2, Error = hyper::Error, Future: Send> + Send,
{
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        self.0.ready().await.map_err(Into::into)?;
        let mut single = self.0.call(job.uri.clone()).await.map_err(Into::into)?;
        let mut sender = single.ready().await?.call(()).await?;
        read(job, sender.send_request(request(job, Bulk::new(job.sends()))).await?).await
    }
}
