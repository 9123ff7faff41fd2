//! The rules by which outputs are recognised.

use super::{Recognised, Seen};
use crate::detect::decode::pyramid_cells;
use crate::detect::manifest::{BoxForm, BoxUnit, Boxes, Decoder, Output, Reading, Scores};

/// Above this a value is no share of the picture, and no probability.
const SHARE_LIMIT: f32 = 2.0;
/// Share of the boxes that must have their corners in order for the numbers to be corners.
const CORNERS_SHARE: f32 = 0.99;

/// Recognises the outputs of a model with an input of `input` (width, height) pixels and, if that is known, `classes` classes. The
/// error says what cannot be decided.
pub fn recognise(seen: &[Seen], input: (u32, u32), classes: Option<usize>) -> Result<Recognised, String> {
    let found = decide(seen, input, classes)?;
    // Sides of nought and the like look as a layout does and are none.
    match found.classes.or(classes).and_then(|classes| found.reading.mistake(classes)) {
        None => Ok(found),
        Some(mistake) => Err(mistake),
    }
}

fn decide(seen: &[Seen], input: (u32, u32), classes: Option<usize>) -> Result<Recognised, String> {
    // Older exports of YOLOv5 and YOLOv7 give the heads once more, undecoded, with five dimensions.
    let outputs: Vec<&Seen> = seen.iter().filter(|output| output.shape.len() != 5).collect();
    let model = Model { input, classes };
    let is_map = |output: &&Seen| output.shape.len() == 4 && output.shape[2] != 1;
    match outputs[..] {
        [] if seen.is_empty() => Err("it has no output that holds numbers".to_owned()),
        [] => Err("its heads are not decoded (five dimensions); export it with its detection layer".to_owned()),
        [output] => model.one(output),
        [first, second] => model.two(first, second),
        ref maps if maps.iter().all(is_map) => model.heat_map(maps),
        [_, _, _] | [_, _, _, _] if lists(&outputs).is_some() => chosen(&outputs),
        ref pairs => model.strides(pairs),
    }
}

/// What is known beside the outputs.
struct Model {
    input: (u32, u32),
    classes: Option<usize>,
}

impl Model {
    /// Levels of the feature pyramid that has as many cells, if `per_cell` rows belong to each.
    fn levels(&self, rows: i64, per_cell: usize) -> Option<usize> {
        (3..=5).find(|&levels| (pyramid_cells(self.input, levels) * per_cell) as i64 == rows)
    }

    fn is_pyramid(&self, rows: i64) -> bool {
        self.levels(rows, 1).is_some() || self.levels(rows, 3).is_some()
    }

    fn one(&self, output: &Seen) -> Result<Recognised, String> {
        let &[1, rows, columns] = &output.shape[..] else {
            return Err(format!("{} is the only output and no decoder reads one of that shape", described(output)));
        };
        let shape = described(output);
        if columns == 6 && !self.is_pyramid(rows) {
            let why = format!("{shape}: rows of box, score and class, not as many as a pyramid of cells has");
            return Ok(found(Decoder::YoloEndToEnd, &[output], None, vec![why]));
        }
        if self.levels(columns, 1).is_some() || (!self.is_pyramid(rows) && rows < columns) {
            let classes = (rows - 4).max(0) as usize;
            let why =
                format!("{shape}: a column for each of {columns} places, with 4 rows of a box and {classes} classes");
            self.agree(classes, output)?;
            return Ok(found(Decoder::Yolov8, &[output], Some(classes), vec![why]));
        }
        self.rows(output, rows, columns)
    }

    /// `[1, rows, columns]` with a row for each place.
    fn rows(&self, output: &Seen, rows: i64, columns: i64) -> Result<Recognised, String> {
        let shape = described(output);
        if columns <= 5 {
            return Err(format!("{shape} is the only output and no decoder reads one of that shape"));
        }
        let distances = self.classes.map(|classes| columns - classes as i64).filter(|&d| d >= 8 && d % 4 == 0);
        if let (Some(distances), Some(classes)) = (distances, self.classes)
            && columns != 5 + classes as i64
            && self.levels(rows, 1).is_some()
        {
            let why = format!(
                "{shape}: a row for each cell, with {classes} classes and 4 × {} distances (from the cell's corner; write picodet if from its middle)",
                distances / 4
            );
            return Ok(found(Decoder::Nanodet, &[output], Some(classes), vec![why]));
        }
        if self.classes.is_none() && self.levels(rows, 1).is_some_and(|levels| levels > 3) {
            return Err(format!("{shape} is NanoDet's or YOLOX's, depending on the number of classes: name them"));
        }
        let classes = (columns - 5).max(0) as usize;
        self.agree(classes, output)?;
        let reach = output.values.iter().step_by(columns as usize).copied().fold(0.0, f32::max);
        let decoder = if reach > self.input.0 as f32 / 2.0 {
            (Decoder::Yolov5, format!("the centres reach to {reach:.0} pixels, so that boxes are decoded"))
        } else if self.levels(rows, 1).is_some() {
            (
                Decoder::Yolox,
                format!("a row for each cell, and centres within {reach:.1} of it, so that boxes are not decoded"),
            )
        } else if self.levels(rows, 3).is_some() {
            (Decoder::Yolov5, "a row for each of three anchors of each cell".to_owned())
        } else {
            return Err(format!("{shape} has neither a row for each cell nor one for each of three anchors"));
        };
        let why = format!("{shape}: box, objectness and {classes} classes in a row; {}", decoder.1);
        Ok(found(decoder.0, &[output], Some(classes), vec![why]))
    }

