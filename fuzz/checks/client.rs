//! A whole client: whatever a server or a proxy says, it neither panics nor hangs.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body as _;
use tower_service::Service;
use tower_transport::{
    RequestExt, Transport,
    connect::Connected,
    proxy::{Proxy, ProxyRules},
    rt::Runtime,
    target::Target,
    tls::TlsConfig,
};

use super::script::{NoTimer, Script, Tasks, run};

/// `None` if there is no response, or if its body does not end.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let tasks = Tasks::default();
    let read = send(input, &tasks);
    // They hold the runtime, which holds them.
    tasks.end();
    read
}

/// The input: the way to the origin, flags (1: the peer closes at the end, 2: it speaks first, 4: what follows the cut
/// waits for a request), where the bytes are cut, and the bytes.
fn send(input: &[u8], tasks: &Tasks) -> Option<()> {
    let ([way, flags, cut], bytes) = input.split_first_chunk()?;
    let (first, second) = bytes.split_at(usize::from(*cut) % (bytes.len() + 1));
    let pieces = [first, second].into_iter().filter(|piece| !piece.is_empty());
    let says: Vec<_> = pieces.map(Bytes::copy_from_slice).collect();
    let ends = flags & 1 == 1;
    // TLS and SOCKS do not begin with a head whose end the peer could wait for.
    let is_first = flags & 2 == 2 || matches!(way % 6, 2..=4);
    let waits_again = flags & 4 == 4;
    let connector = Says { says: Arc::new(Mutex::new(Some(says))), ends, is_first, waits_again };
    let runtime = Runtime::new(tasks.clone(), NoTimer);
    // Certificates of the platform are read once, not for each input.
    static TLS: OnceLock<TlsConfig> = OnceLock::new();
    let tls = TLS.get_or_init(TlsConfig::platform).clone();
    let builder = Transport::builder().connector(connector).tls(tls).runtime(runtime).no_proxy();
    let (builder, url) = match way % 6 {
        0 => (builder, "http://example.com/"),
        1 => (builder.http2_prior_knowledge(), "http://example.com/"),
        2 => (builder, "https://example.com/"),
        3 => (builder.proxy(through("socks4a://user@proxy.example")), "http://example.com/"),
        4 => (builder.proxy(through("socks5h://user:word@proxy.example")), "http://example.com/"),
        _ => (builder.proxy(through("http://user:word@proxy.example")), "https://example.com/"),
    };
    let transport = builder.build().expect("a transport");
    let mut sending = Box::pin(IntoFuture::into_future(transport.stream("GET", url)));
    let sent = drive(tasks, |cx| sending.as_mut().poll(cx));
    let mut body = sent?.ok()?.into_body();
    while let Some(frame) = drive(tasks, |cx| pin!(&mut body).poll_frame(cx))? {
        frame.ok()?;
    }
    Some(())
}

/// Polls while something is woken or begun. `None` if it waits for something that never comes.
fn drive<T>(tasks: &Tasks, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    run(|cx| {
        tasks.poll(cx);
        let before = tasks.left();
        let polled = poll(cx);
        // What it has begun is polled for the first time, too.
        if tasks.left() > before {
            cx.waker().wake_by_ref();
        }
        polled
    })
}

fn through(proxy: &str) -> ProxyRules {
    ProxyRules::all(proxy.parse::<Proxy>().expect("a proxy"))
}

/// The first connection says the bytes; later ones are closed at once.
#[derive(Clone)]
struct Says {
    says: Arc<Mutex<Option<Vec<Bytes>>>>,
    ends: bool,
    is_first: bool,
    waits_again: bool,
}

impl Service<Target> for Says {
    type Response = Connected<Script>;
    type Error = Infallible;
    type Future = Ready<Result<Connected<Script>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        let says = self.says.lock().unwrap().take();
        let ends = self.ends || says.is_none();
        let after: &[u8] = if self.is_first || says.is_none() { b"" } else { b"\r\n\r\n" };
        let mut script = Script::new(after, says.unwrap_or_default());
        if self.waits_again {
            script = script.that_waits_again(b"\r\n\r\n");
        }
        if ends {
            script.hang_up();
        }
        ready(Ok(Connected::new(script)))
    }
}
