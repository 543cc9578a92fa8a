//! HTTP/1.1 and HTTP/2 directly over the virtual user's own connections, for load generators that must use
//! little of the machine.
//!
//! An endpoint's request is encoded once, with slots for what differs (`encoded`; `http2` has its own way). An idle user
//! holds nothing but its socket, because buffers are shared by all users of a worker (`transport`).
//! Of a response, only what something looks at is built (`response`). Redirects, cookies, digest
//! authentication and large files take the path that all clients share, over the same connections.

mod connection;
mod deadline;
mod encoded;
mod http2;
mod resources;
mod response;
mod sending;
mod session;
#[cfg(test)]
mod tests;
mod transport;

pub use self::session::DirectClient;
pub use self::transport::DirectTransport;
