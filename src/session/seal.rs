//! Sealed cookies.
