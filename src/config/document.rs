//! YAML text → a tree of values that remembers where each key and value stood.
//!
//! In: the text of a configuration, and of the files that it includes. Out: [`Document`]. Hostile text is bounded: [`MAX_FILE_BYTES`], [`MAX_DEPTH`],
//! [`MAX_NODES`], and as many nodes again through aliases. Must not know what the keys mean.

use super::finding::Position;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{MessageFormatter, Spanned};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Largest file that is read; a gateway with 100 cameras and their zones needs about 100 KiB.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;
/// Deepest nesting; the configuration itself needs 7 levels.
const MAX_DEPTH: usize = 24;
/// Most scalars, lists and sections.
const MAX_NODES: usize = 100_000;
/// Characters of a text that a message repeats.
const MAX_SHOWN_CHARS: usize = 60;

/// A parsed file, with those that it includes: the values as JSON, and where each stood.
#[derive(Debug)]
pub(super) struct Document {
    /// The values. Of a key given twice, the first.
    pub value: Value,
    /// Keys that were given twice, in the order of the file.
    pub repeated: Vec<RepeatedKey>,
    /// By JSON pointer.
    places: BTreeMap<String, Place>,
    /// The file, then the included ones.
    files: Vec<PathBuf>,
}

/// A key given twice in one section.
#[derive(Debug)]
pub(super) struct RepeatedKey {
    /// JSON pointer of the key.
    pub pointer: String,
    /// Where it was given again.
    pub again: Position,
}

#[derive(Debug, Clone)]
struct Place {
    /// Index of its file.
    file: usize,
    /// Where the key stands; none for elements of lists and the root.
    key: Option<Position>,
    value: Position,
    /// A number as it was written.
    written: Option<String>,
}

/// The text is not YAML, or beyond the limits.
#[derive(Debug)]
pub(super) struct NotYaml {
    /// Where the parser stopped.
    pub position: Position,
    /// Why.
    pub reason: String,
}

impl Document {
    /// Parses the text of a file.
    pub fn parse(file: &Path, text: &str) -> Result<Self, NotYaml> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH, max_nodes: MAX_NODES, max_events: 4 * MAX_NODES, max_documents: 1
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            strict_booleans: true,
            non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
            reject_unsupported_tags: true,
            with_snippet: false,
        };
        let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| NotYaml {
            position: error.location().map_or(Position::START, position_of),
            reason: printable(&serde_saphyr::UserMessageFormatter.format_message(error.without_snippet())),
        })?;
        let files = vec![file.to_owned()];
        let mut document = Self { value: Value::Null, repeated: Vec::new(), places: BTreeMap::new(), files };
        document.value = document.take(root, "", None, text);
        Ok(document)
    }

    /// Turns a node into a value and notes where it and its children stood.
    fn take(&mut self, node: Spanned<Node>, pointer: &str, key: Option<Position>, text: &str) -> Value {
        let written = matches!(node.value, Node::Number(_)).then(|| slice_of(text, node.defined)).flatten();
        self.places.insert(pointer.to_owned(), Place { file: 0, key, value: position_of(node.defined), written });
        match node.value {
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(value),
            Node::Number(number) => Value::Number(number),
            Node::Text(value) => Value::String(value),
            Node::List(items) => {
                let take = |(index, item)| self.take(item, &format!("{pointer}/{index}"), None, text);
                items.into_iter().enumerate().map(take).collect()
            }
            Node::Section(entries) => {
                let mut section = Map::new();
                for (key, value) in entries {
                    let (child, at) = (join(pointer, &key.value), position_of(key.defined));
                    if section.contains_key(&key.value) {
                        self.repeated.push(RepeatedKey { pointer: child, again: at });
                    } else {
                        let value = self.take(value, &child, Some(at), text);
                        section.insert(key.value, value);
                    }
                }
                Value::Object(section)
            }
        }
    }

    /// Takes over the cameras of an included file, behind those that are there.
    pub fn append_cameras(&mut self, included: Self) {
        let file = self.files.len();
        self.files.extend(included.files.into_iter().take(1));
        let Value::Object(root) = &mut self.value else { return };
        let cameras = root.entry("cameras").or_insert_with(|| Value::Array(Vec::new()));
        let (Value::Array(cameras), Some(Value::Array(more))) = (cameras, included.value.get("cameras")) else {
            return;
        };
        let before = cameras.len();
        cameras.extend_from_slice(more);
        let moved = |pointer: &str| -> Option<String> {
            let rest = pointer.strip_prefix("/cameras/")?;
            let (index, below) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
            Some(format!("/cameras/{}{below}", before + index.parse::<usize>().ok()?))
        };
        let places = included.places.iter();
        self.places.extend(places.filter_map(|(at, place)| Some((moved(at)?, Place { file, ..place.clone() }))));
        let repeated = included.repeated.into_iter();
        self.repeated.extend(repeated.filter_map(|key| Some(RepeatedKey { pointer: moved(&key.pointer)?, ..key })));
    }

    /// The file in which a value stands, and its number in the order of reading.
    pub fn file_of(&self, pointer: &str) -> (usize, &Path) {
        let file = self.nearest(pointer).map_or(0, |place| place.file);
        (file, &self.files[file])
    }

    /// The value at a JSON pointer.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// Whether something stands at exactly this pointer.
    pub fn has(&self, pointer: &str) -> bool {
        self.places.contains_key(pointer)
    }

    /// Where a value stands; of a value that is not there, where the section stands that lacks it.
    pub fn value_position(&self, pointer: &str) -> Position {
        self.nearest(pointer).map_or(Position::START, |place| place.value)
    }

    /// Where a key stands; of an element of a list, where the element stands.
    pub fn key_position(&self, pointer: &str) -> Position {
        self.nearest(pointer).map_or(Position::START, |place| place.key.unwrap_or(place.value))
    }

    fn nearest(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            match self.places.get(pointer) {
                Some(place) => return Some(place),
                None => pointer = &pointer[..pointer.rfind('/')?],
            }
        }
    }

    /// What stands at a pointer, in words that fit after "is". Never the value of a secret.
    pub fn seen(&self, pointer: &str) -> String {
        match self.get(pointer) {
            None => "missing".to_owned(),
            Some(Value::Null) => "empty".to_owned(),
            Some(Value::Array(items)) => format!("a list of {}", items.len()),
            Some(Value::Object(_)) => "a section".to_owned(),
            Some(_) if is_secret(pointer) => "a text that is not shown here".to_owned(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Number(number)) => {
                let written = self.places.get(pointer).and_then(|place| place.written.clone());
                written.unwrap_or_else(|| number.to_string())
            }
            Some(Value::String(text)) => quoted(text),
        }
    }
}

