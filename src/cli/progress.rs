//! How far a verb is, and Ctrl-C, which ends it after the step at hand.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actbench::error::{Error, Exit, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::say;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, Ctrl-C lets [`is_interrupted`] say so. Twice is meant: it ends the program, and
/// what was kept so far stays.
pub fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            process::exit(Exit::Interrupted as i32);
        }
        say("this step is the last; Ctrl-C again ends at once");
    })
    .map_err(|error| Error::Machine(format!("Ctrl-C can't be caught: {error}")))
}

pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A bar with the time left on a terminal, lines elsewhere.
pub struct Progress {
    bar: ProgressBar,
    every: Duration,
    next_line: Instant,
}

impl Progress {
    /// Begins at `done`, without a guess of how long that took. Lines are `every` apart.
    pub fn new(done: u64, every: Duration) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left")
            .expect("a fixed template");
        let bar = ProgressBar::new(0).with_style(style).with_position(done);
        bar.reset_eta();
        Self { bar, every, next_line: Instant::now() + every }
    }

    pub fn show(&mut self, done: u64, of: u64, what: &str) {
        self.bar.set_length(of);
        self.bar.set_position(done);
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() && Instant::now() >= self.next_line {
            say(&format!("{:>3} %  {what}", (100 * done).checked_div(of).unwrap_or(100)));
            self.next_line = Instant::now() + self.every;
        }
    }
}

/// Whatever comes next is printed where the bar was.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
