//! How much of what costs us and brings nobody anything a client may send.

use crate::config::Http2Limits;
use crate::frames::Frame;
use crate::observe::metrics::Http2Error;

/// Frames without content that come with a request: its priority, its windows.
const PER_REQUEST: u64 = 8;
/// Bytes that were sent, after which a client may want to say that it took them.
const BYTES_PER_UPDATE: u64 = 1024;

/// What one client has left.
#[derive(Debug)]
pub(super) struct Allowance {
    resets: Bucket,
    control_frames: Bucket,
    /// Control frames that what was sent, and what was asked, has earned.
    earned: u64,
    /// Bytes sent that have earned none yet.
    sent: u64,
}

/// So many at once, and a tenth of it more each second.
#[derive(Debug)]
struct Bucket {
    most: u64,
    left: u64,
    filled_at_ms: u64,
}

impl Bucket {
    fn new(most: u32, now_ms: u64) -> Self {
        Self {
            most: u64::from(most),
            left: u64::from(most),
            filled_at_ms: now_ms,
        }
    }

    fn take(&mut self, now_ms: u64) -> bool {
        const MS_FOR_ALL: u64 = 10_000;
        let passed = now_ms.saturating_sub(self.filled_at_ms).min(MS_FOR_ALL);
        let more = passed * self.most / MS_FOR_ALL;
        if more > 0 {
            self.left = self.most.min(self.left + more);
            self.filled_at_ms = now_ms;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        true
    }
}

impl Allowance {
    pub(super) fn new(limits: &Http2Limits, now_ms: u64) -> Self {
        Self {
            resets: Bucket::new(limits.resets, now_ms),
            control_frames: Bucket::new(limits.control_frames, now_ms),
            earned: 0,
            sent: 0,
        }
    }

    /// The client has sent this. `Err`: once too often.
    pub(super) fn received(&mut self, frame: Frame, now_ms: u64) -> Result<(), Http2Error> {
        let (may, why) = match frame {
            // `h2` bounds how many of them a head may have.
            Frame::Data | Frame::MoreFields => return Ok(()),
            Frame::Fields => {
                self.earned += PER_REQUEST;
                return Ok(());
            }
            Frame::Reset => (self.resets.take(now_ms), Http2Error::Resets),
            Frame::Terms | Frame::Control => (self.take_control(now_ms), Http2Error::ControlFrames),
        };
        if may { Ok(()) } else { Err(why) }
    }

    fn take_control(&mut self, now_ms: u64) -> bool {
        if let Some(earned) = self.earned.checked_sub(1) {
            self.earned = earned;
            return true;
        }
        self.control_frames.take(now_ms)
    }

    /// The client has taken so many bytes.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.earned += self.sent / BYTES_PER_UPDATE;
        self.sent %= BYTES_PER_UPDATE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Http2Limits = Http2Limits {
        streams: 1,
        stream_window: 0,
        connection_window: 0,
        send_buffer: 0,
        resets: 20,
        errors: 0,
        control_frames: 100,
    };

    /// How many more of `frame` pass.
    fn left(allowance: &mut Allowance, frame: Frame, now_ms: u64) -> usize {
        (0..10_000)
            .take_while(|_| allowance.received(frame, now_ms).is_ok())
            .count()
    }

    #[test]
    fn so_many_at_once_and_a_tenth_of_it_each_second() {
        for (frame, most) in [(Frame::Reset, 20), (Frame::Control, 100)] {
            let mut allowance = Allowance::new(&LIMITS, 5_000);
            assert_eq!(left(&mut allowance, frame, 5_000), most);
            assert_eq!(left(&mut allowance, frame, 5_100), most / 100);
            assert_eq!(left(&mut allowance, frame, 6_100), most / 10);
            assert_eq!(left(&mut allowance, frame, 900_000), most);
        }
    }

    #[test]
    fn what_is_asked_and_what_is_taken_earns_control_frames_and_no_resets() {
        let mut allowance = Allowance::new(&LIMITS, 0);
        allowance.received(Frame::Fields, 0).unwrap();
        for _ in 0..4 {
            allowance.sent(512);
        }
        assert_eq!(left(&mut allowance, Frame::Control, 0), 100 + 8 + 2);
        assert_eq!(left(&mut allowance, Frame::Reset, 0), 20);
        assert_eq!(allowance.received(Frame::Reset, 0), Err(Http2Error::Resets));
        assert_eq!(
            allowance.received(Frame::Control, 0),
            Err(Http2Error::ControlFrames)
        );
    }

    #[test]
    fn bodies_and_their_heads_cost_nothing() {
        let mut allowance = Allowance::new(&LIMITS, 0);
        for _ in 0..10_000 {
            allowance.received(Frame::Data, 0).unwrap();
            allowance.received(Frame::MoreFields, 0).unwrap();
        }
    }
}
