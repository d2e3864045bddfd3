//! What can happen, and how it is generated.

use super::mail::{Kind, Mail, PEOPLE, Source};
use arfd::cli::demo::stand_in::{Fault, Style};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// One history.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Locks are only recorded.
    pub observe: bool,
    /// How the stand-in writes its answers.
    pub style: Style,
    pub ops: Vec<Op>,
}

/// One mail of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    /// A mail; it arrived so many seconds ago.
    New(Mail, i64),
    /// The very mail that was sent as the `n`th (modulo how many there were), once more.
    Again(usize),
}

/// Which node does it.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    One(usize),
    /// Both at once, with the same batch.
    Both,
    /// The first, but it is cut off after so many polls, and somebody sends the mails again, one by one.
    Cut(u32),
}

#[derive(Clone, Debug)]
pub enum Op {
    File(Node, Vec<Item>),
    /// Seconds go by.
    Pass(u64),
    /// A node's outbox does one order; the stand-in treats the next calls so.
    Step(usize, Vec<Fault>),
    /// Both nodes' outboxes at once.
    StepBoth(Vec<Fault>),
    /// So many workers claim at once, on both nodes. They call the target or not, and are not heard of.
    Die {
        workers: usize,
        call: bool,
    },
    /// One of those was only slow, and writes down what it got.
    Wake(usize),
    /// A node's store is left as it is and opened again.
    Reopen(usize),
}

fn mail() -> impl Strategy<Value = Mail> {
    let source = prop_oneof![
        8 => Just(Source::Filter),
        6 => Just(Source::Loop),
        1 => Just(Source::Half),
        1 => Just(Source::Stranger),
    ];
    let kind = prop_oneof![
        10 => Just(Kind::Abuse),
        3 => Just(Kind::Fraud),
        1 => Just(Kind::NotSpam),
        1 => Just(Kind::Other),
        1 => Just(Kind::Letter),
    ];
    let who = prop_oneof![12 => (0..PEOPLE.len()).prop_map(Some), 1 => Just(None)];
    (source, kind, who, 0..5u8, 1..8u8, 0..3u8).prop_map(
        |(source, kind, who, message, recipients, copy)| Mail {
            source,
            kind,
            who,
            message,
            recipients,
            copy,
        },
    )
}

fn item() -> impl Strategy<Value = Item> {
    let late = prop_oneof![6 => Just(0), 1 => 1..60i64, 1 => 60..1_000i64];
    prop_oneof![
        5 => (mail(), late).prop_map(|(mail, late)| Item::New(mail, late)),
        1 => any::<usize>().prop_map(Item::Again),
    ]
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::Ok),
        1 => Just(Fault::ReplyLost),
        1 => Just(Fault::Error500),
        1 => Just(Fault::Html200),
        1 => Just(Fault::NotActed),
    ];
    vec(fault, 0..4)
}

fn op() -> impl Strategy<Value = Op> {
    let node = prop_oneof![
        4 => (0..2usize).prop_map(Node::One),
        1 => Just(Node::Both),
        1 => (0..25u32).prop_map(Node::Cut),
    ];
    // Often just as long as a window, a lease or a back-off.
    let seconds = prop_oneof![
        3 => 1..30u64,
        2 => Just(60),
        2 => 60..1_000u64,
        2 => Just(600),
        1 => 1_000..8_000u64,
    ];
    prop_oneof![
        10 => (node, vec(item(), 1..7)).prop_map(|(node, items)| Op::File(node, items)),
        5 => seconds.prop_map(Op::Pass),
        5 => (0..2usize, faults()).prop_map(|(node, faults)| Op::Step(node, faults)),
        1 => faults().prop_map(Op::StepBoth),
        3 => (1..4usize, any::<bool>()).prop_map(|(workers, call)| Op::Die { workers, call }),
        2 => any::<usize>().prop_map(Op::Wake),
        1 => (0..2usize).prop_map(Op::Reopen),
    ]
}

pub fn plan() -> impl Strategy<Value = Plan> {
    let style = prop_oneof![Just(Style::Plain), Just(Style::Json), Just(Style::Empty)];
    // Shrinks towards orders, not towards observing.
    let observe = option::weighted(0.25, Just(())).prop_map(|o| o.is_some());
    (observe, style, vec(op(), 1..60)).prop_map(|(observe, style, ops)| Plan {
        observe,
        style,
        ops,
    })
}
