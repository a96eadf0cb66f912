//! Settings of HTTP/2.

use std::{ops::RangeInclusive, time::Duration};

use h2::client::Builder;

use super::{keep_alive::KeepAlive, state::PRE_SETTINGS_STREAMS, window::Window};
use crate::{error::Error, rt::Runtime, setting};

/// The largest window (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// A window of zero would allow no content at all.
const WINDOWS: RangeInclusive<u32> = 1..=MAX_WINDOW;

/// The smallest and the largest maximum frame size (RFC 9113 §4.2).
const FRAME_SIZES: RangeInclusive<u32> = (1 << 14)..=(1 << 24) - 1;

/// The field `:status` alone counts 42 (RFC 9113 §6.5.2).
const LIST_SIZES: RangeInclusive<u32> = 64..=u32::MAX;

/// h2 allows no budget below 100 empty frames.
const SMALL_FRAMES: RangeInclusive<u32> = 25_600..=u32::MAX;

/// Settings of HTTP/2.
///
/// A value outside of its range is an error for which [`Error::is_builder`] holds:
/// [`TransportBuilder::build`](crate::transport::TransportBuilder::build) returns it. Without a `build`, as with a
/// [`NegotiateLayer`](crate::http::NegotiateLayer), every request fails with it before anything is connected to.
#[derive(Clone, Debug)]
pub struct Http2Config {
    stream_window: u32,
    connection_window: u32,
    max_frame_size: u32,
    max_header_list_size: u32,
    header_table_size: u32,
    max_send_buffer: usize,
    small_frame_budget: u32,
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
            small_frame_budget: 64 << 20,
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

    /// Limits the unread bytes of one response. Default 4 MiB: the capacity of a path with 300 Mbit/s and 100 ms.
    ///
    /// This bounds memory: a connection whose responses all stay unread holds at most this much per stream, 400 MiB for 100
    /// streams, and never more than [`connection_window`](Self::connection_window). The buffers around these bytes may take
    /// as much again, and small frames what their [budget](Self::small_frame_budget) allows. A peer that sends more than the
    /// window has its stream reset. At least 1, at most 2,147,483,647 (RFC 9113 §6.9.1).
    pub fn stream_window(mut self, bytes: u32) -> Self {
        self.stream_window = bytes;
        self
    }

    /// Limits the unread bytes of all responses together. Default 2147483647, the maximum of HTTP/2, so that unread
    /// responses never hold up the others.
    ///
    /// A smaller window bounds the memory of a connection more tightly. But once unread responses fill it, no body on the
    /// connection proceeds until some of them are read or dropped. Those bodies wait without a
    /// [read timeout](crate::options::Timeouts::read), because the peer is not to blame. Choose at least as many
    /// [stream windows](Self::stream_window) as there may be unread responses. At least 1; the protocol starts with 65,535, so
    /// a smaller value applies only after that many bytes.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connection_window = bytes;
        self
    }

    /// Limits the payload of the peer's frames, in bytes. Default 16 KiB, the minimum: streams take turns by frames. At
    /// most 16,777,215 (RFC 9113 §4.2).
    pub fn max_frame_size(mut self, bytes: u32) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// Limits the uncompressed fields of a head or of trailers, in bytes, plus 32 for each field (RFC 9113 §6.5.2). Default
    /// 64 KiB: four times what servers are known to send. At least 64: `:status` alone counts 42.
    pub fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.max_header_list_size = bytes;
        self
    }

    /// Sets the size of the table that the peer may use to compress fields, in bytes (RFC 7541 §4.2). Default 4 KiB, the
    /// protocol's own. Any value; 0 disables references to earlier fields.
    pub fn header_table_size(mut self, bytes: u32) -> Self {
        self.header_table_size = bytes;
        self
    }

    /// Limits the bytes of a request body that wait in memory for the socket. Default 400 KiB: enough to keep a socket
    /// busy. At least 1, at most 4,294,967,295.
    pub fn max_send_buffer(mut self, bytes: usize) -> Self {
        self.max_send_buffer = bytes;
        self
    }

    /// Limits the cost of small unread frames: each unread DATA frame below 256 bytes costs the difference to 256, over all
    /// streams. Above this sum the connection ends, as after an attack. Default 64 MiB: 263,000 frames of one byte, which
    /// hold up to 200 MiB of memory, because the list of frames doubles as it grows. Frames of 16 bytes or more fill their
    /// [stream window](Self::stream_window) first. Lower it for many connections to servers that are not trusted. At least
    /// 25,600, at most 4,294,967,295.
    ///
    /// Empty frames that do not end their stream have a limit of their own: 100 in the life of a connection.
    pub fn small_frame_budget(mut self, bytes: u32) -> Self {
        self.small_frame_budget = bytes;
        self
    }

    /// Sends a PING after this time without a byte from the peer, while there are requests. Default never: PINGs keep
    /// radios and middleboxes awake, and a cancelled stream sends one by itself. If no byte comes for twice the usual round
    /// trip plus four times its variation (at least 100 ms; 1 s before the first measurement), or none had come for a
    /// second before, the connection gets no new requests until one comes. Longer than zero.
    ///
    /// Servers may close a connection for too many PINGs: those of gRPC by default for more than one in five minutes
    /// without HEADERS or DATA of theirs. Cancelled streams keep to that by themselves, this interval does not.
    pub fn keep_alive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keep_alive_interval = interval.into();
        self
    }

    /// Limits the wait for the answer to any PING, after which the connection is closed. Default 15 s: longer than the
    /// retransmission of a lost packet, shorter than people wait. Longer than zero.
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.keep_alive_timeout = timeout;
        self
    }

    /// Whether the [interval](Self::keep_alive_interval) also applies without requests. Default no: a dead idle connection
    /// is noticed when it is used.
    pub fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        self.keep_alive_while_idle = while_idle;
        self
    }

    /// For a connection whose streams are tunnels: an unread tunnel must not stall the others. Each is bounded by its own
    /// window.
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
        let budget = self.small_frame_budget;
        setting::in_range("Http2Config::small_frame_budget", budget, SMALL_FRAMES)?;
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
            // h2's default is half the connection window, which would be a gigabyte.
            .data_frame_budget(config.small_frame_budget as usize)
            .initial_max_send_streams(PRE_SETTINGS_STREAMS)
            // A peer that has not seen a reset yet still sends. h2 counts frames of forgotten streams as the peer's errors,
            // and 1024 of those end the connection.
            .max_concurrent_reset_streams(16 << 10)
            .reset_stream_duration(Duration::from_secs(3))
            .enable_push(false);
        builder
    }
}
