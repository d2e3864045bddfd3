//! Which troubles of a database may pass and which will not: the difference between asking a client to
//! come back with the same batch and looking for the row at fault.

use super::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if passes(&error) {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default();
            if answer
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .is_some()
            {
                passes_in_postgres(&code)
            } else {
                passes_in_sqlite(&code)
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}

/// SQLite's result codes, of which the low octet is the kind: no permission, busy, locked, out of memory,
/// read-only, interrupted, I/O, corrupt, full, cannot open, locking protocol.
fn passes_in_sqlite(code: &str) -> bool {
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 3 | 5..=11 | 13..=15))
}

/// SQLSTATE classes: connection, read-only transaction (a standby), rollback (serialization, deadlock),
/// resources, object not ready, operator, system, internal.
fn passes_in_postgres(code: &str) -> bool {
    code == "25006"
        || ["08", "40", "53", "55", "57", "58", "XX"]
            .iter()
            .any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_trouble() {
        for code in ["5", "517", "6", "10", "778", "13", "14"] {
            assert!(passes_in_sqlite(code), "{code}");
        }
        for code in ["1", "19", "2067", "18", "20", "", "x"] {
            assert!(!passes_in_sqlite(code), "{code}");
        }
        for code in [
            "08006", "40001", "40P01", "53100", "57P01", "25006", "55P03",
        ] {
            assert!(passes_in_postgres(code), "{code}");
        }
        for code in ["22021", "23505", "42601", "54000", ""] {
            assert!(!passes_in_postgres(code), "{code}");
        }
        assert!(passes(&sqlx::Error::PoolTimedOut));
        assert!(!passes(&sqlx::Error::RowNotFound));
    }
}
