//! What can be set about HTTP/2.

use std::{ops::RangeInclusive, time::Duration};

use h2::client::Builder;

use super::{keep_alive::KeepAlive, state::UNTOLD_STREAMS, window::Window};
use crate::{error::Error, rt::Runtime, setting};

/// The most that a window can be (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// With a window of nothing, no content comes at all.
const WINDOWS: RangeInclusive<u32> = 1..=MAX_WINDOW;

/// What a frame may hold at least and at most (RFC 9113 §4.2).
const FRAME_SIZES: RangeInclusive<u32> = (1 << 14)..=(1 << 24) - 1;

/// The status alone counts 42 (RFC 9113 §6.5.2).
const LIST_SIZES: RangeInclusive<u32> = 64..=u32::MAX;

/// h2 counts each DATA frame under 256 bytes that nobody has read as what it lacks to 256, and ends the connection above
/// this. By default it is half the window of the connection, which would be a gigabyte; such a frame costs about
/// as many bytes of memory.
const SMALL_FRAMES: usize = 64 << 20;

/// What can be set about HTTP/2.
///
/// A value outside of its range is an error for which [`Error::is_builder`] holds:
/// [`TransportBuilder::build`](crate::transport::TransportBuilder::build) returns it, and where there is no `build`, as with a
/// [`NegotiateLayer`](crate::http::NegotiateLayer), every request fails with it before anything is connected to.
#[derive(Clone, Debug)]
pub struct Http2Config {
    stream_window: u32,
    connection_window: u32,
    max_frame_size: u32,
    max_header_list_size: u32,
    header_table_size: u32,
    max_send_buffer: usize,
    keep_alive_interval: Option<Duration>,
    keep_alive_timeout: Duration,
    keep_alive_while_idle: bool,
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            stream_window: 4 << 20,
            connection_window: MAX_WINDOW,
            max_frame_size: 16 << 10,
            max_header_list_size: 64 << 10,
            header_table_size: 4 << 10,
            max_send_buffer: 400 << 10,
            keep_alive_interval: None,
            keep_alive_timeout: Duration::from_secs(15),
            keep_alive_while_idle: false,
        }
    }
}

