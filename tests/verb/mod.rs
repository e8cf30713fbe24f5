//! `actbench` as a process.

use std::borrow::BorrowMut;
use std::process::{Command, Output};

/// `actbench` with arguments. No backtrace is asked for, whoever runs the tests.
pub fn actbench<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actbench"));
    command.args(arguments).env_remove("RUST_BACKTRACE");
    command
}

/// Runs it and returns stdout and stderr, if it ends with `status` and without a panic.
#[track_caller]
pub fn ends(mut command: impl BorrowMut<Command>, status: i32) -> (String, String) {
    let command = command.borrow_mut();
    let Output { status: actual, stdout, stderr } = command.output().expect("actbench starts");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert_eq!(actual.code(), Some(status), "{command:?}\nstdout: {stdout}\nstderr: {stderr}");
    assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
    (stdout, stderr)
}
