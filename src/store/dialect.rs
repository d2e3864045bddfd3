//! What the one SQL body needs of a database: how to bind a value, run a statement and read a column, and
//! the few words in which SQLite and PostgreSQL differ.

use super::StoreError;
use jiff::Timestamp;
use sqlx::Database;
use sqlx::SqlStr;
use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;
use uuid::Uuid;

/// A value on its way into a statement. Absent values keep their type, which PostgreSQL asks for.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    /// An identifier.
    Id(Option<Uuid>),
    /// A number, or a time in microseconds.
    Int(Option<i64>),
    /// Text without NUL, which PostgreSQL cannot hold.
    Text(Option<Cow<'v, str>>),
    /// Octets.
    Bytes(&'v [u8]),
}

/// Text as it can be stored: U+FFFD in the place of each U+0000.
fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        text
    }
}

impl From<Uuid> for Value<'_> {
    fn from(id: Uuid) -> Self {
        Self::Id(Some(id))
    }
}

impl From<Option<Uuid>> for Value<'_> {
    fn from(id: Option<Uuid>) -> Self {
        Self::Id(id)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.as_microsecond()))
    }
}

impl From<Option<Timestamp>> for Value<'_> {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::as_microsecond))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(without_nul(Cow::Borrowed(text))))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text.map(|text| without_nul(Cow::Borrowed(text))))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(without_nul(Cow::Owned(text))))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(|text| without_nul(Cow::Owned(text))))
    }
}

/// A connection of a dialect's database.
pub(super) type Connection<D> = <<D as Dialect>::Db as Database>::Connection;
/// A row of a dialect's database.
pub(super) type Row<D> = <<D as Dialect>::Db as Database>::Row;

/// A database that the store can live in.
pub(super) trait Dialect: Debug + Send + Sync + Sized + 'static {
    /// The driver.
    type Db: Database;
    /// How values are marked in statements over many rows.
    const MARKS: super::sql::Marks;
    /// Opens a transaction that means to write.
    const BEGIN: &'static str;
    /// Whether a sub-select that picks a row to update can pass over rows that others hold.
    const SKIPS_HELD: bool;
    /// Run once on a writer before it is closed; empty for nothing.
    const FLUSH: &'static str;

    /// Runs a statement and returns its rows.
    fn rows<'a>(
        connection: &'a mut Connection<Self>,
        sql: SqlStr,
        values: Vec<Value<'a>>,
    ) -> impl Future<Output = Result<Vec<Row<Self>>, StoreError>> + Send + 'a;

    /// Runs a statement and returns how many rows it touched.
    fn run<'a>(
        connection: &'a mut Connection<Self>,
        sql: SqlStr,
        values: Vec<Value<'a>>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send + 'a;

    /// Reads a column that holds an identifier.
    fn id(row: &Row<Self>, column: usize) -> Result<Option<Uuid>, sqlx::Error>;
    /// Reads a column that holds a number.
    fn int(row: &Row<Self>, column: usize) -> Result<Option<i64>, sqlx::Error>;
    /// Reads a column that holds text.
    fn text(row: &Row<Self>, column: usize) -> Result<Option<String>, sqlx::Error>;
    /// Reads a column that holds octets.
    fn bytes(row: &Row<Self>, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
}

/// The part of [`Dialect`] that reads the same for every driver but cannot be written generically without
/// a page of bounds.
macro_rules! by_driver {
    ($db:ty) => {
        type Db = $db;

        async fn rows<'a>(
            connection: &'a mut Connection<Self>,
            sql: SqlStr,
            values: Vec<Value<'a>>,
        ) -> Result<Vec<Row<Self>>, StoreError> {
            let arguments = by_driver!(@bind $db, values)?;
            sqlx::query_with(sql, arguments)
                .fetch_all(connection)
                .await
                .map_err(StoreError::from)
        }

        async fn run<'a>(
            connection: &'a mut Connection<Self>,
            sql: SqlStr,
            values: Vec<Value<'a>>,
        ) -> Result<u64, StoreError> {
            let arguments = by_driver!(@bind $db, values)?;
            sqlx::query_with(sql, arguments)
                .execute(connection)
                .await
                .map(|done| done.rows_affected())
                .map_err(StoreError::from)
        }

        fn id(row: &Row<Self>, column: usize) -> Result<Option<uuid::Uuid>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn int(row: &Row<Self>, column: usize) -> Result<Option<i64>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn text(row: &Row<Self>, column: usize) -> Result<Option<String>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn bytes(row: &Row<Self>, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }
    };
    (@bind $db:ty, $values:expr) => {{
        let mut arguments = <$db as sqlx::Database>::Arguments::default();
        let bind = || {
            for value in $values {
                match value {
                    Value::Id(id) => sqlx::Arguments::add(&mut arguments, id)?,
                    Value::Int(number) => sqlx::Arguments::add(&mut arguments, number)?,
                    Value::Text(text) => sqlx::Arguments::add(&mut arguments, text)?,
                    Value::Bytes(bytes) => sqlx::Arguments::add(&mut arguments, bytes)?,
                }
            }
            Ok(())
        };
        match bind() {
            Ok(()) => Ok(arguments),
            Err(error) => Err(StoreError::from(sqlx::Error::Encode(error))),
        }
    }};
}
pub(super) use by_driver;

/// Reads the columns of a row from left to right.
pub(super) struct Columns<'r, D: Dialect> {
    row: &'r Row<D>,
    next: usize,
    dialect: PhantomData<D>,
}

impl<'r, D: Dialect> Columns<'r, D> {
    pub(super) fn of(row: &'r Row<D>) -> Self {
        Self {
            row,
            next: 0,
            dialect: PhantomData,
        }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn there<T>(&self, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| StoreError::Row(format!("column {} is null", self.next)))
    }

    pub(super) fn maybe_id(&mut self) -> Result<Option<Uuid>, StoreError> {
        let column = self.step();
        Ok(D::id(self.row, column)?)
    }

    pub(super) fn id(&mut self) -> Result<Uuid, StoreError> {
        let value = self.maybe_id()?;
        self.there(value)
    }

    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>, StoreError> {
        let column = self.step();
        Ok(D::int(self.row, column)?)
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        let value = self.maybe_int()?;
        self.there(value)
    }

    pub(super) fn maybe_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.maybe_int()?
            .map(|micros| {
                Timestamp::from_microsecond(micros)
                    .map_err(|error| StoreError::Row(error.to_string()))
            })
            .transpose()
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
        let value = self.maybe_time()?;
        self.there(value)
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<String>, StoreError> {
        let column = self.step();
        Ok(D::text(self.row, column)?)
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        let value = self.maybe_text()?;
        self.there(value)
    }

    pub(super) fn maybe_json(&mut self) -> Result<Option<serde_json::Value>, StoreError> {
        let bad = |error: serde_json::Error| StoreError::Row(error.to_string());
        let text = self.maybe_text()?;
        text.map(|text| serde_json::from_str(&text).map_err(bad))
            .transpose()
    }

    pub(super) fn json(&mut self) -> Result<serde_json::Value, StoreError> {
        serde_json::from_str(&self.text()?).map_err(|error| StoreError::Row(error.to_string()))
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        let column = self.step();
        let value = D::bytes(self.row, column)?;
        self.there(value)
    }
}
