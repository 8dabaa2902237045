//! The settings file of the service. The file with every default and its comment is `ansinh.toml` beside this one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// The file that `ansinh serve --print-config` prints.
pub const DOCUMENTED: &str = include_str!("ansinh.toml");

/// Settings of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What clients call it, when it is not that address.
    pub url: Option<String>,
    /// Certificate and key.
    pub tls: Tls,
    /// What it bears.
    pub limits: Limits,
    /// Who prints PIN letters.
    pub pin_letters: PinLetters,
    /// What it writes down.
    pub log: Log,
}

/// Certificate and key: both or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub key: Option<PathBuf>,
}

/// Who prints PIN letters: both or none. Only whoever may write the settings names a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinLetters {
    /// Program for `/bin/sh` that prints the PDF that it reads from its standard input.
    pub command: Option<String>,
    /// Whom holders call about their letters: office and telephone.
    pub contact: Option<String>,
}

/// What the service bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls that are worked on at once.
    pub calls: usize,
    /// Followers of the events at once.
    pub streams: usize,
    /// Seconds for a request's head to arrive.
    pub head_seconds: u64,
    /// Seconds for a request's body to arrive.
    pub body_seconds: u64,
    /// Seconds that a stop waits for cards in work and for answers not yet sent.
    pub stop_seconds: u64,
}

/// What the service writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least important lines that are written.
    pub level: Level,
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is written.
    Off,
    /// Only failures of the service.
    Error,
    /// And what an administrator should look at.
    Warn,
    /// And each request.
    Info,
    /// And what developers want to know.
    Debug,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8620)),
            url: None,
            tls: Tls::default(),
            limits: Limits::default(),
            pin_letters: PinLetters::default(),
            log: Log::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 64,
            streams: 64,
            head_seconds: 10,
            body_seconds: 60,
            stop_seconds: 90,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info }
    }
}

impl Limits {
    pub(crate) fn head(self) -> Duration {
        Duration::from_secs(self.head_seconds)
    }

    pub(crate) fn body(self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }

    pub(crate) fn stop(self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, has a key that is unknown, or would send tokens in clear over a network.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings that contradict each other.
    ///
    /// # Errors
    /// With what to change.
    pub fn check(&self) -> Result<()> {
        match (&self.tls.certificate, &self.tls.key) {
            (None, None) => ensure!(
                self.listen.ip().is_loopback(),
                "without [tls] the service listens on 127.0.0.1 or [::1] only: on {} tokens and PINs would be sent in clear",
                self.listen
            ),
            (Some(_), Some(_)) => {}
            _ => bail!("[tls] needs both certificate and key"),
        }
        let PinLetters { command, contact } = &self.pin_letters;
        ensure!(
            command.is_some() == contact.is_some(),
            "[pin_letters] needs both command and contact"
        );
        let limits = [
            self.limits.calls as u64,
            self.limits.streams as u64,
            self.limits.head_seconds,
            self.limits.body_seconds,
            self.limits.stop_seconds,
        ];
        ensure!(
            limits.iter().all(|limit| (1..=100_000).contains(limit)),
            "[limits] are from 1 to 100000"
        );
        Ok(())
    }

    /// What clients call the service that got this address.
    pub fn url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        self.url.clone().unwrap_or_else(|| format!("{scheme}://{bound}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_is_the_defaults() {
        assert_eq!(Config::parse(DOCUMENTED).unwrap(), Config::default());
    }

    /// `section.key` of each setting, from a text in which none is left out.
    fn keys(text: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let table: toml::Table = text.parse().unwrap();
        for (name, value) in table {
            match value.as_table() {
                Some(section) => keys.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => keys.push(name),
            }
        }
        keys.sort();
        keys
    }

    #[test]
    fn every_setting_is_documented_and_every_documented_one_exists() {
        let complete = Config {
            url: Some("https://x".to_owned()),
            tls: Tls {
                certificate: Some("c".into()),
                key: Some("k".into()),
            },
            pin_letters: PinLetters {
                command: Some("lp".to_owned()),
                contact: Some("028 3829 1302".to_owned()),
            },
            ..Config::default()
        };
        let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let uncommented: Vec<&str> = DOCUMENTED
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| is_setting(rest))
                    .unwrap_or(line)
            })
            .collect();
        let uncommented = uncommented.join("\n");
        assert_eq!(keys(&uncommented), keys(&toml::to_string(&complete).unwrap()));
        Config::parse(&uncommented).unwrap();
    }

    #[test]
    fn unknown_keys_and_contradictions_are_refused() {
        for text in [
            "port = 1",
            "[limits]\ncall = 1",
            "[limits]\ncalls = 0",
            "[limits]\nstop_seconds = 1000000",
            "listen = \"0.0.0.0:8620\"",
            "listen = \"192.0.2.1:8620\"",
            "listen = \"localhost\"",
            "[tls]\ncertificate = \"x\"",
            "[tls]\nkey = \"x\"",
            "[pin_letters]\ncommand = \"lp\"",
            "[pin_letters]\ncontact = \"x\"",
            "[log]\nlevel = \"all\"",
            "[server]",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
        Config::parse("listen = \"0.0.0.0:8620\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"").unwrap();
    }
}
