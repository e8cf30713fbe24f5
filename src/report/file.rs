//! Reports as files: read with suspicion, replaced whole or not at all.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::{
    Arithmetic, ChainSamples, DispatchOverhead, Measurement, Report, Ridge, Run, SCHEMA,
    SCHEMA_VERSION, Spent, Status,
};
use crate::error::{Error, Result};
use crate::measure::stats::Estimate;

/// The largest file that is read: a hundred times the report of a full run.
const MOST_BYTES: u64 = 256 << 20;

/// The longest part of a file name that a placeholder may give: file systems end names at 255 bytes.
const LONGEST_SLUG: usize = 64;

/// The longest complaint about a file: some quote it, and it may be long.
const LONGEST_COMPLAINT: usize = 240;

/// What a time in ns can be: no dispatch takes a millionth of one, or thirty years.
const TIMES_NS: RangeInclusive<f64> = 1e-6..=1e18;

/// What a duration in seconds can be.
const DURATIONS_S: RangeInclusive<f64> = 0.0..=1e9;

/// What a throughput in bytes a second can be.
const THROUGHPUTS: RangeInclusive<f64> = 1e-9..=1e24;

impl Report {
    /// Reads a report from a file, or from standard input if the path is `-`. Keys that this version does not know are ignored; a value of
    /// an enumeration that it does not know is refused, as no minor version adds one.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |why: String| Error::Usage(format!("{} {}", path.display(), one_line(&why)));
        let mut json = Vec::new();
        let most = MOST_BYTES + 1;
        let read = if path == Path::new("-") {
            io::stdin().lock().take(most).read_to_end(&mut json)
        } else {
            File::open(path).and_then(|file| file.take(most).read_to_end(&mut json))
        };
        read.map_err(|error| refuse(format!("can't be read: {error}")))?;
        if json.len() as u64 > MOST_BYTES {
            return Err(refuse(format!("has more than {MOST_BYTES} bytes, which no report has")));
        }
        Self::from_json(&json).map_err(refuse)
    }

    /// Reads several reports, on every core.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let read: Vec<Result<Self>> = paths.par_iter().map(|path| Self::read(path)).collect();
        read.into_iter().collect()
    }

    /// The report that JSON is.
    pub fn from_json(json: &[u8]) -> std::result::Result<Self, String> {
        // Some editors and shells put a byte order mark in front.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let parsed = serde_json::from_slice::<Self>(json);
        let is_meant =
            |report: &Self| report.schema == SCHEMA && is_readable(&report.schema_version);
        let mut report = match parsed {
            Ok(report) if is_meant(&report) => report,
            // What else it is says more than the first key that a report would have.
            parsed => {
                check_header(json)?;
                parsed.map_err(|error| format!("is a broken report: {error}"))?
            }
        };
        report.check().map_err(|what| format!("is a broken report: {what}"))?;
        report.derive();
        Ok(report)
    }

    /// What types can't say, and without which numbers would come out that mean nothing.
    fn check(&self) -> std::result::Result<(), String> {
        unique(self.measurements.iter().map(|row| &row.id))?;
        unique(self.arithmetic.iter().map(|row| &row.id))?;
        unique(self.ridges.iter().map(|row| &row.id))?;
        unique(self.accuracy.iter().map(|row| &row.kernel))?;
        unique(self.claims.iter().map(|claim| &claim.name))?;
        self.measurements.iter().try_for_each(check_measurement)?;
        self.arithmetic.iter().try_for_each(check_rate)?;
        self.ridges.iter().try_for_each(check_ridge)?;
        if let Some(DispatchOverhead { dispatch_ns, submit_to_complete_ns }) =
            &self.dispatch_overhead
        {
            check_estimate("dispatch overhead", dispatch_ns)?;
            check_estimate("the time to completion", submit_to_complete_ns)?;
        }
        for trial in &self.shapes {
            check_estimate(&trial.kernel, &trial.ns)?;
        }
        for point in self.memory_scan.iter().flat_map(|memory| &memory.scan) {
            within("a throughput", point.bytes_per_second, &THROUGHPUTS)?;
        }
        let Run { duration_s, max_time_s, spent, .. } = &self.run;
        let Spent { open_s, prepare_s, compile_s, inputs_s, validate_s, warm_up_s, measure_s } =
            *spent;
        let parts =
            [*duration_s, open_s, prepare_s, compile_s, inputs_s, validate_s, warm_up_s, measure_s];
        let of_claims = self.claims.iter().map(|claim| claim.duration_s);
        for duration in parts.into_iter().chain(*max_time_s).chain(of_claims) {
            within("a duration in seconds", duration, &DURATIONS_S)?;
        }
        for step in [self.clock.period_ns, self.clock.quantum_ns].into_iter().flatten() {
            within("a step of the clock in ns", step, &TIMES_NS)?;
        }
        if self.clock.probe_steps == Some(0) {
            return Err("its probe of the clock has no step".to_owned());
        }
        Ok(())
    }
}

