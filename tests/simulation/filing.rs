//! Batches: filed on one node, on both at once, or cut off and sent again; each result against the model's.

use super::mail::{Mail, Source, identity};
use super::model::Verdict;
use super::plan::{Item, Node};
use super::world::{Order, TARGET, World};
use arfd::clock::Clock;
use arfd::domain::filing::{Filed, Filing};
use arfd::domain::ids::IncidentId;
use arfd::domain::lock::{Action, LockOrder, OrderState};
use jiff::{SignedDuration, Timestamp};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::JoinSet;

impl World {
    pub async fn file(&mut self, node: Node, items: &[Item]) {
        let now = self.clock.now();
        let mut mails = vec![];
        for item in items {
            let (mail, at) = match item {
                Item::New(mail, late) => (*mail, now - SignedDuration::from_secs(*late)),
                Item::Again(_) if self.sent.is_empty() => continue,
                Item::Again(n) => (self.sent[n % self.sent.len()], now),
            };
            self.sent.push(mail);
            mails.push((mail, at));
        }
        let prepare = |(mail, at): &(Mail, Timestamp)| {
            let bytes = mail.bytes();
            self.judge
                .prepare(mail.source.arrival(), &bytes, *at)
                .filing
        };
        let batch: Arc<Vec<Filing>> = Arc::new(mails.iter().map(prepare).collect());
        let verdicts: Vec<Verdict> = mails
            .iter()
            .map(|(mail, at)| self.model.file(mail, at.as_second()))
            .collect();
        match node {
            Node::One(n) => {
                let filed = self.stores[n].file(&batch, &self.policy).await.unwrap();
                self.compare(&filed, &verdicts);
            }
            Node::Both => {
                let mut tasks = JoinSet::new();
                for store in self.stores.clone() {
                    let (batch, policy) = (batch.clone(), self.policy.clone());
                    tasks.spawn(async move { store.file(&batch, &policy).await });
                }
                let results = tasks.join_all().await;
                let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
                let late = |filed: &Vec<Filed>| filed.iter().all(|f| f.repeated);
                let (late, first): (Vec<_>, Vec<_>) = results.iter().partition(|f| late(f));
                if verdicts.iter().all(|v| v.repeated) {
                    assert_eq!(late.len(), 2);
                } else {
                    assert_eq!(
                        first.len(),
                        1,
                        "one node files a batch, the other repeats it"
                    );
                    self.compare(first[0], &verdicts);
                }
                self.compare_repeats(late[0], &verdicts);
            }
            Node::Cut(polls) => {
                let filing = self.stores[0].file(&batch, &self.policy);
                let whole = cut(filing, polls).await;
                self.seen.cut += usize::from(whole.is_none());
                match whole {
                    Some(filed) => self.compare(&filed.unwrap(), &verdicts),
                    None => {
                        let mut again = vec![];
                        for (n, one) in batch.iter().enumerate() {
                            let store = &self.stores[(n + 1) % 2];
                            let one = store.file(std::slice::from_ref(one), &self.policy).await;
                            again.extend(one.unwrap());
                        }
                        // All of the batch was committed, or nothing.
                        match again.iter().all(|f| f.repeated) {
                            true => self.compare_repeats(&again, &verdicts),
                            false => self.compare(&again, &verdicts),
                        }
                    }
                }
            }
        }
        for ((mail, _), (filing, verdict)) in mails.iter().zip(batch.iter().zip(verdicts)) {
            self.note(mail, filing, &verdict);
        }
    }

    fn compare(&self, filed: &[Filed], verdicts: &[Verdict]) {
        assert_eq!(filed.len(), verdicts.len());
        for (filed, verdict) in filed.iter().zip(verdicts) {
            let opened = filed.opened.as_ref().map(|o| o.rule.as_str());
            let got = (filed.standing, filed.repeated, opened);
            let want = (verdict.standing, verdict.repeated, verdict.opened);
            assert_eq!(got, want, "(standing, repeated, opened)");
            let ordered = filed.opened.as_ref().map(|o| o.ordered);
            assert_eq!(ordered, verdict.opened.map(|_| !self.observe));
        }
    }

    fn compare_repeats(&self, filed: &[Filed], verdicts: &[Verdict]) {
        assert_eq!(filed.len(), verdicts.len());
        for (filed, verdict) in filed.iter().zip(verdicts) {
            let got = (filed.standing, filed.repeated, &filed.opened);
            assert_eq!(got, (verdict.standing, true, &None));
        }
    }

    /// Writes down what there is now that a report is filed.
    fn note(&mut self, mail: &Mail, filing: &Filing, verdict: &Verdict) {
        let standing = verdict.standing.as_str();
        let known = self.filed.insert(filing.id, (standing, mail.bytes()));
        assert_eq!(known.is_some(), verdict.repeated, "two reports of one name");
        self.seen.repeats += usize::from(verdict.repeated);
        self.seen.duplicates += usize::from(standing == "duplicate");
        if mail.source == Source::Half || mail.source == Source::Stranger {
            assert!(!["counted", "duplicate"].contains(&standing));
        }
        let (Some(rule), Some(until), Some(who)) = (verdict.opened, verdict.until, mail.who) else {
            return;
        };
        let at = Timestamp::from_second(until).unwrap();
        let (whom, report) = (identity(who).id(), filing.id);
        let incident = IncidentId::of(&[whom.0.as_bytes(), rule.as_bytes(), report.0.as_bytes()]);
        self.incidents.insert(incident, who);
        let (target, state) = match self.observe {
            true => ("none", OrderState::Observed),
            false => (TARGET, OrderState::Pending),
        };
        self.seen.observed += usize::from(self.observe);
        self.seen.orders += usize::from(!self.observe);
        let order = Order {
            who,
            ordered_at: at,
            not_before: at,
            lease: None,
            attempts: 0,
            state,
        };
        self.orders
            .insert(LockOrder::id_of(incident, target, Action::Lock, 1), order);
    }
}

/// Polls so many times, then drops: the future stops wherever it is. None when it was not done.
async fn cut<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
