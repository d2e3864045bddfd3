//! LMTP dialogues (RFC 2033): the hello is another, and the text gets a reply for each recipient.

use super::*;
use crate::smtp::Door;

fn lmtp(script: &str) -> Played {
    let door = Door {
        protocol: Protocol::Lmtp,
        ..Door::default()
    };
    let peer = Peer {
        door: Arc::new(door),
        ..peer("127.0.0.1")
    };
    play_by(small(), peer, script)
}

#[test]
fn each_recipient_gets_a_reply() {
    let played = lmtp(
        "< 220 mx.test LMTP
         > LHLO mta.test
         < 250-mx.test
         < 250-SIZE 100
         < 250-PIPELINING
         < 250-8BITMIME
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250 ENHANCEDSTATUSCODES
         > MAIL FROM:<>
         < 250 2.1.0 Sender OK
         > RCPT TO:<a@example.test>
         < 250 2.1.5 Recipient OK
         > RCPT TO:<b@else.test>
         < 550 5.1.1 No such mailbox here
         > RCPT TO:<c@example.test>
         < 250 2.1.5 Recipient OK
         > DATA
         < 354 End data with <CR><LF>.<CR><LF>
         > hello
         > .
         < 250 2.0.0 Filed 1
         < 250 2.0.0 Filed 1
         > MAIL FROM:<>
         < 250 2.1.0 Sender OK
         > RCPT TO:<a@example.test>
         < 250 2.1.5 Recipient OK
         > DATA
         < 354 End data with <CR><LF>.<CR><LF>
         > busy
         > .
         < 451 4.3.0 Busy
         > QUIT
         < 221 2.0.0 Goodbye
         closed",
    );
    assert_eq!(
        played.taken[0].0.rcpt_to,
        ["a@example.test", "c@example.test"]
    );
    assert_eq!(played.taken[0].0.mail_from, "");
}

#[test]
fn a_refused_text_is_refused_for_each_and_counted_once() {
    let long = "x".repeat(50);
    lmtp(&format!(
        "< 220 mx.test LMTP
         > LHLO mta.test
         < 250-mx.test
         < 250-SIZE 100
         < 250-PIPELINING
         < 250-8BITMIME
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250 ENHANCEDSTATUSCODES
         > MAIL FROM:<>
         < 250 2.1.0 Sender OK
         > RCPT TO:<a@example.test>
         < 250 2.1.5 Recipient OK
         > RCPT TO:<b@example.test>
         < 250 2.1.5 Recipient OK
         > DATA
         < 354 End data with <CR><LF>.<CR><LF>
         > {long}
         > {long}
         > .
         < 552 5.3.4 Message too large
         < 552 5.3.4 Message too large
         > MAIL FROM:<>
         < 250 2.1.0 Sender OK
         > RCPT TO:<a@example.test>
         < 250 2.1.5 Recipient OK
         > RCPT TO:<b@example.test>
         < 250 2.1.5 Recipient OK
         > DATA
         < 354 End data with <CR><LF>.<CR><LF>
         > bare\\nfeed
         < 550 5.6.0 Bare CR or LF refused, closing (RFC 5321 section 2.3.8)
         < 550 5.6.0 Bare CR or LF refused, closing (RFC 5321 section 2.3.8)
         closed"
    ));
}

#[test]
fn the_other_protocols_hello_is_unknown_and_data_needs_recipients() {
    lmtp(
        "< 220 mx.test LMTP
         > EHLO mta.test
         < 500 5.5.2 Command not recognised
         > HELO mta.test
         < 500 5.5.2 Command not recognised
         > LHLO mta.test
         < 250-mx.test
         < 250-SIZE 100
         < 250-PIPELINING
         < 250-8BITMIME
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250 ENHANCEDSTATUSCODES
         > MAIL FROM:<>
         < 250 2.1.0 Sender OK
         > RCPT TO:<b@else.test>
         < 550 5.1.1 No such mailbox here
         > DATA
         < 503 5.5.1 Bad sequence of commands
         > QUIT
         < 221 2.0.0 Goodbye
         closed",
    );
    play(
        small(),
        "< 220 mx.test ESMTP
         > LHLO mta.test
         < 500 5.5.2 Command not recognised
         > QUIT
         < 221 2.0.0 Goodbye
         closed",
    );
}
