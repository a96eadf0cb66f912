//! SOCKS 5 (RFC 1928): asks a proxy for a connection by address or by name.
