//! Names become addresses by the resolver, and literals without it.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn};
use tower_transport::{
    Error,
    connect::{Name, StaticResolver, TcpConnector},
    error::Phase,
};

use crate::support::{
    hosts::{listening, refusing},
    targets::{io_kind, ips, never_asked, target},
};

/// A resolver that must be ready before it is asked, and becomes so at the second try.
#[derive(Clone, Default)]
struct ReadyAtSecondTry {
    tries: usize,
}

impl Service<Name> for ReadyAtSecondTry {
    type Response = [SocketAddr; 1];
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.tries += 1;
        cx.waker().wake_by_ref();
        if self.tries == 2 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Name) -> Self::Future {
        assert_eq!(self.tries, 2, "asked before it was ready");
        ready(Ok([SocketAddr::from(([127, 0, 0, 1], 9))]))
    }
}

async fn ask(resolver: StaticResolver, name: &str) -> Result<Vec<SocketAddr>, Error> {
    resolver.oneshot(Name::new(name)).await.map(Iterator::collect)
}

#[tokio::test]
async fn names_compare_without_regard_to_case() {
    let resolver = StaticResolver::new().address("Example.COM", ips(["127.0.0.1", "::1"]));
    let addresses = ask(resolver, "eXample.com").await.unwrap();
    assert_eq!(addresses.len(), 2);
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
}

#[tokio::test]
async fn a_name_that_was_not_set_fails() {
    let resolver = StaticResolver::new().address("example.com", ips(["127.0.0.1"]));
    let connector = TcpConnector::new().resolver(resolver);
    let error = connector.oneshot(target("http://other.example/")).await.unwrap_err();
    assert!(error.is_dns() && error.is_connect() && !error.was_sent());
    assert_eq!(error.to_string(), "resolving other.example");
}

#[tokio::test]
async fn the_fallback_is_asked_for_other_names_only() {
    let fallback = service_fn(|name: Name| async move {
        assert_eq!(name.as_str(), "other.example");
        Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 2], 0))])
    });
    let resolver = StaticResolver::new().address("example.com", ips(["127.0.0.1"]));
    let resolver = resolver.fallback(fallback);
    let known = resolver.clone().oneshot(Name::new("example.com")).await.unwrap();
    assert_eq!(known.collect::<Vec<_>>(), ["127.0.0.1:0".parse().unwrap()]);
    let other = resolver.oneshot(Name::new("other.example")).await.unwrap();
    assert_eq!(other.collect::<Vec<_>>(), ["127.0.0.2:0".parse().unwrap()]);
}

#[tokio::test]
async fn an_empty_answer_is_an_error() {
    let empty = service_fn(|_: Name| ready(Ok::<[SocketAddr; 0], Infallible>([])));
    let connector = TcpConnector::new().resolver(empty);
    let error = connector.oneshot(target("http://example.com/")).await.unwrap_err();
    assert!(error.is_dns());
    assert_eq!(error.to_string(), "resolving example.com");
}

#[tokio::test]
async fn the_error_of_the_resolver_is_the_cause() {
    let broken = service_fn(|_: Name| {
        ready(Err::<[SocketAddr; 0], _>(io::Error::from(io::ErrorKind::HostUnreachable)))
    });
    let connector = TcpConnector::new().resolver(broken);
    let error = connector.oneshot(target("http://example.com/")).await.unwrap_err();
    assert!(error.is_dns());
    assert_eq!(io_kind(&error), Some(io::ErrorKind::HostUnreachable));
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_never_answers_is_a_timeout() {
    let mute = service_fn(|_: Name| pending::<Result<[SocketAddr; 0], Infallible>>());
    let began_at = Instant::now();
    let connector = TcpConnector::new().resolver(mute);
    let error = connector.oneshot(target("http://example.com/")).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect));
    let expected = "resolving example.com: timed out after 10 s (connect timeout)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(began_at.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn an_address_is_never_resolved() {
    let (_held, port) = refusing("127.0.0.1");
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::1%251]"] {
        let connector = TcpConnector::new().resolver(never_asked());
        let error = connector.oneshot(target(&format!("http://{host}:{port}"))).await.unwrap_err();
        assert!(error.is_connect() && !error.is_dns(), "{host}: {error:?}");
    }
}

#[tokio::test]
async fn a_zone_that_is_no_interface_is_an_error_that_names_it() {
    let connector = TcpConnector::new().resolver(never_asked());
    let error = connector.oneshot(target("http://[fe80::1%25no-such0]/")).await.unwrap_err();
    assert!(error.is_connect() && !error.is_dns());
    assert!(error.to_string().contains("`no-such0`"), "{error}");
}

#[tokio::test]
async fn the_resolver_is_asked_when_it_is_ready_and_its_port_is_not_used() {
    let (_listener, port) = listening("127.0.0.1").await;
    let connector = TcpConnector::new().resolver(ReadyAtSecondTry::default());
    let target = target(&format!("http://example.com:{port}"));
    let connected = connector.oneshot(target).await.unwrap();
    assert_eq!(connected.info.peer_addr().unwrap().port(), port);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_peer_at_an_unspecified_address_is_the_one_that_was_reached() {
    let (listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://0.0.0.0:{port}"));
    let connected = TcpConnector::new().oneshot(target).await.unwrap();
    assert_eq!(connected.info.peer_addr(), Some(listener.local_addr().unwrap()));
}

#[tokio::test]
async fn the_system_knows_the_local_host() {
    let (_listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://localhost:{port}"));
    let connected = TcpConnector::new().oneshot(target).await.unwrap();
    assert!(connected.info.peer_addr().unwrap().ip().is_loopback());
}

#[tokio::test(start_paused = true)]
async fn giving_up_drops_the_question() {
    let questions = Arc::new(AtomicUsize::new(0));
    let asked = questions.clone();
    let mute = service_fn(move |_: Name| {
        let question = Question::new(&asked);
        async move {
            let _question = question;
            pending::<Result<[SocketAddr; 0], Infallible>>().await
        }
    });
    let connecting = TcpConnector::new().resolver(mute).oneshot(target("http://example.com/"));
    assert!(tokio::time::timeout(Duration::from_secs(1), connecting).await.is_err());
    assert_eq!(questions.load(Ordering::SeqCst), 0);
}

/// A question that is being asked.
struct Question(Arc<AtomicUsize>);

impl Question {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open.clone())
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
