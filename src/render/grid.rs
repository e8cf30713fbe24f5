//! A table before it is printed: one for the terminal, Markdown and a page.

use std::fmt::Write as _;
use std::ops::Range;

use comfy_table::{CellAlignment, Table, presets};

use crate::render::text::markdown;

/// A table and the notes below it. The first column names the row, the others hold figures.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grid {
    /// What stands above the columns.
    pub header: Vec<String>,
    /// Rows that belong together.
    pub blocks: Vec<Block>,
    /// Sentences about the rows: why one has no figures, and what a reader should know.
    pub notes: Vec<String>,
    /// So many of the last columns hold words, which begin at the left.
    pub words: usize,
}

/// Rows that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Block {
    /// What they have in common; the names of the rows then are short for it.
    pub title: Option<String>,
    /// The cells of each row, as many as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// Without a row.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), ..Self::default() }
    }

    /// With one block of rows.
    pub fn of<const N: usize>(
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let rows = rows.into_iter().map(Vec::from).collect();
        Self { blocks: vec![Block { title: None, rows }], ..Self::new(header) }
    }

    /// All rows, whatever block they are in.
    pub fn rows(&self) -> impl Iterator<Item = &Vec<String>> {
        self.blocks.iter().flat_map(|block| &block.rows)
    }

    /// With words in so many of the last columns.
    pub fn with_words(self, words: usize) -> Self {
        Self { words, ..self }
    }

    /// The columns that hold figures, which are set to the right.
    pub(crate) fn figures(&self) -> Range<usize> {
        1..self.header.len().saturating_sub(self.words)
    }

    /// As nothing where there is neither a row nor a note.
    pub fn filled(self) -> Option<Self> {
        (self.rows().next().is_some() || !self.notes.is_empty()).then_some(self)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(&self.header);
        for block in &self.blocks {
            if let Some(title) = &block.title {
                table.add_row([title]);
            }
            let indent = if block.title.is_some() { "  " } else { "" };
            for row in &block.rows {
                let name = row.first().map(|name| format!("{indent}{name}"));
                table.add_row(name.into_iter().chain(row.iter().skip(1).cloned()));
            }
            table.add_row([""]);
        }
        for column in self.figures() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        let mut text = String::new();
        if self.rows().next().is_some() {
            for line in table.lines() {
                let _ = writeln!(text, "{}", line.trim_end());
            }
            text.truncate(text.trim_end().len());
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}");
        }
        text.trim_start_matches('\n').to_owned()
    }

    /// For a Markdown page, as GitHub reads it.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        };
        if self.rows().next().is_some() {
            line(&mut self.header.iter().map(|cell| markdown(cell)));
            let figures = self.figures();
            let rule = |column| if figures.contains(&column) { "--:" } else { "---" }.to_owned();
            line(&mut (0..self.header.len()).map(rule));
        }
        for block in &self.blocks {
            if let Some(title) = &block.title {
                let empty = std::iter::repeat_n(String::new(), self.header.len().saturating_sub(1));
                line(&mut std::iter::once(format!("**{}**", markdown(title))).chain(empty));
            }
            for row in &block.rows {
                line(&mut row.iter().map(|cell| markdown(cell)));
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n- {}", markdown(note));
        }
        text.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let rows = [["relu".to_owned(), "1.00".to_owned()], ["a|b".to_owned(), "12.5".to_owned()]];
        let mut grid = Grid::of(["kernel", "ns"], rows);
        grid.blocks[0].title = Some("forward".to_owned());
        grid.notes.push("one <b> note".to_owned());
        grid
    }

    #[test]
    fn for_a_terminal_columns_are_aligned_and_nothing_is_escaped() {
        assert_eq!(
            grid().text(),
            "kernel     ns\nforward\n  relu   1.00\n  a|b    12.5\none <b> note"
        );
        assert_eq!(Grid::new(["a"]).text(), "");
    }

    #[test]
    fn in_markdown_a_cell_stays_one() {
        let text = grid().markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["| kernel | ns |", "| --- | --: |", "| **forward** |  |"]);
        assert_eq!(lines[4], r"| a\|b | 12.5 |");
        assert_eq!(lines[6], r"- one \<b\> note");
    }

    #[test]
    fn words_begin_at_the_left() {
        let rows = [["a", "1.5", "yes"], ["b", "12.5", "or no"]].map(|row| row.map(str::to_owned));
        let grid = Grid::of(["claim", "value", "why"], rows).with_words(1);
        assert_eq!(grid.text(), "claim  value  why\na        1.5  yes\nb       12.5  or no");
        assert!(grid.markdown().contains("| --- | --: | --- |"), "{}", grid.markdown());
    }

    #[test]
    fn without_rows_and_notes_there_is_no_grid() {
        assert_eq!(Grid::new(["a"]).filled(), None);
        assert!(grid().filled().is_some());
    }
}
