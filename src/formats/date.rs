//! Dates as mail writes them (RFC 5322 section 3.3 with the obsolete zones of 4.3), and RFC 3339 for JSON and
//! YAML reports. Generators invent zones, so an unknown one counts as UTC, as section 4.3 asks.

use jiff::{Timestamp, civil::Date};

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Reads a date in any form seen: RFC 5322, RFC 3339 and its relatives, ctime, seconds since 1970. None for what
/// is not one.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    if matches!(text.as_bytes().get(4), Some(b'-' | b'/')) {
        let exact = text.parse().ok().map(Timestamp::as_second);
        let whole = exact.and_then(|second| Timestamp::from_second(second).ok());
        return whole.or_else(|| iso(text));
    }
    if text.len() > 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        let milliseconds = number > 99_999_999_999;
        return Timestamp::from_second(if milliseconds { number / 1_000 } else { number }).ok();
    }
    let mut words = text
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .peekable();
    let mut word = words.next()?;
    let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_alphabetic());
    if is_name(word) {
        if words.peek().is_some_and(|next| is_name(next)) {
            return ctime(words);
        }
        if let Some(month) = self::month(word) {
            let day = words.next()?.parse().ok()?; // Mar 3 2026 09:00:05 +0100
            return timestamp(self::year(words.next()?)?, month, day, words);
        }
        word = words.next()?; // the day of the week
    }
    if let Some((day, rest)) = word.split_once('-') {
        let (month, year) = rest.split_once('-')?; // 03-Mar-2026, as IMAP writes it
        return timestamp(
            self::year(year)?,
            self::month(month)?,
            day.parse().ok()?,
            words,
        );
    }
    let (month, year) = (words.next()?, words.next()?);
    timestamp(
        self::year(year)?,
        self::month(month)?,
        word.parse().ok()?,
        words,
    )
}

/// Whether a date that [`parse`] takes is a day without a time.
pub(super) fn is_day_only(text: &str) -> bool {
    !text.contains(':') && !text.trim().bytes().all(|b| b.is_ascii_digit())
}

/// Whether a date has the form of RFC 5322 section 3.3, the zones of 4.3 included.
pub(super) fn is_rfc5322(text: &str) -> bool {
    const ZONES: [&str; 10] = [
        "UT", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT",
    ];
    let text = text.split('(').next().unwrap_or(text).trim();
    let text = match text.split_once(',') {
        Some((day, rest)) if day.trim().len() == 3 => rest,
        Some(_) => return false,
        None => text,
    };
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let words: Vec<_> = text.split_ascii_whitespace().take(6).collect();
    let [day, month, year, time, zone] = words[..] else {
        return false;
    };
    let offset = zone.strip_prefix(['+', '-']);
    digits(day)
        && (month.len() == 3 && self::month(month).is_some())
        && (digits(year) && clock(time).is_some())
        && (offset.is_some_and(|z| z.len() == 4 && digits(z)) || ZONES.contains(&zone))
}

/// `2026-03-03`, `2026/03/03 09:00:05 +0100`, with any of the zones.
fn iso(text: &str) -> Option<Timestamp> {
    let day = text.get(..10)?;
    let mut numbers = day.split(['-', '/']).map(|n| n.parse::<i16>().ok());
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let rest = text.get(10..)?.trim_start_matches(['T', 't', ' ']);
    // 09:00:05.123+01:00: fractions go, and the zone becomes a word of its own.
    let clock_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_end);
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let words = [clock, zone.trim()];
    let words = words.into_iter().filter(|word| !word.is_empty());
    timestamp(
        year,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        words,
    )
}

/// `Tue Mar  3 09:00:05 2026`, also with a zone before the year; the day of the week is gone already.
fn ctime<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Timestamp> {
    let month = month(words.next()?)?;
    let day = words.next()?.parse().ok()?;
    let clock = words.next()?;
    let (first, second) = (words.next()?, words.next());
    let (zone, year) = match (year(first), second) {
        (Some(year), zone) => (zone.unwrap_or("UTC"), year),
        (None, Some(second)) => (first, self::year(second)?),
        (None, None) => return None,
    };
    timestamp(year, month, day, [clock, zone].into_iter())
}

/// Puts a day together with the words after it: a time and a zone, midnight and UTC where they are absent.
fn timestamp<'w>(
    year: i16,
    month: i8,
    day: i8,
    mut words: impl Iterator<Item = &'w str>,
) -> Option<Timestamp> {
    let (hour, minute, second) = words.next().map_or(Some((0, 0, 0)), clock)?;
    let mut word = words.next();
    let half = word.map(|word| word.to_ascii_uppercase());
    let hour = match half.as_deref() {
        Some("AM" | "PM") if hour > 12 => return None,
        Some("AM") => hour % 12,
        Some("PM") => hour % 12 + 12,
        _ => hour,
    };
    if matches!(half.as_deref(), Some("AM" | "PM")) {
        word = words.next();
    }
    let date = Date::new(year, month, day).ok()?;
    let days = date
        .since(Date::constant(1970, 1, 1))
        .ok()
        .map(|span| i64::from(span.get_days()))?;
    let offset = word.map_or(0, zone);
    Timestamp::from_second(days * 86_400 + hour * 3_600 + minute * 60 + second - offset).ok()
}

