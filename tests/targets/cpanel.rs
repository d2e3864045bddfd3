//! What is cPanel's alone: accounts, and answers that fail with status 200.

use super::stand_in_cpanel::Panel;
use super::stand_in_http::Reply;
use super::suite::{Bench, done, later, order, refused};
use arfd::domain::identity::OutgoingUser;
use arfd::domain::lock::{Action, LockOrder, Subject};
use serde_json::json;

fn account(action: Action, user: &str) -> LockOrder {
    let mut order = order(action, "bob@x.example");
    order.subject = Subject::OutgoingUser;
    order.identity.outgoing_user = OutgoingUser::new("x.example", user);
    order
}

#[tokio::test]
async fn accounts_are_held_suspended_and_released() {
    let panel = Panel::start().await;
    panel
        .0
        .logic()
        .accounts
        .insert("bob".into(), (false, false));
    let target = panel.target();
    for (action, flags) in [
        (Action::Hold, (true, false)),
        (Action::Lock, (true, true)),
        (Action::Release, (false, false)),
        (Action::Release, (false, false)),
    ] {
        done(target.carry_out(&account(action, "bob")).await);
        assert_eq!(panel.0.logic().accounts["bob"], flags, "{action:?}");
    }
    for user in ["nobody", "root", "Bob", "bob;id", "a b"] {
        refused(target.carry_out(&account(Action::Lock, user)).await);
    }
}

#[tokio::test]
async fn success_is_in_the_body() {
    let panel = Panel::start().await;
    panel.add("bob@x.example");
    let target = panel.target();
    let lock = order(Action::Lock, "bob@x.example");
    for body in [
        json!({"metadata": {"result": 0, "reason": "it is busy"}}),
        json!({"metadata": {"result": 1}, "data": {"user": "custom", "uapi": {"status": 0, "errors": ["busy"]}}}),
        json!({}),
        json!({"status": 1}),
    ] {
        // The owner is found, then the listing fails.
        panel.0.answer_next(Reply::json(
            200,
            json!({"metadata": {"result": 1}, "data": {"user": "custom"}}),
        ));
        panel.0.answer_next(Reply::json(200, body.clone()));
        later(target.carry_out(&lock).await);
        assert!(panel.in_effect().is_empty(), "{body}");
    }
    panel.0.answer_next(Reply::json(
        200,
        json!({"metadata": {"result": 1}, "data": {"user": "../etc"}}),
    ));
    refused(target.carry_out(&lock).await);
}
