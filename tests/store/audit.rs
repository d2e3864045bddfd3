//! The audit chain in the database: whole on any number of nodes, broken by whoever meddles, and begun with the
//! entries from before there was one.

use super::{Place, on_both};
use crate::support::filings::{at, filings, policy};
use crate::support::postgres as server;
use arfd::domain::audit::{Broken, Follower};
use arfd::store::Store;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::sync::Arc;

on_both!(
    a_chain_is_whole_over_nodes,
    who_meddles_is_found,
    old_entries_are_chained_once,
);

/// Does something behind the store's back, with the triggers out of the way.
async fn meddle(place: &Place, statement: &str) {
    let statement = statement.to_owned();
    if place.url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(&place.url).await.unwrap();
        let drop = "drop trigger if exists audit_keeps; drop trigger if exists audit_keeps_all; \
                    drop trigger if exists audit_is_chained;";
        for sql in [drop.to_owned(), statement] {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        return;
    }
    let mut connection = server::connect(&place.url).await;
    let off = "alter table audit disable trigger user".to_owned();
    for sql in [off, statement] {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

async fn verify(store: &Arc<dyn Store>) -> Result<u64, Broken> {
    let end = store.audit_head().await.unwrap();
    let mut follower = Follower::default();
    while follower.number < end.number {
        let links = store
            .audit_after(follower.number, end.number, 7)
            .await
            .unwrap();
        if links.is_empty() {
            break;
        }
        links.iter().try_for_each(|link| follower.follow(link))?;
    }
    follower.end(end.number, &end.digest)?;
    match store.audit_outside().await.unwrap() {
        0 => Ok(end.number),
        entries => Err(Broken::Outside { entries }),
    }
}

async fn a_chain_is_whole_over_nodes(place: Place) {
    let stores = [place.open().await, place.open().await];
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                let who = format!("user{n}");
                let filed = store
                    .file(&filings(&who, 0..2), &policy(2, &["t"]))
                    .await
                    .unwrap();
                let incident = filed[1].opened.as_ref().unwrap().incident;
                let (who, why) = ("ann\0", "weird \0 text \u{1F980}");
                assert!(
                    store
                        .close_incident(incident, who, why, at(5))
                        .await
                        .unwrap()
                );
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(verify(&stores[0]).await, Ok(80));
    assert_eq!(
        verify(&place.open().await).await,
        Ok(80),
        "and after a restart"
    );
}

async fn who_meddles_is_found(place: Place) {
    let store = place.open().await;
    for n in 0..10 {
        let who = format!("user{n}");
        store
            .file(&filings(&who, 0..2), &policy(2, &["t"]))
            .await
            .unwrap();
    }
    assert_eq!(verify(&store).await, Ok(10));
    meddle(
        &place,
        "update audit set detail = 'nothing happened' where number = 4",
    )
    .await;
    assert_eq!(verify(&store).await, Err(Broken::Changed { number: 4 }));
    meddle(&place, "delete from audit where number = 3").await;
    assert_eq!(
        verify(&store).await,
        Err(Broken::Missing {
            number: 3,
            found: 4
        })
    );
    meddle(&place, "delete from audit where number >= 3").await;
    assert_eq!(
        verify(&store).await,
        Err(Broken::CutOff {
            number: 10,
            found: 2
        })
    );
    meddle(
        &place,
        "update audit_head set number = 2, digest = (select digest from audit where number = 1)",
    )
    .await;
    assert_eq!(verify(&store).await, Err(Broken::OtherEnd { number: 2 }));
    meddle(
        &place,
        "update audit_head set digest = (select digest from audit where number = 2)",
    )
    .await;
    assert_eq!(
        verify(&store).await,
        Ok(2),
        "who rewrites all of it: a digest kept elsewhere holds"
    );
    meddle(
        &place,
        "insert into audit (at, actor, action, detail) values (1, 'eve', 'x', 'y')",
    )
    .await;
    assert_eq!(verify(&store).await, Err(Broken::Outside { entries: 1 }));
    // A restart does not take it in.
    assert_eq!(
        verify(&place.open().await).await,
        Err(Broken::Outside { entries: 1 })
    );
}

async fn old_entries_are_chained_once(place: Place) {
    let store = place.open().await;
    let old: Vec<String> = (0..1_203)
        .map(|n| format!("({n}, 'old', 'incident.closed', 'entry {n}')"))
        .collect();
    let insert = format!(
        "insert into audit (at, actor, action, detail) values {}",
        old.join(", ")
    );
    meddle(&place, &insert).await;
    assert_eq!(
        verify(&store).await,
        Err(Broken::Outside { entries: 1_203 })
    );
    let nodes = tokio::join!(place.open(), place.open());
    assert_eq!(verify(&nodes.0).await, Ok(1_203));
    let bob = filings("bob", 0..2);
    nodes.1.file(&bob, &policy(2, &["t"])).await.unwrap();
    assert_eq!(verify(&nodes.0).await, Ok(1_204));
    let first = nodes.0.audit_after(0, 1, 1).await.unwrap().remove(0);
    assert_eq!(first.entry.detail, "entry 0");
}