/// A text in quotes, shortened, its control characters escaped, and without the password that a URL may carry.
pub(super) fn quoted(text: &str) -> String {
    let shown = match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, host))) => format!("{scheme}://***@{host}"),
        None => text.to_owned(),
    };
    let mut short: String = shown.chars().take(MAX_SHOWN_CHARS).collect();
    if short.len() < shown.len() {
        short.push('…');
    }
    format!("\"{}\"", printable(&short))
}

/// A text of which no character moves a terminal's cursor or ends a line.
fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Whether what stands there, rightly or by mistake, may be a secret; the storage's address may have a token in its query.
pub(super) fn is_secret(pointer: &str) -> bool {
    pointer == "/evidence/storage/url"
        || pointer
            .split('/')
            .any(|segment| segment == "token" || segment.contains("password") || segment.contains("secret"))
}

/// The pointer of a key below another pointer (RFC 6901).
pub(super) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A pointer as people write it: `cameras[0].zones[1].id`.
pub(super) fn path_of(pointer: &str) -> String {
    let segments = pointer.split('/').skip(1).enumerate().map(|(depth, segment)| {
        let key = segment.replace("~1", "/").replace("~0", "~");
        let is_index = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        match (is_index, depth) {
            (true, _) => format!("[{key}]"),
            (false, 0) => printable(&key),
            (false, _) => format!(".{}", printable(&key)),
        }
    });
    segments.collect()
}

fn position_of(location: serde_saphyr::Location) -> Position {
    Position { line: location.line().max(1), column: location.column().max(1) }
}

fn slice_of(text: &str, location: serde_saphyr::Location) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    text.get(start..start.checked_add(length)?).map(|written| written.trim().to_owned())
}

