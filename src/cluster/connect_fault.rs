//! What a failed connect says about the backend.
//!
//! One table for requests, checks and probes alike, so that they never disagree on whether a
//! backend is Down.

use std::io::{Error, ErrorKind};

use rustix::io::Errno;

/// What a failed connect says about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFault {
    /// Nobody listens there: Down at once.
    Refused,
    /// No way to it: Down at once. A connect that our own timer gave up belongs here, too.
    Unreachable,
    /// Nothing: we ran out of descriptors, ports or memory, or a Unix socket's queue is full.
    Inconclusive,
}

impl ConnectFault {
    /// Judges the error of a connect.
    pub fn of(error: &Error) -> Self {
        if let Some(
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::ADDRNOTAVAIL
            | Errno::ADDRINUSE
            | Errno::AGAIN
            | Errno::INTR,
        ) = Errno::from_io_error(error)
        {
            return Self::Inconclusive;
        }
        match error.kind() {
            // A Unix socket whose file is gone has no listener either.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::NotFound => {
                Self::Refused
            }
            _ => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proof_from_outside_counts_against_a_backend() {
        for (errno, expected) in [
            (Errno::CONNREFUSED, ConnectFault::Refused),
            (Errno::CONNRESET, ConnectFault::Refused),
            (Errno::NOENT, ConnectFault::Refused),
            (Errno::HOSTUNREACH, ConnectFault::Unreachable),
            (Errno::NETUNREACH, ConnectFault::Unreachable),
            (Errno::TIMEDOUT, ConnectFault::Unreachable),
            (Errno::ACCESS, ConnectFault::Unreachable),
            (Errno::MFILE, ConnectFault::Inconclusive),
            (Errno::NFILE, ConnectFault::Inconclusive),
            (Errno::ADDRNOTAVAIL, ConnectFault::Inconclusive),
            (Errno::AGAIN, ConnectFault::Inconclusive),
        ] {
            assert_eq!(ConnectFault::of(&errno.into()), expected, "{errno:?}");
        }
    }
}
