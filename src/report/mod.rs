//! What a run found: measurements with their samples, and what follows from them.

pub mod table;

use serde::{Deserialize, Serialize};

use crate::stats::{self, Estimate};

/// Everything about one kernel at one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// `direction/storage/n=elements/activation/form`.
    pub id: String,
    /// forward or backward.
    pub direction: String,
    /// f32, f16 or f16_native.
    pub storage: String,
    /// copy, add, relu, sigmoid.
    pub activation: String,
    /// How it is written.
    pub form: String,
    /// Elements of each tensor.
    pub elements: u64,
    /// Bytes that one dispatch moves.
    pub bytes: u64,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<String>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// ns per dispatch, by round; null where the clock gave no sample.
    pub samples_ns: Vec<Option<f64>>,
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Measured.
    Ok,
    /// The adapter lacks a feature.
    Unsupported,
    /// Not measured, for lack of room.
    Skipped,
    /// The result was wrong, so it was not timed.
    Failed,
}

impl Measurement {
    /// The time of one dispatch in ns.
    #[must_use]
    pub fn time_ns(&self) -> Option<Estimate> {
        stats::median_interval(&self.samples_ns.iter().flatten().copied().collect::<Vec<_>>())
    }

    /// Its time over that of another member of its panel, taken within rounds.
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Estimate> {
        let rounds = self.samples_ns.iter().zip(&other.samples_ns);
        let ratios: Vec<f64> = rounds.filter_map(|(own, others)| Some((*own)? / (*others)?)).collect();
        stats::median_interval(&ratios)
    }

    /// Median time of one element in ns.
    #[must_use]
    pub fn ns_per_element(&self) -> Option<f64> {
        Some(self.time_ns()?.median / as_f64(self.elements))
    }

    /// Median throughput in bytes per second.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        Some(as_f64(self.bytes) / self.time_ns()?.median * 1e9)
    }

    /// The id of the panel: all of the id but activation and form.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.strip_suffix(&format!("/{}/{}", self.activation, self.form)).unwrap_or(&self.id)
    }
}

fn as_f64(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn measurement(activation: &str, samples_ns: &[Option<f64>]) -> Measurement {
        Measurement {
            id: format!("forward/f32/n=1000/{activation}/plain"),
            direction: "forward".to_owned(),
            storage: "f32".to_owned(),
            activation: activation.to_owned(),
            form: "plain".to_owned(),
            elements: 1000,
            bytes: 8000,
            status: Status::Ok,
            reason: None,
            dispatches_per_sample: 1,
            samples_ns: samples_ns.to_vec(),
        }
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The clock halves in the middle: each median moves, their ratio in a round does not.
        let relu =
            measurement("relu", &[100.0, 200.0, 200.0, 0.0, 200.0, 100.0, 100.0].map(|ns| (ns > 0.0).then_some(ns)));
        let sigmoid = measurement("sigmoid", &[150.0, 300.0, 300.0, 9.0, 300.0, 150.0, 150.0].map(Some));
        let ratio = sigmoid.over(&relu).expect("samples");
        assert_eq!((ratio.low, ratio.median, ratio.high), (1.5, 1.5, 1.5));
        assert_eq!(relu.bytes_per_second(), Some(8000.0 / 150.0 * 1e9));
        assert_eq!(relu.group(), "forward/f32/n=1000");
    }

    #[test]
    fn without_samples_there_is_no_number() {
        let none = measurement("relu", &[None, None]);
        assert!(none.time_ns().is_none() && none.ns_per_element().is_none() && none.over(&none).is_none());
    }
}
