//! What can go wrong, told apart where code or an exit status has to.

use std::process::ExitCode;

/// Results, whose errors are this crate's unless others are named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every failure that a caller may want to act on, a sentence for the person who sees it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No adapter at all.
    #[error("no adapter found. `actbench doctor` says what is missing and what to install")]
    NoAdapter,
    /// An adapter was named that is not there.
    #[error("no adapter matches \"{wanted}\". There are:\n  {}", available.join("\n  "))]
    UnknownAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters there are, a line each.
        available: Vec<String>,
    },
    /// The adapter lacks a feature or room for a kernel; other kernels go on.
    #[error("{0}")]
    Unsupported(String),
    /// A shader did not compile.
    #[error("the shader of {kernel} does not compile:\n{message}")]
    Compile {
        /// The kernel's path.
        kernel: String,
        /// What the compiler said.
        message: String,
    },
    /// A kernel's output is outside the allowed interval.
    #[error("{0}")]
    Mismatch(String),
    /// The machine failed: device lost, out of memory, disk full.
    #[error("{0}")]
    Machine(String),
    /// The program was called in a way that can't be meant.
    #[error("{0}")]
    Usage(String),
}

/// The exit statuses of every command and of `cargo bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done and is fine.
    Fine = 0,
    /// A validation failed, or something is slower than it was.
    Failed = 1,
    /// Wrong use, or a broken file.
    Usage = 2,
    /// No suitable adapter.
    NoAdapter = 3,
    /// The machine failed.
    Machine = 4,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// This one unless it is fine, else the next: what failed first counts.
    pub fn or(self, next: Self) -> Self {
        if self == Self::Fine { next } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Error {
    /// The exit status that this failure ends a program with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoAdapter | Self::UnknownAdapter { .. } | Self::Unsupported(_) => Exit::NoAdapter,
            Self::Compile { .. } | Self::Mismatch(_) => Exit::Failed,
            Self::Machine(_) => Exit::Machine,
            Self::Usage(_) => Exit::Usage,
        }
    }
}
