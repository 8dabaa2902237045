//! `ansinh serve`: the service of the station.

use std::path::PathBuf;

use ansinh_console::config::{Config, DOCUMENTED};
use ansinh_console::daemon::serve;
use ansinh_console::service::Service;
use anyhow::Result;
use clap::Args;

use super::{Options, passphrase};

#[derive(Args)]
#[command(after_help = "\
Serves the calls of this command line over HTTP (OpenAPI document: /openapi.json), live events (/v1/events), health
(/health/live, /health/ready) and figures for Prometheus (/metrics). Logs are JSON lines on standard error. SIGTERM or SIGINT
stops it: no call and no card is begun any more, those in work are finished.

The keys are opened at the start, so the passphrase is needed once: --passphrase-file, ANSINH_PASSPHRASE or a prompt.
packaging/README.md tells how systemd keeps it.

Examples:
  ansinh serve --print-config > /etc/ansinh/ansinh.toml
  ansinh serve --store /var/lib/ansinh/station --config /etc/ansinh/ansinh.toml --passphrase-file /run/keys/passphrase")]
pub(crate) struct Serve {
    /// Settings; default: as --print-config prints them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print all settings with their defaults, and stop
    #[arg(long)]
    print_config: bool,
}

impl Serve {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        if self.print_config {
            print!("{DOCUMENTED}");
            return Ok(());
        }
        let config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let file = options.passphrase_file.clone();
        let service = Service::open(options.home(), move || passphrase(file.as_deref()))?;
        // A wrong passphrase is told to whoever starts it, not to the first who calls.
        service.issuer()?;
        serve(&service, &config)
    }
}
