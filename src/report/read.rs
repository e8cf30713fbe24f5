//! Files read with suspicion: reports, and what other schemas of this program write.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Report, SCHEMA, SCHEMA_VERSION, check};
use crate::error::{Error, Result};

/// The largest file that is read: a hundred times the report of a standard run.
const MOST_BYTES: u64 = 256 << 20;

/// The longest complaint about a file: some quote it, and it may be long.
const LONGEST_COMPLAINT: usize = 240;

/// What is the same in every schema and version.
#[derive(Deserialize)]
struct Header {
    schema: String,
    schema_version: String,
}

/// A file's bytes, or those of standard input if the path is `-`.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let refuse = |why: &str| Error::Usage(complaint(path, why));
    let mut bytes = Vec::new();
    let most = MOST_BYTES + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| refuse(&format!("can't be read: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(refuse(&format!("has more than {MOST_BYTES} bytes, which no report has")));
    }
    Ok(bytes)
}

/// What is wrong with a file, on one line, without what would command a terminal.
pub fn complaint(path: &Path, why: &str) -> String {
    let mut line: String =
        why.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if let Some((end, _)) = line.char_indices().nth(LONGEST_COMPLAINT) {
        line.truncate(end);
        line.push_str(" ...");
    }
    format!("{} {line}", path.display())
}

/// The schema that JSON says it is of, if it is JSON of this program at all.
pub fn schema_of(json: &[u8]) -> Option<String> {
    Some(serde_json::from_slice::<Header>(without_mark(json)).ok()?.schema)
}

/// The value that JSON of a schema is. Keys that this version does not know are ignored; a value of
/// an enumeration that it does not know is refused, as no minor version adds one.
pub fn parse<T: DeserializeOwned>(json: &[u8], schema: &str) -> Result<T, String> {
    let json = without_mark(json);
    if json.trim_ascii().is_empty() {
        return Err("is empty".to_owned());
    }
    // The header first: what else the file is says more than the first key that it lacks.
    let header: Header = serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Eof => format!("is cut off: {error}"),
        Category::Data => format!("is JSON, but no report of actbench: {error}"),
        Category::Syntax | Category::Io => format!("is not JSON: {error}"),
    })?;
    if header.schema != schema {
        let found = header.schema;
        return Err(format!("is of the schema \"{found}\", not {schema} of actbench"));
    }
    let version = header.schema_version;
    let major = |version: &str| version.split_once('.')?.0.parse::<u32>().ok();
    if major(&version) != major(SCHEMA_VERSION) {
        let found = format!("is of schema version \"{version}\"");
        return Err(format!("{found}; this actbench reads {SCHEMA_VERSION}: measure it again"));
    }
    serde_json::from_slice(json).map_err(|error| format!("is a broken report: {error}"))
}

/// Some editors and shells put a byte order mark in front.
fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

impl Report {
    /// Reads a report from a file, or from standard input if the path is `-`.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_json(&bytes(path)?).map_err(|why| Error::Usage(complaint(path, &why)))
    }

    /// Reads several reports, on every core.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let read: Vec<Result<Self>> = paths.par_iter().map(|path| Self::read(path)).collect();
        read.into_iter().collect()
    }

    /// The report that JSON is, or what is wrong with it, to stand behind its name.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut report: Self = parse(json, SCHEMA)?;
        check::report(&report).map_err(|what| format!("is a broken report: {what}"))?;
        report.derive();
        Ok(report)
    }
}
