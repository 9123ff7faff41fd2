//! Texts as slips, broken disks and malice leave them.

use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// What decides something in YAML, in numbers and in our own files.
const SCRAPS: [&str; 40] = [
    "",
    " ",
    "\n",
    "\t",
    "\r\n",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "文",
    ":",
    "- ",
    "? ",
    "|",
    ">",
    "&a",
    "*a",
    "<<: *a",
    "!!binary ",
    "---\n",
    "...",
    "%YAML 1.2\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "-1",
    "0",
    "1e999",
    ".nan",
    "-.inf",
    "9223372036854775808",
    "0x7f",
    "null",
    "~",
    "true",
    "../../../etc/passwd",
];
/// Deepest nesting that is tried at once.
const MOST_NESTED: usize = 20_000;

/// A text with one to eight changes; parts of `others` may come into it.
pub fn text(random: &mut Pcg64Mcg, original: &str, others: &[&str]) -> String {
    let mut text = original.to_owned();
    for _ in 0..random.random_range(1..=8) {
        let (start, end) = (boundary(random, &text), boundary(random, &text));
        let (start, end) = (start.min(end), start.max(end).min(start.min(end) + 200));
        let end = (end..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        match random.random_range(0..7) {
            0 => text.replace_range(start..end, ""),
            1 => text.replace_range(start..end, SCRAPS[random.random_range(0..SCRAPS.len())]),
            2 => text.insert_str(start, SCRAPS[random.random_range(0..SCRAPS.len())]),
            3 => {
                let twice = text[start..end].to_owned();
                text.insert_str(start, &twice);
            }
            4 => {
                let other = others[random.random_range(0..others.len())];
                let (from, to) = (boundary(random, other), boundary(random, other));
                text.insert_str(start, &other[from.min(to)..from.max(to)]);
            }
            5 => text.insert_str(start, &random.random::<u64>().to_string()),
            _ => {
                let opening = ["[", "{a: ", "- ", "  "][random.random_range(0..4)];
                let most = if random.random_ratio(1, 50) { MOST_NESTED } else { 30 };
                text.insert_str(start, &opening.repeat(random.random_range(1..=most)));
            }
        }
    }
    text
}

/// Where a character begins, or the end.
fn boundary(random: &mut Pcg64Mcg, text: &str) -> usize {
    let at = random.random_range(0..=text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A number as hostile as they come: any bits, or near those that decide.
pub fn number(random: &mut Pcg64Mcg) -> f32 {
    match random.random_range(0..8) {
        0 => f32::from_bits(random.random()),
        1 => random.random_range(-0.5..1.5),
        2 => random.random_range(-700.0..700.0),
        3 => random.random_range(-5_i8..100).into(),
        4 => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][random.random_range(0..3)],
        5 => [f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::EPSILON][random.random_range(0..4)],
        6 => 0.0,
        _ => 1.0,
    }
}
