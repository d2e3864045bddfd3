//! The MIME, ARF and XARF reader on any octets: it does not panic, says the same twice, what it says can be
//! written as JSON and is bounded by the message. libFuzzer's own time limit holds its time.
#![no_main]

use arfd::formats;
use libfuzzer_sys::fuzz_target;

/// JSON octets for each octet of the message at most: an octet may be escaped (6) and stand in a few places.
const BLOW_UP: usize = 40;

fuzz_target!(|data: &[u8]| {
    let reading = formats::read(data);
    let said = serde_json::to_vec(&reading).expect("a reading is JSON");
    let again = serde_json::to_vec(&formats::read(data)).expect("a reading is JSON");
    assert!(said == again, "two readings of one message differ");
    let most = 8 * 1024 + BLOW_UP * data.len();
    assert!(said.len() <= most, "{} octets of JSON from {}", said.len(), data.len());
});
