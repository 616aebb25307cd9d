//! The settings, from environment variables.

use std::{env, time::Duration};

use socket_io_server::{engine, socket};

/// What the environment says.
pub(crate) struct Variables {
    pub(crate) port: u16,
    ping_interval: Duration,
    ping_timeout: Duration,
    connect_timeout: Duration,
    upgrade_timeout: Duration,
    max_payload: usize,
    pub(crate) ack_timeout: Duration,
    recovery: Option<Duration>,
}

impl Variables {
    /// Reads the variables. Those that are missing have their defaults.
    pub(crate) fn read() -> Result<Self, String> {
        let milliseconds = |name, default| number(name, default).map(Duration::from_millis);
        let recovery = number("SIO_RECOVERY", 0)?;
        Ok(Self {
            port: number("SIO_PORT", 3000)?,
            ping_interval: milliseconds("SIO_PING_INTERVAL", 25_000)?,
            ping_timeout: milliseconds("SIO_PING_TIMEOUT", 20_000)?,
            connect_timeout: milliseconds("SIO_CONNECT_TIMEOUT", 45_000)?,
            upgrade_timeout: milliseconds("SIO_UPGRADE_TIMEOUT", 10_000)?,
            max_payload: number("SIO_MAX_PAYLOAD", 1_000_000)?,
            ack_timeout: milliseconds("SIO_ACK_TIMEOUT", 1000)?,
            recovery: (recovery > 0).then(|| Duration::from_millis(recovery)),
        })
    }

    pub(crate) fn engine(&self) -> engine::Settings {
        let mut settings = engine::Settings::default();
        settings.ping_interval = self.ping_interval;
        settings.ping_timeout = self.ping_timeout;
        settings.upgrade_timeout = self.upgrade_timeout;
        settings.max_payload = self.max_payload;
        settings
    }

    pub(crate) fn socket(&self) -> socket::Options {
        let mut options = socket::Options::default();
        options.connect_timeout = self.connect_timeout;
        options.recovery = self.recovery;
        options
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T, String> {
    match env::var(name) {
        Err(env::VarError::NotPresent) => Ok(default),
        Ok(value) => value
            .parse()
            .map_err(|_| format!("{name} is {value:?}: expected a whole number in range")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
