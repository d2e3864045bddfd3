//! PostgreSQL for tests. `ARFD_TEST_PG_URL` names a server to use; without it a throw-away cluster is made
//! in a temporary directory, reached only by its socket, shared by the whole test binary, and taken down by
//! a watchdog when the binary ends, however it ends. Each test gets a schema of its own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Server {
    url: String,
    /// Its standard input is the lifeline: it closes when this process ends.
    _watchdog: Option<Child>,
}

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// The address of an empty schema, or None (said loudly) where there is no PostgreSQL.
pub async fn fresh_url() -> Option<String> {
    let server = match SERVER.get_or_init(start) {
        Ok(server) => server,
        Err(why) => {
            super::skipped(&format!("PostgreSQL: {why}"));
            return None;
        }
    };
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    let schema = format!("arfd_test_{}_{number}", std::process::id());
    let mut connection = connect(&server.url).await;
    for statement in [
        format!("drop schema if exists {schema} cascade"),
        format!("create schema {schema}"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let glue = if server.url.contains('?') { '&' } else { '?' };
    Some(format!(
        "{}{glue}options=-c%20search_path%3D{schema}",
        server.url
    ))
}

/// A bare connection, for what a test must do behind the store's back.
pub async fn connect(url: &str) -> sqlx::PgConnection {
    use sqlx::Connection;
    sqlx::PgConnection::connect(url).await.unwrap()
}

fn start() -> Result<Server, String> {
    if let Ok(url) = std::env::var("ARFD_TEST_PG_URL") {
        return Ok(Server {
            url,
            _watchdog: None,
        });
    }
    let tools = tools().ok_or("neither ARFD_TEST_PG_URL nor initdb was found")?;
    let dir = tempfile::Builder::new()
        .prefix("arfd-pg-")
        .tempdir_in("/tmp")
        .map_err(|error| error.to_string())?
        .keep();
    let user = unprivileged()?;
    if let Some(user) = &user {
        run(Command::new("chown").arg(user).arg(&dir))?;
    }
    let watchdog = watch(&tools, &dir, user.as_deref())?;
    let data = dir.join("data");
    run(command(&tools, "initdb", user.as_deref())
        .args(["-U", "arfd", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .arg("-D")
        .arg(&data))?;
    run(command(&tools, "pg_ctl", user.as_deref())
        .args(["start", "-w", "-D"])
        .arg(&data)
        .arg("-l")
        .arg(dir.join("log"))
        .arg("-o")
        .arg(format!(
            "-k {} -c listen_addresses='' -c max_connections=200 -c fsync=on",
            dir.display()
        )))?;
    Ok(Server {
        url: format!("postgres://arfd@localhost/postgres?host={}", dir.display()),
        _watchdog: Some(watchdog),
    })
}

/// Where initdb and pg_ctl are.
fn tools() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"));
    std::env::split_paths(&path)
        .chain(installed)
        .find(|dir| dir.join("initdb").exists() && dir.join("pg_ctl").exists())
        .or_else(|| {
            // Some systems link only initdb into the path.
            std::env::split_paths(&path)
                .filter_map(|dir| dir.join("initdb").canonicalize().ok())
                .filter_map(|initdb| initdb.parent().map(Path::to_owned))
                .find(|dir| dir.join("pg_ctl").exists())
        })
}

/// PostgreSQL will not run as root: the user to run it as instead, if this is root.
fn unprivileged() -> Result<Option<String>, String> {
    if run(Command::new("id").arg("-u"))? != "0" {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .into_iter()
        .find(|user| run(Command::new("id").args(["-u", user])).is_ok())
        .map(|user| Some(user.to_owned()))
        .ok_or_else(|| "this is root, and there is no user to run it as".to_owned())
}

fn command(tools: &Path, tool: &str, user: Option<&str>) -> Command {
    let program = tools.join(tool);
    let mut command = match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(program);
            command
        }
    };
    command.current_dir("/");
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    // A server that starts keeps what it inherits: no pipes, or their reader would wait for it.
    let log = tempfile::tempfile().map_err(|error| error.to_string())?;
    let twin = || log.try_clone().map_err(|error| error.to_string());
    let status = command
        .stdin(Stdio::null())
        .stdout(twin()?)
        .stderr(twin()?)
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let said = {
        use std::io::{Read, Seek};
        let (mut log, mut said) = (log, String::new());
        let _ = log.rewind().and_then(|()| log.read_to_string(&mut said));
        said.trim().to_owned()
    };
    if status.success() {
        Ok(said)
    } else {
        Err(format!("{command:?}: {status}: {said}"))
    }
}

/// Waits for the end of this process, then stops the server and removes its directory.
fn watch(tools: &Path, dir: &Path, user: Option<&str>) -> Result<Child, String> {
    let stop = command(tools, "pg_ctl", user);
    let words: Vec<String> = std::iter::once(stop.get_program())
        .chain(stop.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Command::new("sh")
        .arg("-c")
        .arg("dir=$1; shift; cat; \"$@\" stop -m immediate -D \"$dir/data\"; rm -rf \"$dir\"")
        .arg("watchdog")
        .arg(dir)
        .args(words)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())
}
