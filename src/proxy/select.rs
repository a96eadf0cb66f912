//! Which route for this target: rules by scheme and host, and the environment. Pure.
