//! Forwards requests: connects to a proxy that takes them in absolute-form (RFC 9112 §3.2.2).
