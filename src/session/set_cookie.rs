//! What a `Set-Cookie` line says.
