//! Text of others on an operator's terminal. A complaint's title may hold whatever a citizen, or a hostile peer, put there.
//!
//! Invariant: the result holds no control characters (but newlines in [`block`]) and nothing that changes the direction of
//! writing, so that it can neither drive the terminal nor pretend to be other text.

/// One line: white space becomes single spaces, what is unsafe becomes U+FFFD.
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

/// Several lines: newlines stay, tabs become spaces, what is unsafe becomes U+FFFD.
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
    fn escape_sequences_and_direction_marks_lose_their_power() {
        assert_eq!(line("a\x1b[31m  b\u{202e}c\n d"), "a\u{fffd}[31m b\u{fffd}c d");
        assert_eq!(block("a\tb\r\nc\x07\n\n"), "a b\nc\u{fffd}");
    }

    #[test]
    fn words_of_any_script_stay() {
        assert_eq!(line("Jalan rusak — ꦲꦏ꧀ꦱꦫ ✓"), "Jalan rusak — ꦲꦏ꧀ꦱꦫ ✓");
    }
}
