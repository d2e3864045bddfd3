//! What people do and what comes of it: for each day or ten minutes the reports that their mail causes, with the time
//! that the mail was sent and the time that the report arrives.

use super::hoster::Sender;
use super::people::{Kind, Person, Rewrite, Theft, poisson};
use crate::letters::Letter;
use fastrand::Rng;

/// Length of a slice of time, in seconds.
pub const SLICE: i64 = 600;
pub const DAY: i64 = 86_400;

/// Shares of all readers whose house reports complaints: Yahoo (with AOL), Microsoft. Assumed.
const HOUSES: [(Sender, f64); 2] = [(Sender::Yahoo, 0.10), (Sender::Jmrp, 0.20)];
/// Wanted mail that the filter refuses all the same. Assumed: filters promise less.
const FALSE_ALARMS: f64 = 0.000_5;
/// Ordinary mail that somebody complains about. Assumed.
const GRUDGES: f64 = 0.000_02;
/// Mailings of which the filter refuses a part in one go. Assumed.
const REFUSED_MAILINGS: f64 = 0.003;
/// Spam from outside that the filter stops on its way through a forwarding mailbox, and of the rest what its owner
/// complains about. Assumed.
const STOPPED: f64 = 0.3;
const PRESSED: f64 = 0.08;

/// Where a report is from in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Spam that the customer's account sent.
    Spam,
    /// Wanted mail: the filter erred, or a reader is cross.
    Wanted,
    /// Spam from outside that a mailbox forwarded.
    Forwarded,
    /// Real complaints of insincere readers.
    Competitor,
    /// Nobody's: somebody made it up.
    Forged,
}

/// A report on its way.
#[derive(Clone, Debug)]
pub struct Mail {
    /// When the reported mail was sent, in seconds.
    pub sent: i64,
    /// When the report arrives.
    pub arrives: i64,
    pub from: Sender,
    /// Whose mail it is about.
    pub who: usize,
    pub origin: Origin,
    pub letter: Letter,
}

/// Makes reports.
pub struct Acts {
    pub random: Rng,
    next: usize,
    pub made: Vec<Mail>,
}

