//! Tables and lists of facts: columns without border lines, never wider than the output.

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};

use super::{Output, Tone};

impl Output {
    /// An empty table with these headings. Columns in `whole` are never wrapped.
    pub fn table(&self, headings: &[&str], whole: &[&str]) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(self.width).unwrap_or(u16::MAX))
            .force_no_tty();
        if self.colour {
            table.enforce_styling();
        }
        table.set_header(headings.iter().map(|heading| self.cell(Tone::Faint, heading)));
        for (index, heading) in headings.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, if index + 1 == headings.len() { 0 } else { 2 }));
                if whole.contains(heading) {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
        }
        table
    }

    /// A cell in this tone.
    pub fn cell(&self, tone: Tone, text: &str) -> Cell {
        use comfy_table::{Attribute, Color};
        let cell = Cell::new(text);
        match tone {
            Tone::Strong => cell.add_attribute(Attribute::Bold),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
            Tone::Good => cell.fg(Color::Green),
            Tone::Warning => cell.fg(Color::Yellow),
            Tone::Alarm => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        }
    }

    /// One fact per line: its name, and its value wrapped in a second column. Facts with an empty value are left out.
    pub fn facts(&self, facts: &[(&str, String)]) -> String {
        let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 2;
        let lines = facts.iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| {
            let wrapped = self.wrapped(value, &" ".repeat(width));
            format!("{}{}", self.paint(Tone::Faint, &format!("{label:<width$}")), wrapped.trim_start())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Wraps text to the output's width, and indents each line by `indent`. Dates and ids are not broken at hyphens.
    pub fn wrapped(&self, text: &str, indent: &str) -> String {
        let options = textwrap::Options::new(self.width).initial_indent(indent).subsequent_indent(indent);
        let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
        let lines: Vec<String> = text
            .lines()
            .flat_map(|line| textwrap::wrap(line, &options))
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.join("\n")
    }

    /// Joins parts by ` · ` in lines of at most the output's width, each indented by `indent`. No part is broken.
    pub fn joined(&self, parts: &[String], indent: &str) -> String {
        const JOINT: &str = " · ";
        let mut lines: Vec<String> = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let width = textwrap::core::display_width;
            match lines.last_mut() {
                Some(line) if width(line) + width(JOINT) + width(part) <= self.width => {
                    line.push_str(JOINT);
                    line.push_str(part);
                }
                _ => lines.push(format!("{indent}{part}")),
            }
        }
        lines.join("\n")
    }
}

/// The text of a table, without spaces at the ends of lines.
pub fn rendered(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Shortens a text to `width` columns. An ellipsis marks that something was left out.
pub fn shortened(text: &str, width: usize) -> String {
    let wide = textwrap::core::display_width;
    if wide(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        let mut longer = short.clone();
        longer.push(c);
        if wide(&longer) + 1 > width {
            break;
        }
        short = longer;
    }
    format!("{}…", short.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_eighty_columns_and_keeps_ids_whole() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let mut table = output.table(&["ID", "TITLE"], &["ID"]);
        table.add_row(["0123456789", &"word ".repeat(40)]);
        let text = rendered(&table);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("ID          TITLE\n0123456789  word word"), "{text}");
    }

    #[test]
    fn parts_are_joined_until_the_line_is_full() {
        let output = Output { width: 20, ..Output::fixed(jiff::Timestamp::UNIX_EPOCH) };
        let parts = ["last success 3 s ago", "protocol 1", "x"].map(str::to_owned);
        assert_eq!(output.joined(&parts, "  "), "  last success 3 s ago\n  protocol 1 · x");
    }

    #[test]
    fn a_shortened_text_ends_with_an_ellipsis() {
        assert_eq!(shortened("Loud Music", 10), "Loud Music");
        assert_eq!(shortened("Loud Music/Party", 10), "Loud Musi…");
        assert_eq!(shortened("街街街", 5), "街街…");
    }
}
