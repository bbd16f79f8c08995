//! Answers that begin a session each, as a Tomcat's with one store node do.
//!
//! Sessions are numbered, even ones at the first port and odd ones at the second, and their ids
//! follow from their numbers alone: `wrk.lua` and `pace` make the same ones to show them.

use std::cell::Cell;
use std::ops::Range;

use crate::answer;

/// Where the id stands while there is none.
const PLACE: &str = "________________________________";

/// One port's sessions.
pub struct Logins {
    port: u32,
    begun: Cell<u32>,
    template: Vec<u8>,
    place: Range<usize>,
}

impl Logins {
    /// Of the first port (0) or the second (1).
    pub fn new(port: u32) -> Self {
        let cookie = format!(
            "Set-Cookie: JSESSIONID={PLACE}-n1.jvm{}; Path=/; HttpOnly\r\n",
            port + 1
        );
        let template = answer("200 OK", &cookie, &[b'x'; 1024]);
        let start = template
            .windows(PLACE.len())
            .position(|window| window == PLACE.as_bytes())
            .expect("the template has a place");
        Self {
            port,
            begun: Cell::new(0),
            template,
            place: start..start + PLACE.len(),
        }
    }

    /// The answer to a request head `GET /login/SESSIONS `, if it is one: it begins the next of so
    /// many sessions of both ports; after the last one the first begins once more.
    pub fn for_head(&self, head: &[u8]) -> Option<Vec<u8>> {
        let rest = head.strip_prefix(b"GET /login/")?;
        let digits = rest.split(|byte| *byte == b' ').next()?;
        let sessions: u32 = str::from_utf8(digits).ok()?.parse().ok()?;
        let number = self.begun.get() % (sessions / 2).max(1);
        self.begun.set(number + 1);
        let mut bytes = self.template.clone();
        bytes[self.place.clone()].copy_from_slice(id(2 * number + self.port).as_bytes());
        Some(bytes)
    }
}

/// The cookie's value of a session, as its backend set it.
pub fn shown(number: u32) -> String {
    format!("{}-n1.jvm{}", id(number), number % 2 + 1)
}

/// A session's id: no two alike, and spread as random ones are.
fn id(number: u32) -> String {
    let word = number.wrapping_mul(4);
    format!(
        "{:08X}{:08X}{:08X}{:08X}",
        mixed(word),
        mixed(word.wrapping_add(1)),
        mixed(word.wrapping_add(2)),
        mixed(word.wrapping_add(3))
    )
}

/// Each step can be undone, so different words stay different.
fn mixed(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x2_C1B3);
    word ^= word >> 15;
    word = word.wrapping_mul(0x2_97A5);
    word ^ word >> 16
}
