//! Where in a text of YAML a value ends that begins at a known place.

use super::finding::Position;

/// The byte at a position; the end of the text if it is beyond.
pub(super) fn offset_of(text: &str, at: Position) -> usize {
    let mut line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1));
    let Some(start) = line_starts.nth((at.line - 1) as usize) else { return text.len() };
    let within = text[start..].char_indices().nth((at.column - 1) as usize);
    within.map_or(text.len(), |(offset, _)| start + offset)
}

/// The first byte of the line in which a byte is.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// The end of a list or section in brackets that begins at `start`; none if a bracket is not closed.
pub(super) fn flow_end(text: &str, start: usize) -> Option<usize> {
    let (mut depth, mut quote, mut previous) = (0usize, None, ' ');
    let mut chars = text[start..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => drop(chars.next()),
            (Some(open), _) => quote = (open != c).then_some(open),
            // Within a word they are letters.
            (None, '"' | '\'') if !previous.is_alphanumeric() => quote = Some(c),
            (None, '#') if previous.is_whitespace() => {
                chars.find(|(_, c)| *c == '\n')?;
            }
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(start + offset + 1);
                }
            }
            (None, _) => {}
        }
        previous = c;
    }
    None
}

/// The end of a value in lines of its own that begins at `start`: of the last line that is indented at least as far, without blank lines and
/// comments behind it.
pub(super) fn block_end(text: &str, start: usize) -> usize {
    let first = line_start(text, start);
    let indent = text[first..start].chars().count();
    let is_item = text[start..].starts_with('-');
    let mut end = start;
    let mut at = first;
    for line in text[first..].split_inclusive('\n') {
        let content = line.trim_end();
        let words = content.trim_start();
        let depth = content.chars().count() - words.chars().count();
        let belongs = depth > indent || (depth == indent && (!is_item || words.starts_with('-')));
        if at > first && !words.is_empty() && !words.starts_with('#') && !belongs {
            break;
        }
        if at == first || !(words.is_empty() || words.starts_with('#')) {
            end = at + content.len();
        }
        at += line.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_end_where_they_are_closed_and_not_in_quotes_or_comments() {
        for (text, rest) in [
            ("[[0, 1], [2]] # x", " # x"),
            ("[a, \"]\", 'it''s ]', b'c] d", " d"),
            ("[\n  1, # ]\n  2,\n]\n", "\n"),
            ("{a: [\"\\\"]\"]}, b", ", b"),
        ] {
            assert_eq!(&text[flow_end(text, 0).unwrap()..], rest, "{text}");
        }
        assert_eq!(flow_end("[1, [2]", 0), None);
    }

    #[test]
    fn lines_end_before_what_is_indented_less() {
        let text = "zones:\n  - id: a # first\n    polygon: [\n      1]\n\n    # of a\n    name: b\n  # behind\n  - id: c\nrules: []\n";
        let item = text.find("id: a").unwrap();
        assert!(text[..block_end(text, item)].ends_with("name: b"));
        let list = text.find("- id").unwrap();
        assert!(text[..block_end(text, list)].ends_with("id: c"));
        assert_eq!(offset_of(text, Position { line: 2, column: 5 }), item);
        assert_eq!(offset_of("é: 文一\nb", Position { line: 1, column: 5 }), "é: 文".len());
        assert_eq!(line_start(text, item), text.find("  - id: a").unwrap());
    }
}
