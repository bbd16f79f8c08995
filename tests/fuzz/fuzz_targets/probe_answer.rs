//! What a health check reads: the status of an answer is the same however it comes in pieces, and
//! is never an interim one.

#![no_main]

use cattail::health::probe::final_status;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    let whole = final_status(answer);
    if let Ok(Some(status)) = &whole {
        assert!(*status == 101 || *status >= 200);
    }
    for end in (0..answer.len()).step_by(answer.len() / 16 + 1) {
        if let Ok(Some(early)) = final_status(&answer[..end]) {
            assert_eq!(whole.as_ref().ok(), Some(&Some(early)));
        }
    }
});
