//! Makes foreign text safe for an operator's terminal. A complaint's title may have any characters from a citizen or a hostile peer.
//!
//! Invariant: the result has no control characters (except newlines in [`block`]) and no characters that change the direction of writing, so
//! it can neither control the terminal nor look like other text.

/// Makes one line: white space becomes single spaces, unsafe characters become U+FFFD.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !safe.is_empty() {
            safe.push(' ');
        }
        safe.extend(word.chars().map(replaced));
    }
    safe
}

/// Makes several lines: newlines stay, tabs become spaces, unsafe characters become U+FFFD.
pub fn block(text: &str) -> String {
    text.trim_end()
        .replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\n' => '\n',
            '\t' => ' ',
            other => replaced(other),
        })
        .collect()
}

fn replaced(c: char) -> char {
    let turns_direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns_direction { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_removed() {
        assert_eq!(line("a\x1b[31m  b\u{202e}c\n d"), "a\u{fffd}[31m b\u{fffd}c d");
        assert_eq!(block("a\tb\r\nc\x07\n\n"), "a b\nc\u{fffd}");
    }

    #[test]
    fn words_in_any_script_are_not_changed() {
        assert_eq!(line("Jalan rusak — ꦲꦏ꧀ꦱꦫ ✓"), "Jalan rusak — ꦲꦏ꧀ꦱꦫ ✓");
    }
}
