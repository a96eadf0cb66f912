//! The layers of a client, each over a service that records what it is sent, and panics if it is called unready.

mod auth;
mod deadlines;
mod defaults;
mod redirects;
mod retries;
mod site;
mod together;
