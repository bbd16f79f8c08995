//! What a backend is asked, by who knows it.

use http::{Method, Request};

use super::body::RequestBody;

/// A request for a backend, in the form that its connection needs.
pub trait Ask {
    /// Writes the head of a request that has no body, where no map of its fields is needed for that; its method.
    /// `None`: nothing was written.
    fn write(&self, output: &mut Vec<u8>) -> Option<Method>;

    /// The whole of it.
    fn request(self) -> Request<RequestBody>;
}
