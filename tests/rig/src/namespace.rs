//! Namespaces: how a test or a command gets a machine of its own, without privileges and without `unsafe`.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use crate::pcscd::{PcscRig, VirtualReader};
use crate::postgres::postgres;

/// Names the test for which this process was started inside a namespace.
const INSIDE: &str = "ANSINH_RIG_TEST";
/// URL of the database that was made for it.
const DATABASE: &str = "ANSINH_RIG_DATABASE";

/// A command that runs `program` as process 1 of new user, mount, network and process namespaces.
///
/// The kernel kills everything inside when that process ends, and that process when the thread that spawned it ends:
/// no way of dying, `kill -9` included, leaves a process behind.
#[must_use]
pub fn command_in_namespace(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "--pid",
        ])
        .args(["--fork", "--kill-child", "--mount-proc", "--"])
        .arg(program);
    command
}

/// Runs the body of a test among `count` virtual readers, none of which holds a card yet.
///
/// The test executable starts itself again inside a namespace, for this one test: call it as the whole body of a
/// `#[test]` function, with a closure written there (its type tells the test's name).
///
/// # Panics
/// When the body panicked, with its output, and when a tool is missing, with the package to install.
pub fn inside_readers<F: FnOnce(&[VirtualReader])>(count: usize, body: F) {
    let test = test_around::<F>();
    if is_inside(test) {
        among_readers(count, body);
    } else {
        run_inside(test, &[]);
    }
}

/// As [`inside_readers`], with the URL of an empty database besides: the server runs outside, where PostgreSQL has a user of its
/// own, and is reached by its UNIX socket.
///
/// # Panics
/// As [`inside_readers`] and [`postgres`].
pub fn inside_readers_with_postgres<F: FnOnce(&[VirtualReader], &str)>(count: usize, body: F) {
    let test = test_around::<F>();
    if is_inside(test) {
        let url = env::var(DATABASE).unwrap_or_else(|_| panic!("{DATABASE} is not set"));
        among_readers(count, |readers| body(readers, &url));
    } else {
        run_inside(test, &[(DATABASE, &postgres().database())]);
    }
}

fn is_inside(test: &str) -> bool {
    env::var_os(INSIDE).is_some_and(|inside| inside == *test)
}

fn among_readers(count: usize, body: impl FnOnce(&[VirtualReader])) {
    match PcscRig::start(count) {
        Ok(rig) => body(rig.readers()),
        Err(error) => panic!("{error:#}"),
    }
}

/// Starts this executable again inside a namespace, for this one test.
fn run_inside(test: &str, environment: &[(&str, &str)]) {
    let executable = env::current_exe().unwrap_or_else(|error| panic!("own path unknown: {error}"));
    let output = command_in_namespace(executable)
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(INSIDE, test)
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("setpriv: {error}: install Debian's util-linux"));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // "1 passed" guards against a filter that matched no test, which the harness counts as success.
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{test} inside the rig: {}\n{stdout}\n{stderr}",
        output.status
    );
}

/// The path of the test function in which the closure `F` was written, as the test harness names it.
fn test_around<F>() -> &'static str {
    let closure = std::any::type_name::<F>();
    let function = closure.trim_end_matches("::{{closure}}");
    function.split_once("::").map_or(function, |(_crate, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of<F>(_: F) -> &'static str {
        test_around::<F>()
    }

    #[test]
    fn a_closure_tells_its_test() {
        assert_eq!(name_of(|| ()), "namespace::tests::a_closure_tells_its_test");
    }
}
