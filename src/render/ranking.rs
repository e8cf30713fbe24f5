//! A ranking as people read it.

use super::grid::Grid;
use super::numbers::{counted, significant};
use super::text::{plain, wrapped};
use crate::compare::rank::{By, Group, Ranking};

/// Hardware first, then software adapters by themselves.
pub fn text(ranking: &Ranking) -> String {
    let software = "software adapters, which run on the CPU\n";
    let mut parts = Vec::new();
    for (title, group) in [("", &ranking.hardware), (software, &ranking.software)] {
        if !group.places.is_empty() {
            parts.push(title.to_owned() + &table(ranking.by, group));
        }
    }
    // What a report says ends up on terminals: nothing in it may command them.
    plain(&parts.join("\n\n")).into_owned()
}

fn table(by: By, group: &Group) -> String {
    let (heading, unit) = match by {
        By::Memory => ("GB/s", 1e9),
        By::Numerator => ("G steps/s", 1e9),
        By::Ratio => ("ratio", 1.0),
    };
    let places = group.places.iter().enumerate().map(|(at, place)| {
        [
            (at + 1).to_string(),
            significant(place.mean / unit, 3),
            format!("{:.0} %", 100.0 * place.of_best),
            place.adapter.replace('\n', " "),
            place.file.replace('\n', " "),
        ]
    });
    let grid = Grid::of(["", heading, "of best", "adapter", "report"], places).with_words(2);
    let left_out = match group.left_out {
        0 => String::new(),
        some => format!("; {some} that only some have are left out"),
    };
    let rows = counted(group.rows.len() as u64, "row");
    let foot = format!("geometric mean over {rows} that all have ({}){left_out}", by.rows());
    format!("{}\n{}", grid.text(), wrapped(&foot))
}
