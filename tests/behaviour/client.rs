//! The layers of a client, each over a service that records what it is sent, and panics if it is called unready.

mod auth;
mod redirects;
mod site;