    fn two(&self, first: &Seen, second: &Seen) -> Result<Recognised, String> {
        let is_boxes = |output: &Seen| output.shape.len() >= 3 && output.shape.last() == Some(&4);
        let (boxes, scores) = match (is_boxes(first), is_boxes(second)) {
            (true, false) => (first, second),
            (false, true) => (second, first),
            (true, true) if first.name.contains("box") => (first, second),
            (true, true) if second.name.contains("box") => (second, first),
            (true, true) => return Err("with 4 classes, boxes and scores have the same shape".to_owned()),
            (false, false) => return self.strides(&[first, second]),
        };
        let &[1, rows, classes] = &scores.shape[..] else {
            return Err(format!("{} holds boxes, but {} does not hold scores", described(boxes), described(scores)));
        };
        if boxes.shape[1] != rows {
            return Err(format!("{} and {} differ in their number of boxes", described(boxes), described(scores)));
        }
        let classes = classes as usize;
        self.agree(classes, scores)?;
        let (form, why_boxes) = box_form(boxes);
        let is_probability = scores.values.iter().all(|score| (0.0..=1.0).contains(score));
        let is_transformer = boxes.name == "pred_boxes" || scores.name.contains("logits") || boxes.name == "dets";
        let (decoder, kind, why_scores) = match (is_probability, form.unit) {
            (true, BoxUnit::Pixels) => (Decoder::YoloBoxesScores, Scores::Probability, "scores lie in 0..1"),
            (true, BoxUnit::Normalised) => (Decoder::Ssd, Scores::Probability, "scores lie in 0..1"),
            (false, _) if is_transformer => (
                Decoder::Detr,
                Scores::Logit,
                "named as DETR's descendants name them, and scores are logits, each class by itself",
            ),
            (false, _) => {
                return Err(format!(
                    "{} holds logits, and whether classes exclude each other (scores: softmax) or not (scores: logit) is not visible",
                    described(scores)
                ));
            }
        };
        let reasons = vec![
            format!("{} holds boxes: {why_boxes}", described(boxes)),
            format!("{} holds {classes} classes: {why_scores}", described(scores)),
        ];
        let mut recognised = found(decoder, &[boxes, scores], Some(classes), reasons);
        recognised.reading.boxes = form;
        recognised.reading.scores = kind;
        Ok(recognised)
    }

    fn heat_map(&self, maps: &[&Seen]) -> Result<Recognised, String> {
        let named = |words: &[&str]| {
            maps.iter().copied().find(|map| map.shape[1] == 2 && words.iter().any(|word| map.name.contains(word)))
        };
        let is_heat = |map: &&&Seen| map.name.starts_with("hm") || map.name.contains("heat");
        let heat =
            maps.iter().find(is_heat).or_else(|| maps.iter().find(|map| map.shape[1] != 2 && map.shape[1] != 10));
        let pairs: Vec<&Seen> = maps.iter().copied().filter(|map| map.shape[1] == 2).collect();
        let has_landmarks = maps.iter().any(|map| map.shape[1] == 10);
        let (Some(heat), [first, second, ..]) = (heat, &pairs[..]) else {
            return Err("its outputs are maps, but not a heat map with sizes and offsets beside it".to_owned());
        };
        let classes = heat.shape[1].max(0) as usize;
        self.agree(classes, heat)?;
        let sizes = named(&["wh", "size", "scale"]).unwrap_or(first);
        let offsets = named(&["reg", "off"]).unwrap_or(second);
        if sizes.name == offsets.name {
            return Err("which of its maps holds sizes and which offsets is not visible".to_owned());
        }
        let shape = described(heat);
        let (decoder, why) = if has_landmarks && classes == 1 {
            (Decoder::Centerface, format!("{shape} is a heat map of one class with five landmarks beside it"))
        } else {
            (Decoder::Centernet, format!("{shape} is a heat map of {classes} classes"))
        };
        let is_probability = heat.values.iter().all(|score| (0.0..=1.0).contains(score));
        let mut reasons = vec![why, format!("\"{}\" holds sizes, \"{}\" offsets", sizes.name, offsets.name)];
        let mut recognised = found(decoder, &[heat, sizes, offsets], Some(classes), Vec::new());
        if decoder == Decoder::Centernet && !is_probability {
            recognised.reading.scores = Scores::Logit;
            reasons.push("the heat map holds logits".to_owned());
        }
        recognised.reasons = reasons;
        Ok(recognised)
    }

