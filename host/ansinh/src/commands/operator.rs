//! `ansinh operator`: named operators and their tokens.

use std::path::PathBuf;

use ansinh_console::calls::operators::{self, RoleName};
use ansinh_keys::write_new;
use ansinh_store::operators::{Role, Token};
use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Operator {
    /// Add an operator; the token is shown once
    Add(Add),
    /// Give an operator a new token; the old one is worth nothing any more
    Renew(Renew),
    /// Refuse an operator's token from now on
    Suspend(Suspend),
    /// List operators and their roles
    List,
}

#[derive(Args)]
#[command(after_help = "\
Roles: operator imports lists, drafts batches, issues and hands over; approver approves what another one drafted; auditor reads;
administrator manages operators, deliveries and keys. Names are for good: the operations log knows people by them.

Example:
  ansinh operator add minh --role approver --new-token-file minh.token")]
pub(crate) struct Add {
    /// 1 to 20 letters, digits, dots, hyphens
    name: String,
    /// What the operator may do; may be given several times
    #[arg(long, value_name = "ROLE", required = true, value_enum)]
    role: Vec<GivenRole>,
    #[command(flatten)]
    token: NewToken,
}

/// Roles that can be given.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum GivenRole {
    Operator,
    Approver,
    Auditor,
    Administrator,
}

impl From<GivenRole> for RoleName {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Operator => Self::Operator,
            GivenRole::Approver => Self::Approver,
            GivenRole::Auditor => Self::Auditor,
            GivenRole::Administrator => Self::Administrator,
        }
    }
}

#[derive(Args)]
pub(crate) struct Renew {
    /// The operator
    name: String,
    #[command(flatten)]
    token: NewToken,
}

#[derive(Args)]
pub(crate) struct Suspend {
    /// The operator
    name: String,
}

/// Where a new token goes.
#[derive(Args)]
pub(crate) struct NewToken {
    /// Write the new token into this new file (mode 0600) instead of showing it
    #[arg(long, value_name = "FILE")]
    new_token_file: Option<PathBuf>,
}

impl NewToken {
    /// Refuses a file that is there already, before a token is made that nobody could be given.
    pub(crate) fn demand_new_file(&self) -> Result<()> {
        match &self.new_token_file {
            Some(path) if path.exists() => bail!(
                "{}: there already; a token is never written over a file. Nothing was done",
                path.display()
            ),
            _ => Ok(()),
        }
    }

    /// Shows the token this one time, or puts it where its owner wants it.
    pub(crate) fn hand_over(&self, options: &Options, name: &str, token: &Token) -> Result<()> {
        if let Some(path) = &self.new_token_file {
            write_new(path, token.reveal().as_bytes())?;
            if !options.json {
                println!("Mã của {name} ở / Token of {name} in: {}", path.display());
            }
            return Ok(());
        }
        if options.json {
            println!("{}", json!({ "operator": name, "token": token.reveal() }));
            return Ok(());
        }
        println!("Mã của {name}, chỉ hiện một lần / Token of {name}, shown only now:");
        println!("{}", token.reveal());
        Ok(())
    }
}

impl Operator {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Add(add) => {
                add.token.demand_new_file()?;
                let roles = add.role.into_iter().map(RoleName::from).collect();
                let new = options.call(operators::Add {
                    operator: add.name,
                    roles,
                })?;
                add.token
                    .hand_over(options, &new.operator, &Token::new(&new.token))
            }
            Self::Renew(renew) => {
                renew.token.demand_new_file()?;
                let new = options.call(operators::Renew { operator: renew.name })?;
                renew
                    .token
                    .hand_over(options, &new.operator, &Token::new(&new.token))
            }
            Self::Suspend(suspend) => {
                let suspended = options.call(operators::Suspend {
                    operator: suspend.name,
                })?;
                if options.json {
                    println!("{}", serde_json::to_string(&suspended)?);
                } else {
                    println!("Đã ngừng / Suspended: {}", suspended.operator);
                }
                Ok(())
            }
            Self::List => list(options),
        }
    }
}

fn list(options: &Options) -> Result<()> {
    for operator in options.call(operators::List {})? {
        if options.json {
            println!("{}", serde_json::to_string(&operator)?);
            continue;
        }
        let state = if operator.active {
            ""
        } else {
            "  (ngừng / suspended)"
        };
        let roles = operator.roles.into_iter().map(|role| Role::from(role).name());
        println!(
            "{:20}  {}{state}",
            operator.operator,
            roles.collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}