/// A value as the parser hands it over.
enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Node>>),
    Section(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, number, list or section")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }
    /// Whole numbers become integers, so that `30.0` is one for the schema and for serde alike.
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() < EXACT {
            return Ok(Node::Number((value as i64).into()));
        }
        Ok(Number::from_f64(value).map_or_else(|| Node::Text(value.to_string()), Node::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut section = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            section.push(entry);
        }
        Ok(Node::Section(section))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, NotYaml> {
        Document::parse(Path::new("edge.yaml"), text)
    }

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    #[test]
    fn keys_and_values_in_nested_maps_and_lists_know_their_places() {
        let text = "agent:\n  site: yuhang\ncameras:\n  - id: east\n    zones:\n      - {id: a, polygon: [[0.1, 0.25], [1, 2]]}\n  -   id: 文一路\n";
        let document = parse(text).unwrap();
        assert_eq!(document.key_position("/agent/site"), at(2, 3));
        assert_eq!(document.value_position("/agent/site"), at(2, 9));
        assert_eq!(document.value_position("/cameras/0"), at(4, 5));
        assert_eq!(document.value_position("/cameras/0/zones/0/id"), at(6, 14));
        assert_eq!(document.value_position("/cameras/0/zones/0/polygon/0/1"), at(6, 33));
        assert_eq!(document.value_position("/cameras/1/id"), at(7, 11));
        assert_eq!(document.value_position("/cameras/1/streams/detect"), document.value_position("/cameras/1"));
        assert_eq!(document.value["cameras"][0]["zones"][0]["polygon"][1][0], 1);
    }

    #[test]
    fn cameras_of_an_included_file_come_last_and_keep_their_file_and_place() {
        let mut document = parse("cameras:\n  - id: east\n").unwrap();
        let included = "cameras:\n  - id: west\n    id: again\n  - {id: north}\n";
        document.append_cameras(Document::parse(Path::new("more.yaml"), included).unwrap());
        assert_eq!(document.value["cameras"][2]["id"], "north");
        assert_eq!(document.value_position("/cameras/2/id"), at(4, 10));
        assert_eq!(document.file_of("/cameras/2/id"), (1, Path::new("more.yaml")));
        assert_eq!(document.file_of("/cameras/0/id"), (0, Path::new("edge.yaml")));
        assert_eq!(document.repeated[0].pointer, "/cameras/1/id");
        let mut none = parse("agent: {}\n").unwrap();
        none.append_cameras(Document::parse(Path::new("more.yaml"), included).unwrap());
        assert_eq!(none.value["cameras"][0]["id"], "west");
    }

    #[test]
    fn a_key_given_twice_is_noted_and_the_first_kept() {
        let document = parse("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(document.value["a"], 1);
        let [RepeatedKey { pointer, again }] = &document.repeated[..] else { panic!("{:?}", document.repeated) };
        assert_eq!((pointer.as_str(), *again), ("/a", at(3, 1)));
    }

    #[test]
    fn what_is_not_yaml_or_too_much_of_it_is_refused_with_its_place() {
        let broken = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(broken.position.line >= 2, "{broken:?}");
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            let line = format!("a{level}: &a{level} [{aliases}]\n");
            bomb += &line;
        }
        assert!(parse(&bomb).is_err());
        assert!(parse(&"[".repeat(50_000)).is_err());
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
    }

    #[test]
    fn texts_that_look_like_numbers_keep_their_digits() {
        let document = parse("a: 001\nb: 30.0\nc: 33011000001320000017\nd: .nan\ne: yes\n").unwrap();
        assert_eq!(document.value["a"], "001");
        assert_eq!(document.value["b"], 30);
        assert_eq!(document.seen("/c"), "33011000001320000017");
        assert!(document.value["d"].is_string());
        assert_eq!(document.value["e"], "yes");
    }

    #[test]
    fn secrets_are_never_shown() {
        let document =
            parse("password: hunter2\nurl: rtsp://admin:hunter2@cam/1\nold_password: {x: hunter2}\n").unwrap();
        for pointer in ["/password", "/url", "/old_password/x"] {
            assert!(!document.seen(pointer).contains("hunter2"), "{}", document.seen(pointer));
        }
        assert_eq!(document.seen("/url"), "\"rtsp://***@cam/1\"");
    }

    #[test]
    fn what_is_shown_of_a_text_is_short_and_on_one_line() {
        let shown = quoted(&format!("a\n\u{1b}[2J{}", "长".repeat(100)));
        assert!(
            shown.starts_with("\"a\\n\\u{1b}[2J长") && shown.ends_with("…\"") && shown.chars().count() < 80,
            "{shown}"
        );
    }

    #[test]
    fn pointers_read_as_paths() {
        assert_eq!(path_of("/cameras/0/rules/12/dwell_secs"), "cameras[0].rules[12].dwell_secs");
        assert_eq!(path_of(&join("/classes", "a/b~c")), "classes.a/b~c");
    }
}
