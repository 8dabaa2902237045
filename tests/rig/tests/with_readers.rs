//! The rig itself: what it offers inside, and that it hides no failure.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use rig::inside_readers;

fn with_readers(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_with-readers"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn readers_are_listed_under_the_names_announced() {
    let script = r#"IFS=,; listed=$(opensc-tool --list-readers); for name in $ANSINH_READER_NAMES; do
        case "$listed" in *"$name"*) ;; *) exit 1 ;; esac; done; echo "$listed" | grep --count virtual"#;
    let output = with_readers(&["16", "--", "sh", "-c", script]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "16",
        "opensc-tool: install Debian's opensc: {output:?}"
    );
}

#[test]
fn the_commands_own_outcome_comes_out() {
    assert_eq!(
        with_readers(&["1", "--", "sh", "-c", "exit 7"]).status.code(),
        Some(7)
    );
    assert_eq!(
        with_readers(&["1", "--", "sh", "-c", "kill -9 $$"]).status.code(),
        Some(137)
    );
}

#[test]
fn a_dead_pcscd_is_the_rigs_failure() {
    let kill = "kill -9 $(cat /run/pcscd/pcscd.pid); sleep 0.1";
    let output = with_readers(&[
        "1",
        "--",
        "sh",
        "-c",
        &format!("opensc-tool --list-readers; {kill}"),
    ]);
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("pcscd ended"));
}

#[test]
fn impossible_requests_are_refused() {
    for arguments in [
        &["0", "--", "true"][..],
        &["17", "--", "true"],
        &["x", "--", "true"],
        &["1", "true"],
        &["1", "--"],
    ] {
        assert_eq!(with_readers(arguments).status.code(), Some(127), "{arguments:?}");
    }
    assert_eq!(
        with_readers(&["1", "--", "no-such-program"]).status.code(),
        Some(127)
    );
}

#[test]
#[should_panic = "inside the rig"]
fn a_failing_body_fails_the_test() {
    inside_readers(1, |readers| assert_eq!(readers.len(), 2));
}

#[test]
fn the_body_runs_inside() {
    inside_readers(3, |readers| {
        assert_eq!(std::process::id(), 1);
        assert_eq!(
            readers.iter().map(|reader| reader.port).collect::<Vec<_>>(),
            [21000, 21001, 21002]
        );
    });
}
