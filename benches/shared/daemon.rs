//! `arfd serve` on a store of its own.

use super::process::{Process, free_port};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Starts the daemon; the store is a new SQLite database in the folder unless given. Gives where its metrics
/// are, too.
pub fn start(folder: &Path, store: Option<&str>) -> (Process, SocketAddr) {
    let [smtp, http] = [(); 2].map(|()| free_port());
    let store = store.map_or_else(
        || format!("sqlite://{}", folder.join("arfd.db").display()),
        str::to_owned,
    );
    let file = folder.join("arfd.toml");
    let text = format!(
        "[log]\nlevel = \"error\"\n[smtp]\nlisten = \"{smtp}\"\nrecipients = [\"arf@abuse.example\"]\n\
         [http]\nlisten = \"{http}\"\n[store]\nurl = \"{store}\"\n\
         [[identification.headers]]\nname = \"X-AuthUser\"\n\
         [[feeds]]\nname = \"filter\"\nnetworks = [\"127.0.0.0/8\"]\nrecipients = [\"arf@abuse.example\"]\n"
    );
    fs::create_dir_all(folder).expect("folder");
    fs::write(&file, text).expect("configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_arfd"));
    command.args(["serve", "--config"]).arg(&file);
    (Process::start(&mut command, smtp), http)
}