/// Whether this program reads reports of a version.
fn is_readable(version: &str) -> bool {
    let major =
        |version: &str| version.split_once('.').and_then(|(major, _)| major.parse::<u32>().ok());
    major(version) == major(SCHEMA_VERSION)
}

/// Whether JSON says of itself that it is a report of a version that this program reads.
fn check_header(json: &[u8]) -> std::result::Result<(), String> {
    /// What is the same in every version.
    #[derive(Deserialize)]
    struct Header {
        schema: String,
        schema_version: String,
    }
    if json.trim_ascii().is_empty() {
        return Err("is empty".to_owned());
    }
    let Header { schema, schema_version } =
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => format!("is cut off: {error}"),
            serde_json::error::Category::Data => {
                format!("is JSON, but no report of actbench: {error}")
            }
            _ => format!("is not JSON: {error}"),
        })?;
    if schema != SCHEMA {
        return Err(format!("is of the schema \"{schema}\", not a report of actbench ({SCHEMA})"));
    }
    if !is_readable(&schema_version) {
        return Err(format!(
            "is a report of schema version \"{schema_version}\", and this actbench reads {SCHEMA_VERSION} and other minor versions \
             of it: use the actbench that wrote it, or a newer one"
        ));
    }
    Ok(())
}

fn unique<'a>(ids: impl Iterator<Item = &'a String>) -> std::result::Result<(), String> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("{id} is in it twice"));
        }
    }
    Ok(())
}

fn check_measurement(row: &Measurement) -> std::result::Result<(), String> {
    let Measurement { id, elements, samples_ns, probe_ns, validation, .. } = row;
    if *elements == 0 {
        return Err(format!("{id} has no elements"));
    }
    check_times(id, samples_ns)?;
    check_times(id, probe_ns)?;
    if !probe_ns.is_empty() && probe_ns.len() != samples_ns.len() {
        return Err(format!(
            "{id} has {} samples, but {} probes",
            samples_ns.len(),
            probe_ns.len()
        ));
    }
    let errors =
        validation.iter().flat_map(|found| [found.max_ulp, found.max_share_of_bound]).flatten();
    errors.into_iter().try_for_each(|error| within("an error", error, &(0.0..=f64::MAX)))
}

fn check_rate(row: &Arithmetic) -> std::result::Result<(), String> {
    let id = &row.id;
    let runs = [&row.own, &row.fma];
    let samples =
        runs.iter().flat_map(|runner| [&runner.once_ns, &runner.twice_ns, &runner.fourfold_ns]);
    let mut lengths = HashSet::new();
    for samples in samples {
        check_times(id, samples)?;
        lengths.insert(samples.len());
    }
    if lengths.len() > 1 {
        return Err(format!("{id} has more samples of some steps than of others"));
    }
    for ChainSamples { probe_ns, once_ns, .. } in runs {
        check_times(id, probe_ns)?;
        if !probe_ns.is_empty() && probe_ns.len() != once_ns.len() {
            return Err(format!(
                "{id} has {} samples, but {} probes",
                once_ns.len(),
                probe_ns.len()
            ));
        }
    }
    if row.status == Status::Ok
        && (row.elements == 0 || runs.iter().any(|runner| runner.steps == 0))
    {
        return Err(format!("{id} has times, but no steps or no elements"));
    }
    Ok(())
}

fn check_ridge(row: &Ridge) -> std::result::Result<(), String> {
    let id = &row.id;
    row.points.iter().try_for_each(|point| check_times(id, &point.samples_ns))?;
    if row.points.windows(2).any(|pair| pair[0].samples_ns.len() != pair[1].samples_ns.len()) {
        return Err(format!("{id} has more samples of some k than of others"));
    }
    if row.status == Status::Ok && row.elements == 0 {
        return Err(format!("{id} has no elements"));
    }
    Ok(())
}

fn check_times(id: &str, samples_ns: &[Option<f64>]) -> std::result::Result<(), String> {
    match samples_ns.iter().flatten().find(|ns| !TIMES_NS.contains(ns)) {
        Some(ns) if *ns <= 0.0 => Err(format!("a time of {id} is not above 0")),
        Some(ns) => Err(format!("a time of {id} is {ns:e} ns, which no dispatch takes")),
        None => Ok(()),
    }
}