fn month(word: &str) -> Option<i8> {
    let word = word.as_bytes().get(..3)?;
    let at = MONTHS
        .iter()
        .position(|name| word.eq_ignore_ascii_case(*name))?;
    i8::try_from(at + 1).ok()
}

/// Two and three digits as RFC 5322 section 4.3 reads them.
fn year(word: &str) -> Option<i16> {
    let year: i16 = word.parse().ok()?;
    match (word.len(), year) {
        (2, 0..=49) => Some(year + 2000),
        (2 | 3, _) => Some(year + 1900),
        (4, 1970..) => Some(year),
        _ => None,
    }
}

/// `hh:mm` or `hh:mm:ss`; a leap second becomes the second before it.
fn clock(word: &str) -> Option<(i64, i64, i64)> {
    let mut parts = word.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?.min(60);
    (hour < 24 && minute < 60 && parts.next().is_none()).then_some((
        hour.into(),
        minute.into(),
        second.min(59).into(),
    ))
}

/// Seconds east of UTC.
fn zone(word: &str) -> i64 {
    let digits = |sign: i64, rest: &str| {
        let rest = rest.replace(':', "");
        match rest.parse::<u16>() {
            Ok(hhmm) if rest.len() == 4 && hhmm % 100 < 60 && hhmm <= 1_400 => {
                sign * (i64::from(hhmm / 100) * 3_600 + i64::from(hhmm % 100) * 60)
            }
            _ => 0,
        }
    };
    match word.as_bytes().first() {
        Some(b'+') => digits(1, &word[1..]),
        Some(b'-') => digits(-1, &word[1..]),
        Some(b'G' | b'U') if word.len() > 4 => {
            zone(word.trim_start_matches(['G', 'M', 'T', 'U', 'C']))
        }
        _ => {
            let hours = match word.to_ascii_uppercase().as_str() {
                "EDT" => -4,
                "EST" | "CDT" => -5,
                "CST" | "MDT" => -6,
                "MST" | "PDT" => -7,
                "PST" => -8,
                "BST" | "CET" | "MET" => 1,
                "CEST" | "MEST" | "EET" => 2,
                "EEST" | "MSK" => 3,
                "JST" => 9,
                _ => 0,
            };
            hours * 3_600
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_form() {
        for text in [
            "Tue, 03 Mar 2026 09:00:05 +0000",
            "3 Mar 2026 09:00 -0800 (PST)",
            "Tue, 3 Mar 26 09:00:05 GMT",
        ] {
            assert!(is_rfc5322(text), "{text}");
        }
        for text in [
            "",
            "2026-03-03T09:00:05Z",
            "Tue, 03 Mar 2026 09:00:05 UTC",
            "Tue Mar  3 09:00:05 2026",
            "Tuesday, 03 Mar 2026 09:00:05 +0000",
            "03 March 2026 09:00:05 +0000",
            "1772528405",
        ] {
            assert!(!is_rfc5322(text), "{text}");
        }
    }

    #[test]
    fn forms_seen_in_reports() {
        for (text, want) in [
            ("Tue, 04 Aug 2015 08:51:18 -0000", "2015-08-04T08:51:18Z"),
            ("Thu, 8 Mar 2005 14:00:00 EDT", "2005-03-08T18:00:00Z"),
            ("Mon, 18 Jan 2016 23:57:24 UTC", "2016-01-18T23:57:24Z"),
            ("8 Oct 2011 20:15:58 +0000 (GMT)", "2011-10-08T20:15:58Z"),
            ("Tue, 5 Oct 21 06:36 +02:00", "2021-10-05T04:36:00Z"),
            ("2020-04-21T10:25:47+02:00", "2020-04-21T08:25:47Z"),
            ("2026-03-03", "2026-03-03T00:00:00Z"),
            ("2026-03-03 09:00:05", "2026-03-03T09:00:05Z"),
            ("2026-03-03T09:00:05.5", "2026-03-03T09:00:05Z"),
            ("2026-03-03T09:00:05.123456+01:00", "2026-03-03T08:00:05Z"),
            ("3 Mar 2026 09:00:05 PM +0100", "2026-03-03T20:00:05Z"),
            ("3 Mar 2026 12:00:05 am", "2026-03-03T00:00:05Z"),
            ("2026/03/03 09:00:05 +0100", "2026-03-03T08:00:05Z"),
            ("2026-03-03 09:00:05 UTC", "2026-03-03T09:00:05Z"),
            ("3 Mar 2026", "2026-03-03T00:00:00Z"),
            ("Tue Mar  3 09:00:05 2026", "2026-03-03T09:00:05Z"),
            ("Tue Mar  3 09:00:05 CET 2026", "2026-03-03T08:00:05Z"),
            ("03-Mar-2026 09:00:05 +0000", "2026-03-03T09:00:05Z"),
            ("Mar  3 2026 09:00:05 +0100", "2026-03-03T08:00:05Z"),
            ("March 3, 2026", "2026-03-03T00:00:00Z"),
            ("1772528405", "2026-03-03T09:00:05Z"),
            ("Tue, 03 Mar 2026 09:00:05 GMT+0100", "2026-03-03T08:00:05Z"),
            ("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse(text).map(|t| t.to_string()).as_deref(), Some(want));
        }
        for text in [
            "",
            "redacted",
            "Tue, 31 Feb 2020 00:00:00 +0000",
            "2020-13-01",
            "Tue Mar",
            "3 Mar 2026 13:00 PM",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