impl Http2Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of one answer the peer may send before they are read. Default 4 MiB: what a path of 300 Mbit/s
    /// and 100 ms holds.
    ///
    /// This is what bounds memory: a connection whose answers are all left unread keeps at most this much for each
    /// stream, 400 MiB for 100 streams, and never more than [`connection_window`](Self::connection_window). At least 1, at
    /// most 2,147,483,647 (RFC 9113 §6.9.1).
    pub fn stream_window(mut self, bytes: u32) -> Self {
        self.stream_window = bytes;
        self
    }

    /// How many bytes of all answers together the peer may send before they are read. Default 2147483647, the most that
    /// HTTP/2 knows, so that answers which are not read never hold up the others.
    ///
    /// A smaller window bounds the memory of a connection more tightly, but has this price: once unread answers fill it,
    /// no body on the connection goes on until some of them are read or dropped. Those bodies wait without a
    /// [read timeout](crate::options::Timeouts::read), because the peer is not to blame. Choose at least as many
    /// [stream windows](Self::stream_window) as there may be unread answers. At least 1; the protocol begins with 65,535, so
    /// less than that counts only once those have come.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connection_window = bytes;
        self
    }

    /// How many bytes one frame of the peer may hold. Default 16 KiB, the least there is: streams take turns by
    /// frames. At most 16,777,215 (RFC 9113 §4.2).
    pub fn max_frame_size(mut self, bytes: u32) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// How many bytes the fields of a head or of trailers may have when unpacked, and 32 for each field (RFC 9113
    /// §6.5.2). Default 64 KiB: four times of what servers are known to send. At least 64: the status
    /// alone counts 42.
    pub fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.max_header_list_size = bytes;
        self
    }

    /// How many bytes of fields the peer may have us remember for compression (RFC 7541 §4.2). Default 4 KiB, the
    /// protocol's own. Any value: 0 is no compression by what was sent before.
    pub fn header_table_size(mut self, bytes: u32) -> Self {
        self.header_table_size = bytes;
        self
    }

    /// How many bytes of a request's body wait in memory for the socket. Default 400 KiB: enough to keep one busy.
    /// At least 1, at most 4,294,967,295.
    pub fn max_send_buffer(mut self, bytes: usize) -> Self {
        self.max_send_buffer = bytes;
        self
    }

    /// After how long without a byte from the peer it is sent a PING, while there are requests. Default never: a PING
    /// keeps radios and middleboxes awake, and a stream that is given up asks by itself: if nothing comes for twice the
    /// usual round trip and four times its variation (100 ms at least, 1 s while nothing was measured), or had not come
    /// for a second before, no new requests go over the connection until something does. Longer than
    /// zero.
    pub fn keep_alive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keep_alive_interval = interval.into();
        self
    }

    /// How long the peer may leave a PING unanswered before the connection is closed, those that are sent without
    /// being asked for included. Default 15 s: longer than a lost packet is sent again, shorter than people wait. Longer than
    /// zero.
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.keep_alive_timeout = timeout;
        self
    }

    /// Whether the [interval](Self::keep_alive_interval) counts also while there are no requests. Default no: an idle
    /// connection that died is noticed when it is used.
    pub fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        self.keep_alive_while_idle = while_idle;
        self
    }

    /// For a connection whose streams are tunnels: one that nobody reads must not stall the others, however many they
    /// are. Each is bounded by its own window.
    pub(crate) fn for_tunnels(mut self) -> Self {
        self.connection_window = MAX_WINDOW;
        self
    }

    /// Requires each setting to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting::in_range("Http2Config::stream_window", self.stream_window, WINDOWS)?;
        setting::in_range("Http2Config::connection_window", self.connection_window, WINDOWS)?;
        setting::in_range("Http2Config::max_frame_size", self.max_frame_size, FRAME_SIZES)?;
        let list = self.max_header_list_size;
        setting::in_range("Http2Config::max_header_list_size", list, LIST_SIZES)?;
        let buffer = self.max_send_buffer as u64;
        setting::in_range("Http2Config::max_send_buffer", buffer, 1..=u64::from(u32::MAX))?;
        let (interval, timeout) = (self.keep_alive_interval, self.keep_alive_timeout);
        setting::longer_than_zero("Http2Config::keep_alive_interval", interval)?;
        setting::longer_than_zero("Http2Config::keep_alive_timeout", timeout)
    }

    pub(super) fn window(&self) -> Window {
        Window::new(self.connection_window)
    }

    pub(super) fn keep_alive(&self, runtime: Runtime) -> KeepAlive {
        let interval = self.keep_alive_interval;
        KeepAlive::new(runtime, interval, self.keep_alive_timeout, self.keep_alive_while_idle)
    }
}

impl From<&Http2Config> for Builder {
    fn from(config: &Http2Config) -> Self {
        let mut builder = Self::new();
        builder
            .initial_window_size(config.stream_window)
            .initial_connection_window_size(config.connection_window)
            .max_frame_size(config.max_frame_size)
            .max_header_list_size(config.max_header_list_size)
            .header_table_size(config.header_table_size)
            .max_send_buffer_size(config.max_send_buffer)
            .data_frame_budget(SMALL_FRAMES)
            .initial_max_send_streams(UNTOLD_STREAMS)
            // A peer that has not heard of a reset yet still sends. h2 counts what comes for streams that it has
            // forgotten as the peer's mistakes, and 1024 of those end the connection.
            .max_concurrent_reset_streams(1024)
            .reset_stream_duration(Duration::from_secs(10))
            .enable_push(false);
        builder
    }
}
