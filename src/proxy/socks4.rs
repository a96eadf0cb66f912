//! SOCKS 4 and 4a: asks a proxy for a connection by address or by name.
