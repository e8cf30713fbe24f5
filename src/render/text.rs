//! Text from elsewhere (a driver's name, a reason in a file, a label) that is shown to people: as
//! itself, and as nothing but text.

use std::borrow::Cow;

/// The text without characters that act: controls, among them a terminal's escapes; those that turn
/// the direction of writing, so that one name looks like another; and two that XML forbids. Line
/// breaks stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(is_active) {
        Cow::Owned(text.replace(is_active, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn is_active(character: char) -> bool {
    let acts = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    acts || (character.is_control() && character != '\n')
}

/// What a line has at most: terminals and pull requests show it whole.
pub const COLUMNS: usize = 100;

/// Text in lines of at most [`COLUMNS`] columns: what goes on in the next is set in.
pub fn wrapped(text: &str) -> String {
    let options = textwrap::Options::new(COLUMNS).subsequent_indent("  ").break_words(false);
    let lines = text.lines().map(|line| match line.chars().count() {
        ..=COLUMNS => line.to_owned(),
        _ => textwrap::fill(line, &options),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Text for a cell of CSV: what looks like a formula gets an apostrophe, so that a spreadsheet
/// takes it for text.
pub fn csv_cell(text: &str) -> String {
    // Some programs drop the space before, and some read wide characters as narrow ones.
    let begins = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let is_formula = text.trim_start().starts_with(begins);
    let text = plain(text);
    if is_formula { format!("'{text}") } else { text.into_owned() }
}

/// Text for a line of Markdown: no markup, link, HTML or mention. What needs no backslash gets
/// none, so that the source can be read, too.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = plain(text).replace('\n', " ");
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let is_markup = match character {
            // Not inside a word.
            '_' => !(before.is_alphanumeric() && next.is_some_and(char::is_alphanumeric)),
            // Not of an interval: what begins a link is escaped at its end.
            '[' => !next.is_some_and(|next| next.is_ascii_digit() || next == '-'),
            ']' => next.is_some_and(|next| "([:".contains(next)),
            other => "\\`*{}<>#|~!$&".contains(other),
        };
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(character);
        before = character;
    }
    // GitHub finds addresses and names behind Markdown's back: a space of no width.
    let hidden = escaped.replace('@', "@\u{200b}").replace("://", ":\u{200b}//");
    hidden.replace("www.", "www\u{200b}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_not_shown() {
        assert_eq!(plain("\u{fffe}\u{ffff}"), "\u{fffd}\u{fffd}");
        assert_eq!(plain("llvmpipe (LLVM 15.0.6, 256 bits)"), "llvmpipe (LLVM 15.0.6, 256 bits)");
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\u{0}d\ne"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\ne");
        assert!(matches!(plain("é 漢 \u{1f680}"), Cow::Borrowed(_)));
    }

    #[test]
    fn in_csv_nothing_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u{ff1d}1"] {
            let cell = csv_cell(text);
            assert_eq!(cell, format!("'{}", plain(text)));
        }
        assert_eq!(csv_cell("forward/f32, a=b \u{1b}[2J"), "forward/f32, a=b \u{fffd}[2J");
        assert_eq!(csv_cell(""), "");
    }

    #[test]
    fn in_markdown_nothing_is_markup() {
        assert_eq!(markdown("_a_"), r"\_a\_");
        assert_eq!(
            markdown("from_y [x](javascript:1) <b> `c` a|b"),
            r"from_y \[x\](javascript:1) \<b\> \`c\` a\|b"
        );
        assert_eq!(
            markdown("[x]: javascript:1 [1](a) [1][b] [1]: c"),
            r"\[x\]: javascript:1 [1\](a) [1\]\[b] [1\]: c"
        );
        assert_eq!(markdown("1.22 [1.21, 1.24]"), "1.22 [1.21, 1.24]");
        assert_eq!(
            markdown("@all see https://example.org or www.example.org\nnow"),
            "@\u{200b}all see https:\u{200b}//example.org or www\u{200b}.example.org now"
        );
    }
}