fn check_estimate(
    what: &str,
    Estimate { median, low, high }: &Estimate,
) -> std::result::Result<(), String> {
    [low, median, high]
        .into_iter()
        .try_for_each(|ns| within(&format!("a time of {what} in ns"), *ns, &TIMES_NS))?;
    if low > median || median > high {
        return Err(format!("the interval of {what} does not hold its median"));
    }
    Ok(())
}

fn within(what: &str, number: f64, range: &RangeInclusive<f64>) -> std::result::Result<(), String> {
    if range.contains(&number) {
        Ok(())
    } else {
        Err(format!("{what} is {number:e}, which can't be meant"))
    }
}

/// A complaint on one line, without what would command a terminal, and not too long: it may quote the file.
fn one_line(complaint: &str) -> String {
    let mut line: String =
        complaint.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if let Some((end, _)) = line.char_indices().nth(LONGEST_COMPLAINT) {
        line.truncate(end);
        line.push_str(" ...");
    }
    line
}

/// Where reports are written, found to be possible before anything is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// What is no file, such as a pipe: reports go there one after the other.
    Stream(PathBuf),
    /// A file that each report replaces.
    File(PathBuf),
}

impl Destination {
    /// The destination that a path names, `-` being standard output. Leaves the file as it is.
    pub fn prepare(path: &Path) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Usage(format!("{} {why}", path.display())));
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let file = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return refuse("is a folder: name a file in it"),
            Ok(metadata) if !metadata.is_file() => return Ok(Self::Stream(path.to_owned())),
            Ok(metadata) if metadata.permissions().readonly() => return refuse("is read-only"),
            // What a link points to is replaced, not the link.
            Ok(_) => fs::canonicalize(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            Err(error) => Err(error),
        };
        // `Path` does not see the slash behind a folder that is not there.
        let last = path.as_os_str().as_encoded_bytes().last();
        if path.file_name().is_none()
            || last.is_some_and(|last| std::path::is_separator(char::from(*last)))
        {
            return refuse("is a folder that does not exist: name a file");
        }
        match file.and_then(|file| temporary_beside(&file).map(|_| file)) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse("is in a folder that does not exist")
            }
            Err(error) => refuse(&format!("can't be written: {error}")),
        }
    }

    /// Writes a report: one line. A file is replaced at once, and stays as it was if that fails; it is worth replacing whenever there is more to
    /// keep.
    pub fn write(&self, report: &Report) -> Result<()> {
        self.write_text(&(serde_json::to_string(report).expect("string keys") + "\n"))
    }

    /// Writes a text likewise.
    pub fn write_text(&self, text: &str) -> Result<()> {
        let bytes = text.as_bytes();
        let (name, written) = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                let unread =
                    written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
                (Path::new("standard output"), if unread { Ok(()) } else { written })
            }
            Self::Stream(path) => (
                path.as_path(),
                OpenOptions::new()
                    .write(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(bytes)),
            ),
            Self::File(path) => (path.as_path(), replace(path, bytes)),
        };
        written.map_err(|error| {
            Error::Machine(format!("{} can't be written: {error}", name.display()))
        })
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let mut file = temporary.as_file();
    if let Ok(existing) = fs::metadata(path) {
        // Some file systems have no permissions to keep.
        let _ = file.set_permissions(existing.permissions());
    }
    file.write_all(bytes)?;
    // Without it, a crash could leave the new name on an empty file.
    file.sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

/// An empty file in the folder of `path`, since only there renaming it is atomic; removed when dropped.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".actbench-").suffix(".tmp");
    // The default is private; a report is a file like any other, as the umask has it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The file name of a template: `{adapter}` and `{host}` become the names in lower case, with a dash for whatever is not an ASCII letter or digit, `{time}`
/// becomes 20261124T031500Z.
pub fn expand(
    template: &str,
    adapter: &str,
    host: Option<&str>,
    time: jiff::Timestamp,
) -> Result<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        name.push_str(&rest[..brace]);
        let (word, behind) = rest[brace..].split_once('}').unwrap_or((&rest[brace..], ""));
        match word {
            "{adapter" => name.push_str(&slug(adapter)),
            "{host" => name.push_str(&slug(host.unwrap_or_default())),
            "{time" => name.push_str(&time.strftime("%Y%m%dT%H%M%SZ").to_string()),
            _ => {
                return Err(Error::Usage(format!(
                    "the file name {template} has braces around something else than adapter, host or time"
                )));
            }
        }
        rest = behind;
    }
    Ok(name + rest)
}

fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(LONGEST_SLUG);
    if slug.is_empty() { "unknown".to_owned() } else { slug }
}
