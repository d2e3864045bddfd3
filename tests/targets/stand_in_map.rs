//! A map in a folder of its own as a bench, in each form. What can go wrong is that the folder is away.

use super::suite::{Bench, Fault};
use arfd::clock::SystemClock;
use arfd::domain::lock::Subject;
use arfd::lock::LockTarget;
use arfd::lock::map_file::{Format, MapFile, Settings};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Lines that somebody else keeps in the file.
pub const BY_HAND: &str = "# by hand\n";

pub struct Map {
    dir: tempfile::TempDir,
    pub format: Format,
}

pub struct Lines(Map);

impl Map {
    pub fn with(format: Format) -> Self {
        let map = Self {
            dir: tempfile::tempdir().unwrap(),
            format,
        };
        std::fs::create_dir(map.dir.path().join("maps")).unwrap();
        std::fs::write(map.path(), BY_HAND).unwrap();
        map
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("maps/locked")
    }

    pub fn settings(&self) -> Settings {
        Settings {
            name: "map".into(),
            path: self.path(),
            format: self.format,
            subject: Subject::Identity,
            bare_names: false,
            lock_action: "REJECT locked for abuse".into(),
            hold_action: "HOLD abuse".into(),
            after: Vec::new(),
            timeout: Duration::from_secs(20),
            max_size: 1 << 20,
        }
    }

    pub fn map(&self) -> MapFile {
        map_of(self.settings())
    }
}

pub fn map_of(settings: Settings) -> MapFile {
    let metrics = Arc::new(Metrics::new().unwrap());
    MapFile::new(settings, metrics, Arc::new(SystemClock::default())).unwrap()
}

#[async_trait]
impl Bench for Map {
    async fn start() -> Self {
        Self::with(Format::Postfix)
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        Arc::new(self.map())
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        self.target()
    }

    fn in_effect(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        assert!(text.starts_with(BY_HAND));
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        let keys = rows.map(|line| line.split('\t').next().unwrap().to_owned());
        keys.collect()
    }

    /// A file does not count; each key stands there once.
    fn effects(&self) -> usize {
        self.in_effect().len()
    }

    fn plan(&self, _: Fault) -> bool {
        false
    }

    async fn down(&mut self) {
        let folder = self.dir.path().join("maps");
        std::fs::rename(folder, self.dir.path().join("away")).unwrap();
        // A file in its place, for a missing file alone is an empty map.
        std::fs::write(self.dir.path().join("maps"), "").unwrap();
    }

    async fn up(&mut self) {
        let folder = self.dir.path().join("maps");
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(self.dir.path().join("away"), folder).unwrap();
    }

    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

#[async_trait]
impl Bench for Lines {
    async fn start() -> Self {
        Self(Map::with(Format::Lines))
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        self.0.target()
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        self.0.target()
    }

    fn in_effect(&self) -> Vec<String> {
        self.0.in_effect()
    }

    fn effects(&self) -> usize {
        self.0.effects()
    }

    fn plan(&self, fault: Fault) -> bool {
        self.0.plan(fault)
    }

    async fn down(&mut self) {
        self.0.down().await;
    }

    async fn up(&mut self) {
        self.0.up().await;
    }

    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}
