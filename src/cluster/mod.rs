//! Clusters and their backends as they are now.

pub mod connect_fault;
pub mod machine;
pub mod resolve;

pub use connect_fault::ConnectFault;
