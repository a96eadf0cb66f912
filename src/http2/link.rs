//! What ties handles, requests and bodies to their connection.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::vitals::Vitals;
use crate::{connect::ConnectInfo, rt::Runtime, target::Target};

/// Everyone who uses a connection has it; the connection is closed after the last.
pub(super) struct Link {
    vitals: Arc<Vitals>,
    target: Target,
    /// The target, as error texts name it.
    peer: Box<str>,
    info: ConnectInfo,
    runtime: Runtime,
    signals: UnboundedSender<Silence>,
    is_used: AtomicBool,
}

/// A stream was given up for which nothing came: so many bytes had been read, then and now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence(pub(super) u64);

impl Link {
    pub(super) fn new(
        vitals: Arc<Vitals>,
        target: &Target,
        info: ConnectInfo,
        runtime: Runtime,
    ) -> (Self, UnboundedReceiver<Silence>) {
        let (signals, receiver) = unbounded_channel();
        let (target, peer) = (target.clone(), target.to_string().into());
        let is_used = AtomicBool::new(false);
        (Self { vitals, target, peer, info, runtime, signals, is_used }, receiver)
    }

    pub(super) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn info(&self) -> &ConnectInfo {
        &self.info
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What is being done, and with whom.
    pub(super) fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.peer)
    }

    /// Whoever used the connection before may have left the runtime believing that there is nothing to read. h2 reads
    /// before it writes.
    pub(super) fn look_at_the_socket(&self) {
        if self.is_used.swap(true, Ordering::AcqRel)
            && let Some(recheck) = self.info.recheck()
        {
            recheck.request();
        }
    }

    /// Tells the driver that a stream was given up, and that nothing has come since so many bytes were read.
    pub(super) fn tell(&self, silence: Silence) {
        self.vitals.doubt();
        let _ = self.signals.send(silence);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("peer", &self.peer)
            .field("vitals", &self.vitals)
            .field("info", &self.info)
            .finish()
    }
}
