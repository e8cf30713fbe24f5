//! A table before it is printed: one for the terminal, Markdown and a page.

use std::ops::Range;

use comfy_table::{CellAlignment, Table, presets};

use super::text::markdown;

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

    /// Adds rows that belong together, if there are any.
    pub fn push(&mut self, title: Option<String>, rows: Vec<Vec<String>>) {
        if !rows.is_empty() {
            self.blocks.push(Block { title, rows });
        }
    }

    /// As nothing where there is neither a row nor a note.
    pub fn filled(self) -> Option<Self> {
        (self.rows().next().is_some() || !self.notes.is_empty()).then_some(self)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(&self.header);
        for (index, block) in self.blocks.iter().enumerate() {
            table.add_rows((index > 0).then_some([""]));
            table.add_rows(block.title.as_ref().map(|title| [title]));
            let indent = if block.title.is_some() { "  " } else { "" };
            for row in &block.rows {
                let mut row = row.clone();
                row[0].insert_str(0, indent);
                table.add_row(row);
            }
        }
        for column in self.figures() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        let mut lines = Vec::new();
        if self.rows().next().is_some() {
            lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
        }
        lines.extend_from_slice(&self.notes);
        lines.join("\n")
    }

    /// For a Markdown page, as GitHub reads it.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let row = |cells: &Vec<String>| line(cells.iter().map(|cell| markdown(cell)).collect());
        let mut text = String::new();
        if self.rows().next().is_some() {
            let figures = self.figures();
            let rule = |column| if figures.contains(&column) { "--:" } else { "---" }.to_owned();
            text += &row(&self.header);
            text += &line((0..self.header.len()).map(rule).collect());
        }
        for block in &self.blocks {
            if let Some(title) = &block.title {
                let mut cells = vec![String::new(); self.header.len()];
                cells[0] = format!("**{}**", markdown(title));
                text += &line(cells);
            }
            text.extend(block.rows.iter().map(row));
        }
        text.extend(self.notes.iter().map(|note| format!("\n- {}", markdown(note))));
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
