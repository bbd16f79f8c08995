//! `cattail run`: a proxy that obeys signals.
//!
//! TERM and INT end it in good order, a second one at once. HUP loads the configuration anew.
//! USR1 opens log files anew.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::{Proxy, StartFailure, start};
use crate::config::{Config, Report};
use crate::observe::{DiagnosticsFailure, DiagnosticsHandle};

/// Why `run` ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(#[from] Report),
    /// What it asks for cannot be had.
    #[error("{0}")]
    Start(#[from] StartFailure),
    /// Diagnostics cannot be written.
    #[error(transparent)]
    Diagnostics(#[from] DiagnosticsFailure),
}

/// Runs a proxy until it is told to end. `load` gives the configuration, now and at each reload;
/// `started` is told when clients are served.
pub fn run(
    load: impl Fn() -> Result<Config, Report>,
    started: impl FnOnce(&Proxy),
) -> Result<(), RunFailure> {
    let config = load()?;
    let diagnostics = config.log.install()?;
    warn(&config);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartFailure::from)?;
    runtime.block_on(async {
        // Before the start: a signal in between must not be lost.
        let mut signals = Signals::new().map_err(StartFailure::from)?;
        let proxy = start(config)?;
        for address in proxy.addresses() {
            tracing::info!(%address, "listening");
        }
        if let Some(address) = proxy.admin_address() {
            tracing::info!(%address, "admin listening");
        }
        started(&proxy);
        signals.obey(&proxy, &load, &diagnostics).await;
        proxy.join();
        tracing::info!("ended");
        Ok(())
    })
}

/// What is accepted, but risky: one line each, without the source line.
fn warn(config: &Config) {
    for warning in config.warnings() {
        let warning = warning.to_string();
        tracing::warn!("{}", warning.lines().next().unwrap_or_default());
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns when the proxy ends or has been told to.
    async fn obey(
        &mut self,
        proxy: &Proxy,
        load: &impl Fn() -> Result<Config, Report>,
        diagnostics: &DiagnosticsHandle,
    ) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => reload(proxy, load, diagnostics),
                _ = self.user.recv() => {
                    proxy.reopen_logs();
                    tracing::info!("log files are opened anew");
                }
            }
        }
        self.end(proxy).await;
    }

    async fn end(&mut self, proxy: &Proxy) {
        let shutdown = proxy.shutdown();
        tracing::info!(delay = ?shutdown.delay, deadline = ?shutdown.deadline, "stopping");
        proxy.announce_stop();
        tokio::select! {
            () = sleep(shutdown.delay) => proxy.begin_stop(),
            () = self.stop() => return proxy.abort(),
        }
        let ended = async {
            while !proxy.has_ended() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = self.stop() => {
                tracing::warn!("second signal: ending at once");
                proxy.abort();
            }
        }
    }
}

fn reload(
    proxy: &Proxy,
    load: &impl Fn() -> Result<Config, Report>,
    diagnostics: &DiagnosticsHandle,
) {
    let mut log = None;
    let outcome = proxy.reload(|| {
        load().inspect(|config| {
            log = Some(config.log);
            warn(config);
        })
    });
    match outcome {
        Ok(()) => {
            if let Some(Err(error)) = log.map(|log| diagnostics.change(log)) {
                tracing::warn!(%error, "diagnostics stay as they were");
            }
            tracing::info!("configuration loaded anew");
        }
        Err(failure) => {
            for line in failure.to_string().lines() {
                tracing::error!("{line}");
            }
            tracing::error!("the new configuration is not taken; the one before stays in force");
        }
    }
}
