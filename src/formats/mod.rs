//! Bytes to a reading: recognises what a message is and reads it, one file a format. Pure, and made for hostile
//! input: it never panics, and its work and memory are bounded by the input's size.

mod arf;
mod content_type;
mod date;
pub mod defects;
mod fields;
mod jmrp;
mod mime;
mod original;
mod received;
mod recover;
mod text;
mod x_arf;
mod xarf;

use crate::domain::report::Reading;

/// Reads one message. What is no report comes back with format `none`.
///
/// The formats are tried from the most to the least telling: a XARF document may come with a feedback part, and
/// a legacy JMRP report is known only by what it is not.
pub fn read(bytes: &[u8]) -> Reading<'_> {
    let message = mime::Message::new(bytes);
    xarf::read(&message)
        .or_else(|| arf::read(&message))
        .or_else(|| x_arf::read(&message))
        .or_else(|| jmrp::read(&message))
        .unwrap_or_else(Reading::none)
}
