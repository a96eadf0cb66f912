//! What `tracing` is told: spans in their trees, and no secrets.

use std::{
    collections::HashMap,
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tower_transport::{RequestExt, events::TracingListener};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

use crate::support::{
    origin::settle,
    scene::Scene,
    scripted::{Step::Serve, first},
};

/// Writes down every span with its parents, and every event.
#[derive(Clone)]
struct Subscribed {
    most: Level,
    next: Arc<AtomicU64>,
    paths: Arc<Mutex<HashMap<u64, String>>>,
    current: Arc<Mutex<Vec<u64>>>,
    told: Arc<Mutex<Vec<String>>>,
}

/// The fields as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscribed {
    fn to(most: Level) -> Self {
        let (paths, current, told) = Default::default();
        Self { most, next: Arc::new(AtomicU64::new(1)), paths, current, told }
    }

    fn tell(&self, line: String) {
        self.told.lock().unwrap().push(line);
    }

    fn parent(&self) -> Option<u64> {
        self.current.lock().unwrap().last().copied()
    }
}

impl Subscriber for Subscribed {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_transport") && *metadata.level() <= self.most
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let parent = if span.is_root() { None } else { self.parent() };
        let mut paths = self.paths.lock().unwrap();
        let above = parent.map(|parent| format!("{}/", paths[&parent])).unwrap_or_default();
        let path = format!("{above}{}", span.metadata().name());
        let mut text = Text(path.clone());
        span.record(&mut text);
        paths.insert(id, path);
        self.tell(text.0);
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut text = Text(self.paths.lock().unwrap()[&span.into_u64()].clone());
        values.record(&mut text);
        self.tell(text.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text("event".into());
        event.record(&mut text);
        self.tell(text.0);
    }

    fn enter(&self, span: &span::Id) {
        self.current.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &span::Id) {
        self.current.lock().unwrap().pop();
    }
}

/// What is told of a request by those who are told so much.
fn told(most: Level) -> Vec<String> {
    let subscribed = Subscribed::to(most);
    with_default(subscribed.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let settings = |builder: tower_transport::transport::TransportBuilder| {
                builder.listener(TracingListener::new())
            };
            let scene = Scene::memory_with(first([Serve]), settings);
            let url = scene.url("/?sig=secret");
            scene.transport.request("GET", url).await.unwrap();
            settle().await;
        });
    });
    let told = subscribed.told.lock().unwrap();
    told.clone()
}

#[test]
fn each_step_is_a_span_below_that_of_its_request() {
    let told = told(Level::DEBUG).join("\n");
    for line in [
        "request/pool.acquire",
        "request/request.head",
        "request/response.head status=200",
        "request/response.body bytes=5",
        "\nconnect request=",
        "\nconnect/http.handshake",
        "message=connection.idle",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn who_wants_little_is_told_of_requests_alone() {
    let told = told(Level::INFO);
    assert!(told[0].starts_with("request "), "{told:?}");
    assert!(told.iter().all(|line| line.starts_with("request ")), "{told:?}");
}

#[test]
fn who_wants_nothing_is_told_nothing() {
    assert_eq!(told(Level::ERROR), [""; 0]);
}