    /// Scores and distances in pairs.
    fn strides(&self, outputs: &[&Seen]) -> Result<Recognised, String> {
        let unknown = || {
            let shapes: Vec<String> = outputs.iter().map(|output| described(output)).collect();
            format!("no decoder reads {}", shapes.join(", "))
        };
        if outputs.iter().any(|output| output.shape.len() != 3) {
            return Err(unknown());
        }
        let columns = |output: &&Seen| output.shape[2];
        let Some(classes) = self.classes else { return Err(format!("{} unless the classes are named", unknown())) };
        let is_scores = |output: &&&Seen| columns(output) == classes as i64;
        let (mut scores, mut distances): (Vec<&Seen>, Vec<&Seen>) = outputs.iter().partition(is_scores);
        let finest_first = |output: &&Seen| -output.shape[1];
        scores.sort_by_key(finest_first);
        distances.sort_by_key(finest_first);
        let rows = scores.iter().map(|output| output.shape[1]).sum();
        let bins = distances.first().map_or(0, columns);
        if bins < 8 || bins % 4 != 0 || self.levels(rows, 1).is_none() {
            return Err(unknown());
        }
        let why = format!(
            "{rows} cells in {} outputs of {classes} classes, and 4 × {} distances of each (from the cell's middle; write nanodet if from its corner)",
            scores.len(),
            bins / 4
        );
        let order: Vec<&Seen> = scores.into_iter().chain(distances).collect();
        Ok(found(Decoder::Picodet, &order, Some(classes), vec![why]))
    }

    /// Compares the number of classes with what is known.
    fn agree(&self, classes: usize, output: &Seen) -> Result<(), String> {
        match self.classes {
            Some(known) if known != classes => {
                Err(format!("{} speaks of {classes} classes, and {known} are named", described(output)))
            }
            _ => Ok(()),
        }
    }
}

/// Lists that the graph has chosen.
fn chosen(outputs: &[&Seen]) -> Result<Recognised, String> {
    let Some((boxes, labels, scores, count)) = lists(outputs) else {
        return Err("its outputs are no lists of boxes, classes and scores".to_owned());
    };
    let is_tensorflow = boxes.name.contains("detection_boxes") || count.is_some();
    let decoder = if is_tensorflow { Decoder::TfSsd } else { Decoder::Listed };
    let family = if is_tensorflow { "as TensorFlow's detection API writes them" } else { "chosen in the graph" };
    let reasons = vec![format!(
        "\"{}\", \"{}\" and \"{}\" are lists of boxes, classes and scores, {family}",
        boxes.name, labels.name, scores.name
    )];
    let order: Vec<&Seen> = [Some(boxes), Some(labels), Some(scores), count].into_iter().flatten().collect();
    Ok(found(decoder, &order, None, reasons))
}

/// Boxes, classes, scores and number among the outputs, by their names.
fn lists<'a>(outputs: &[&'a Seen]) -> Option<(&'a Seen, &'a Seen, &'a Seen, Option<&'a Seen>)> {
    let named = |words: &[&str]| {
        let is_named = |output: &&&Seen| words.iter().any(|word| output.name.to_lowercase().contains(word));
        outputs.iter().find(is_named).copied()
    };
    let boxes = named(&["box"]).filter(|boxes| boxes.shape.last() == Some(&4))?;
    let count = named(&["num"]);
    let (labels, scores) = (named(&["label", "class"])?, named(&["score", "conf"])?);
    let is_complete = outputs.len() == 3 + usize::from(count.is_some());
    let is_list = |output: &Seen| output.shape.len() <= 2;
    (is_complete && is_list(labels) && is_list(scores)).then_some((boxes, labels, scores, count))
}

/// How boxes are written, by their values.
fn box_form(boxes: &Seen) -> (Boxes, String) {
    let (rows, _) = boxes.values.as_chunks::<4>();
    let highest = boxes.values.iter().copied().fold(0.0, f32::max);
    let ordered = rows.iter().filter(|[a, b, c, d]| c >= a && d >= b).count();
    let is_corners = ordered as f32 >= CORNERS_SHARE * rows.len() as f32;
    let is_tensorflow = boxes.name.contains("detection_boxes");
    let form = match (is_corners, is_tensorflow) {
        (true, true) => BoxForm::Yxyx,
        (true, false) => BoxForm::Xyxy,
        (false, _) => BoxForm::Cxcywh,
    };
    let unit = if highest > SHARE_LIMIT { BoxUnit::Pixels } else { BoxUnit::Normalised };
    let order = if is_corners {
        "the second pair never lies before the first, so that they are corners"
    } else {
        "centre and size"
    };
    (Boxes { form, unit }, format!("values up to {highest:.1}, {order}"))
}

fn described(output: &Seen) -> String {
    format!("\"{}\" {:?}", output.name, output.shape)
}

fn found(decoder: Decoder, outputs: &[&Seen], classes: Option<usize>, reasons: Vec<String>) -> Recognised {
    let shape_of =
        |output: &Seen| if output.declared.is_empty() { output.shape.clone() } else { output.declared.clone() };
    let outputs = outputs.iter().map(|output| Output { name: output.name.clone(), shape: shape_of(output) }).collect();
    let (boxes, scores) = (decoder.default_boxes(), decoder.default_scores());
    Recognised { reading: Reading { decoder, boxes, scores, outputs }, classes, reasons }
}
