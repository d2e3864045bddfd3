//! The codes of everything that can be wrong with a report, each once, with the rule that it breaks. They are
//! stable: stored with each report, shown on the desk, and listed in `schemas/report.schema.json`.

/// Declares the codes and the list of all of them.
macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal;)+) => {
        $($(#[$doc])+ pub const $name: &str = $code;)+
        /// Every code.
        pub const ALL: &[&str] = &[$($code),+];
    };
}

codes! {
    /// An mbox `From ` line before the message (Yahoo's enclosed messages have `>From `).
    MBOX_LINE = "mbox-line";
    /// The same before the enclosed message.
    ORIGINAL_MBOX_LINE = "original-mbox-line";
    /// Lines that end with CR alone (RFC 5322 section 2.3).
    LONE_CR = "lone-cr";
    /// A multipart without its boundary parameter (RFC 2046 section 5.1.1).
    NO_BOUNDARY_PARAMETER = "missing-boundary-parameter";
    /// The last boundary is missing: cut off, or never written (RFC 2046 section 5.1.1).
    NO_CLOSING_BOUNDARY = "missing-closing-boundary";
    /// More parts than are looked at.
    TOO_MANY_PARTS = "too-many-parts";
    /// Multiparts nested deeper than is looked.
    TOO_DEEP = "too-deep";
    /// The whole is not multipart/report (RFC 5965 section 2 a).
    NOT_MULTIPART_REPORT = "not-multipart-report";
    /// multipart/report without report-type=feedback-report (RFC 5965 section 2 a).
    NO_REPORT_TYPE = "missing-report-type";
    /// No MIME-Version (RFC 2045 section 4).
    NO_MIME_VERSION = "missing-mime-version";
    /// The first part is not the text for people (RFC 5965 section 2 b).
    NO_TEXT_PART = "missing-text-part";
    /// No machine-readable part (RFC 5965 section 2 c).
    NO_FEEDBACK_PART = "missing-feedback-part";
    /// The machine-readable part under another type than message/feedback-report (RFC 5965 section 2 c).
    FEEDBACK_PART_TYPE = "feedback-part-type";
    /// The machine-readable part in base64 or quoted-printable (RFC 5965 section 2 d: 7bit).
    FEEDBACK_PART_ENCODED = "feedback-part-encoded";
    /// No empty line between a part's own headers and the fields, or the enclosed message.
    NO_BLANK_LINE = "missing-blank-line";
    /// An empty line between the fields.
    BLANK_LINE_IN_FIELDS = "blank-line-in-fields";
    /// The last field without its line end (RFC 5322 section 2.2): the one before a boundary is the boundary's.
    NO_FINAL_NEWLINE = "missing-final-newline";
    /// The machine-readable part inside another multipart of the message (RFC 5965 section 2: the second of three).
    NESTED_PARTS = "nested-parts";
    /// More than one machine-readable part; the first one counts.
    MORE_FEEDBACK_PARTS = "more-feedback-parts";
    /// No enclosed message (RFC 5965 section 2 d).
    NO_ORIGINAL = "missing-original";
    /// The enclosed message under another type than message/rfc822 or text/rfc822-headers.
    ORIGINAL_PART_TYPE = "original-part-type";
    /// The enclosed message comes in a transfer encoding (RFC 2046 section 5.2.1: 7bit, 8bit or binary).
    ORIGINAL_ENCODED = "original-encoded";
    /// The enclosed message has no header at all: redacted away.
    ORIGINAL_WITHOUT_HEADERS = "original-without-headers";
    /// No Feedback-Type (RFC 5965 section 3.1).
    NO_FEEDBACK_TYPE = "missing-feedback-type";
    /// A Feedback-Type outside the registry (RFC 5965 section 7.3).
    UNKNOWN_FEEDBACK_TYPE = "unknown-feedback-type";
    /// No User-Agent (RFC 5965 section 3.1).
    NO_USER_AGENT = "missing-user-agent";
    /// No Version (RFC 5965 section 3.1).
    NO_VERSION = "missing-version";
    /// A Version other than 1 (RFC 5965 section 3.1); AOL and Yahoo say 0.1.
    UNKNOWN_VERSION = "unknown-version";
    /// `Received-Date`, of the drafts before RFC 5965, for Arrival-Date.
    RECEIVED_DATE = "received-date";
    /// A field twice that may come once (RFC 5965 sections 3.1 and 3.2); the first one counts.
    DUPLICATE_FIELD = "duplicate-field";
    /// A line that is no field.
    MALFORMED_FIELD = "malformed-field";
    /// A field with nothing in it.
    EMPTY_FIELD = "empty-field";
    /// Original-Mail-From without angle brackets (RFC 5965 section 3.2, RFC 5321 section 4.1.2).
    BARE_MAIL_FROM = "bare-original-mail-from";
    /// Original-Rcpt-To without angle brackets (RFC 5965 section 3.2, RFC 5321 section 4.1.2).
    BARE_RCPT_TO = "bare-original-rcpt-to";
    /// A date that cannot be read (RFC 5322 section 3.3).
    BAD_DATE = "malformed-arrival-date";
    /// A Source-IP that is no address, such as `x.x.x.x`.
    BAD_SOURCE_IP = "malformed-source-ip";
    /// IPv4 in IPv6 clothes in Source-IP: `::ffff:192.0.2.1` (RFC 4291 section 2.5.5.2); unmapped.
    SOURCE_IP_MAPPED = "source-ip-mapped";
    /// Words or brackets beside the address in Source-IP: OpenDMARC writes the host's name.
    SOURCE_IP_COMMENT = "source-ip-comment";
    /// A Source-Port that is no port (RFC 6692).
    BAD_SOURCE_PORT = "malformed-source-port";
    /// Incidents that is no number (RFC 5965 section 3.2).
    BAD_INCIDENTS = "malformed-incidents";
    /// All fields share one line.
    ONE_LINE = "fields-on-one-line";
    /// YAML's lists or document line among the fields.
    YAML_STYLE = "yaml-style";
    /// A value in quotes: `Version: "1"`.
    QUOTED_VALUE = "quoted-value";
    /// `Feedback-Agent` for User-Agent.
    FEEDBACK_AGENT = "feedback-agent";
    /// A day without a time (RFC 5322 section 3.3); it counts from midnight, UTC.
    DATE_ONLY = "date-only";
    /// A date in another form than RFC 5322 section 3.3 has, such as `2026-03-03T09:00:05Z`, or with the zone `UTC`.
    DATE_FORMAT = "arrival-date-format";
    /// An encoded word in an address, where none may stand (RFC 2047 section 5).
    ENCODED_WORD = "encoded-word";
    /// Names, comments or tags around an address (RFC 5321 section 4.1.2 has none).
    DISPLAY_NAME = "display-name";
    /// Several recipients in one field (RFC 5965 section 3.2: one a field).
    RECIPIENT_LIST = "recipient-list";
    /// More Incidents than 32 bits hold (RFC 5965 section 3.2); cut to that.
    INCIDENTS_CUT = "incidents-cut";
    /// The parts in another order than text, machine-readable part, enclosed message (RFC 5965 section 2).
    PART_ORDER = "part-order";
    /// More parts than the three of RFC 5965 section 2: a list's footer, an attachment.
    EXTRA_PARTS = "extra-parts";
    /// Line ends of more than one kind.
    MIXED_LINE_ENDS = "mixed-line-ends";
    /// The enclosed message is a JSON object of its headers.
    ORIGINAL_AS_JSON = "original-as-json";
    /// The report came inside another message; nobody's proof reaches it.
    FORWARDED_REPORT = "forwarded-report";
    /// Trusted headers of the enclosed message name different sources; the precedence decided.
    CONFLICTING_CLUES = "conflicting-clues";
    /// A XARF or X-ARF document without a member that its version demands.
    XARF_INCOMPLETE = "xarf-incomplete";
    /// A XARF version that was never published.
    XARF_UNKNOWN_VERSION = "xarf-unknown-version";
    /// A XARF class or type outside its version's list.
    XARF_UNKNOWN_CLASS = "xarf-unknown-class";
    /// Several events in one webhook call; the first complaint counts.
    MORE_EVENTS = "more-events";
    /// A header block longer than is looked at.
    HEADERS_CUT = "headers-cut";
    /// A byte order mark before the message or its fields.
    BYTE_ORDER_MARK = "byte-order-mark";
    /// NUL bytes, taken out.
    NUL = "nul-byte";
    /// Bytes that are not UTF-8, replaced.
    NOT_UTF8 = "invalid-utf8";
    /// A value longer than is kept.
    VALUE_CUT = "value-cut";
    /// More fields than are kept.
    FIELDS_CUT = "fields-cut";
    /// More recipients than are kept.
    RECIPIENTS_CUT = "recipients-cut";
    /// A XARF document that is no JSON object.
    BAD_JSON = "malformed-json";
    /// A XARF document too large to be read.
    JSON_TOO_LARGE = "json-too-large";
}
