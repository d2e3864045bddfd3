//! What is KumoMTA's alone: no tenant, no call; others' suspensions; and what is narrower than a tenant.

use super::stand_in_kumomta::{Kumo, target_of};
use super::suite::{Bench, done, order, refused};
use arfd::domain::lock::{Action, Subject};
use arfd::lock::kumomta::Tenant;
use serde_json::json;

#[tokio::test]
async fn without_a_tenant_nothing_is_sent() {
    let kumo = Kumo::start().await;
    let mut settings = kumo.settings();
    settings.tenant = Tenant::Username;
    let target = target_of(settings);
    let mut lock = order(Action::Lock, "bob@x.example");
    refused(target.carry_out(&lock).await);
    lock.subject = Subject::OutgoingUser;
    lock.identity.outgoing_user = None;
    refused(target.carry_out(&lock).await);
    for empty in ["", " "] {
        let target = kumo.target();
        refused(target.carry_out(&order(Action::Lock, empty)).await);
    }
    assert!(kumo.0.requests().is_empty());
}

#[tokio::test]
async fn a_restart_forgets_no_identifier() {
    let kumo = Kumo::start().await;
    done(
        kumo.target()
            .carry_out(&order(Action::Hold, "bob@x.example"))
            .await,
    );
    // Somebody else suspended the tenant too, and a part of another's mail.
    kumo.0.logic().list.extend([
        json!({"id": uuid::Uuid::from_u128(100), "tenant": "bob@x.example", "reason": "by hand", "duration": "1h"}),
        json!({"id": uuid::Uuid::from_u128(101), "tenant": "bob@x.example", "domain": "y.example", "reason": "mx", "duration": "1h"}),
    ]);
    let listed = kumo.target().list(&[]).await.unwrap();
    assert_eq!(listed.len(), 1);
    done(
        kumo.target()
            .carry_out(&order(Action::Release, "bob@x.example"))
            .await,
    );
    let left = kumo.0.logic().list.clone();
    assert_eq!(left.len(), 1, "what is narrower is not ours: {left:?}");
    assert_eq!(left[0]["domain"], "y.example");
}