impl Acts {
    pub fn new(random: Rng) -> Self {
        Self {
            random,
            next: 1,
            made: Vec::new(),
        }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn letter(&mut self, person: &Person) -> Letter {
        let n = self.number();
        let mut letter = Letter::new(n, &person.mailbox, &person.user);
        letter.to = format!("reader{}@elsewhere.example", self.random.u32(..2_000_000));
        if let Kind::Shared { .. } = person.kind {
            // A server of their own, which adds no header of ours.
            letter.headers.clear();
            let domain = person.mailbox.rsplit('@').next().unwrap_or_default();
            letter.from = format!("colleague{}@{domain}", self.random.u32(..20));
        }
        letter
    }

    fn push(
        &mut self,
        sent: i64,
        delay: i64,
        from: Sender,
        who: usize,
        origin: Origin,
        letter: Letter,
    ) {
        self.made.push(Mail {
            sent,
            arrives: sent + delay.max(1),
            from,
            who,
            origin,
            letter,
        });
    }

    /// Hours until a reader presses the button: half do within four, some only after a day. Assumed.
    fn reading_time(&mut self) -> i64 {
        let hours = 4.0 * (2.0 * (self.random.f64() + self.random.f64() - 1.0)).exp();
        (hours * 3_600.0) as i64
    }

    /// So many readers at reporting houses complain about mail of that time.
    fn complaints(
        &mut self,
        person: &Person,
        who: usize,
        mails: f64,
        rate: f64,
        sent: i64,
        origin: Origin,
    ) {
        for (house, share) in HOUSES {
            for _ in 0..poisson(mails * share * rate, &mut self.random) {
                let letter = self.letter(person);
                let delay = self.reading_time();
                self.push(sent, delay, house, who, origin, letter);
            }
        }
    }

    /// Ten minutes of spam. `twist` is what the account's thief does with the sender.
    pub fn spam(&mut self, person: &Person, who: usize, theft: &Theft, start: i64) {
        let mails = theft.hourly * SLICE as f64 / 3_600.0;
        for _ in 0..poisson(mails * theft.refused, &mut self.random) {
            let sent = start + self.random.i64(0..SLICE);
            let mut letter = self.letter(person);
            if let Kind::Shared { .. } = person.kind {
                letter.from = format!("x{}@made-up{}.example", letter.n, letter.n % 97);
            }
            self.push(sent, 2, Sender::Filter, who, Origin::Spam, letter);
        }
        self.complaints(
            person,
            who,
            mails * (1.0 - theft.refused),
            theft.complaints,
            start,
            Origin::Spam,
        );
    }

    /// A day of one who does not spam.
    pub fn day(&mut self, person: &Person, who: usize, day: u32) {
        let start = i64::from(day) * DAY;
        match person.kind {
            Kind::Honest { daily } | Kind::Shared { daily } => {
                self.wanted(person, who, daily, start);
            }
            Kind::Newsletter {
                readers,
                weekday,
                complaints,
            } => {
                self.wanted(person, who, 12.0, start);
                if day % 7 == weekday {
                    self.mailing(person, who, readers, complaints, start + 9 * 3_600);
                }
            }
            Kind::Forwarder {
                rewrite,
                persons,
                daily,
            } => {
                self.wanted(person, who, 8.0, start);
                for _ in 0..poisson(daily, &mut self.random) {
                    self.forwarded(person, who, rewrite, persons, start);
                }
            }
            Kind::Snowshoe { .. } => {}
        }
    }

    fn wanted(&mut self, person: &Person, who: usize, daily: f64, start: i64) {
        for _ in 0..poisson(daily * FALSE_ALARMS, &mut self.random) {
            let sent = start + 8 * 3_600 + self.random.i64(0..10 * 3_600);
            let letter = self.letter(person);
            // They try again: each try is reported.
            for again in 0..self.random.i64(1..4) {
                let mut letter = letter.clone();
                letter.n = self.number();
                self.push(
                    sent + again * 300,
                    2,
                    Sender::Filter,
                    who,
                    Origin::Wanted,
                    letter,
                );
            }
        }
        self.complaints(
            person,
            who,
            daily,
            GRUDGES,
            start + 10 * 3_600,
            Origin::Wanted,
        );
    }

    fn mailing(&mut self, person: &Person, who: usize, readers: usize, rate: f64, sent: i64) {
        self.complaints(person, who, readers as f64, rate, sent, Origin::Wanted);
        let refused = match self.random.f64() < REFUSED_MAILINGS {
            true => 0.02 + 0.1 * self.random.f64(),
            false => FALSE_ALARMS,
        };
        for _ in 0..poisson(readers as f64 * refused, &mut self.random) {
            let letter = self.letter(person);
            let at = sent + self.random.i64(0..3_600);
            self.push(at, 2, Sender::Filter, who, Origin::Wanted, letter);
        }
    }

    fn forwarded(
        &mut self,
        person: &Person,
        who: usize,
        rewrite: Rewrite,
        persons: usize,
        start: i64,
    ) {
        let n = self.number();
        let sent = start + self.random.i64(0..DAY);
        let spammer = format!("offer{}@bulk{}.example", n, n % 1_000);
        let (local, domain) = person.mailbox.rsplit_once('@').unwrap_or_default();
        let mut letter = Letter::new(n, &spammer, "192.0.2.7@hoster.example");
        letter.from = match rewrite {
            Rewrite::None => spammer.clone(),
            Rewrite::Srs => format!(
                "SRS0=a{}=T7=bulk{}.example=offer{n}@{domain}",
                n % 97,
                n % 1_000
            ),
            Rewrite::Mailbox => person.mailbox.clone(),
        };
        letter.headers = format!(
            "X-Forwarded-For: {mailbox} {local}@outside.example\r\nDelivered-To: {mailbox}\r\n\
             Received: from mx1.hoster.example ([192.0.2.20])\r\n by web1.hoster.example with LMTP\r\n for <{mailbox}>; \
             Tue, 03 Mar 2026 09:12:39 +0000\r\n\
             Received: from mail.bulk{}.example (mail.bulk{}.example [203.0.113.{}])\r\n by mx1.hoster.example with ESMTP\r\n \
             for <{mailbox}>; Tue, 03 Mar 2026 09:12:38 +0000\r\n\
             DKIM-Signature: v=1; a=rsa-sha256; d=bulk{}.example; s=k; h=From:To; bh=aGFzaA==; b=c2ln\r\n",
            n % 1_000,
            n % 1_000,
            n % 250,
            n % 1_000,
            mailbox = person.mailbox,
        );
        if self.random.f64() < STOPPED {
            letter.to = format!("{local}.0@outside.example");
            self.push(sent, 2, Sender::Filter, who, Origin::Forwarded, letter);
            return;
        }
        for reader in 0..persons {
            if self.random.f64() < PRESSED {
                let mut letter = letter.clone();
                letter.n = self.number();
                letter.to = format!("{local}.{reader}@outside.example");
                let house = HOUSES[(who + reader) % 2].0;
                let delay = self.reading_time();
                self.push(sent, delay, house, who, Origin::Forwarded, letter);
            }
        }
    }

    /// A day of the forgers: many about anybody, and a campaign against one.
    pub fn forgers(&mut self, people: &[Person], day: u32) {
        let senders = [
            Sender::Stranger,
            Sender::Informed,
            Sender::Signer,
            Sender::Impostor,
        ];
        let victim = self.random.usize(..people.len());
        for n in 0..(people.len() / 40).max(80) {
            let who = match n % 2 {
                0 => victim,
                _ => self.random.usize(..people.len()),
            };
            let letter = self.letter(&people[who]);
            let sent = i64::from(day) * DAY + self.random.i64(0..7_200);
            let from = senders[n % 4];
            self.push(sent, 1, from, who, Origin::Forged, letter);
        }
    }

    /// A competitor of a sender of newsletters: two mailboxes at each house that reports, under several spellings, and
    /// "spam" pressed on every issue.
    pub fn competitor(&mut self, person: &Person, who: usize, rival: usize, day: u32) {
        let Kind::Newsletter { weekday, .. } = person.kind else {
            return;
        };
        if day % 7 != weekday {
            return;
        }
        let sent = i64::from(day) * DAY + 9 * 3_600;
        for (house, name) in [
            (Sender::Yahoo, "yahoo.example"),
            (Sender::Jmrp, "hotmail.example"),
        ] {
            for mailbox in 0..2 {
                for spelling in ["", "+news", "+shop"] {
                    let mut letter = self.letter(person);
                    letter.to = format!("rival{rival}.{mailbox}{spelling}@{name}");
                    let delay = self.random.i64(600..7_200);
                    self.push(sent, delay, house, who, Origin::Competitor, letter);
                }
            }
        }
    }
}
