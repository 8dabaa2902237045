//! `ansinh completion`: completion scripts for shells.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Args)]
#[command(
    after_help = "Example:\n  ansinh completion bash > ~/.local/share/bash-completion/completions/ansinh"
)]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run<C: CommandFactory>(&self) -> Result<()> {
        clap_complete::generate(self.shell, &mut C::command(), "ansinh", &mut std::io::stdout());
        Ok(())
    }
}
