//! Opens a tunnel through an HTTP proxy (RFC 9110 §9.3.6).
