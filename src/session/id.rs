//! The grammar of session ids, in each dialect.
