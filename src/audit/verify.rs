//! Whether a chain of records is whole, and if not, where not.

use super::record::{self, GENESIS, Record};
use super::{AuditError, Head};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Something wrong with a chain, at a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A line that is no record.
    #[error("{place}: it is no record")]
    NoRecord {
        /// Where.
        place: Place,
    },
    /// The hash is not that of the record.
    #[error("{place}: record {sequence} was changed: its hash is not that of its text")]
    Changed {
        /// Where.
        place: Place,
        /// Which.
        sequence: u64,
    },
    /// Numbers are missing.
    #[error("{place}: records {from} to {to} are missing before it")]
    Missing {
        /// Where.
        place: Place,
        /// The first that is missing.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The number was there before.
    #[error("{place}: record {sequence} stands where {expected} belongs: it was inserted or moved")]
    OutOfOrder {
        /// Where.
        place: Place,
        /// Its number.
        sequence: u64,
        /// The number that belongs here.
        expected: u64,
    },
    /// The number is right, and it was written after another record than that before it.
    #[error("{place}: record {sequence} does not follow the one before it: one of the two was put in another's place")]
    NotChained {
        /// Where.
        place: Place,
        /// Its number.
        sequence: u64,
    },
    /// The beginning is missing, and no record says that it was cut off because of its age.
    #[error("the records before {first} are missing, and no record says that they were cut off")]
    NoBeginning {
        /// The first that is there.
        first: u64,
    },
    /// A head that left the box is not in the chain.
    #[error("the head {0} is not in the chain: records since were written anew, or its end was cut off")]
    HeadMissing(KnownHead),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A head as an event has it: a hash, and the number of its record if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHead {
    sequence: Option<u64>,
    hash: String,
}

/// The text is no head.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a head: [SEQUENCE:]HASH, the hash being 64 hexadecimal digits")]
pub struct KnownHeadError(String);

impl FromStr for KnownHead {
    type Err = KnownHeadError;
    fn from_str(text: &str) -> Result<Self, KnownHeadError> {
        let error = || KnownHeadError(text.to_owned());
        let (sequence, hash) = match text.split_once(':') {
            Some((sequence, hash)) => (Some(sequence.parse().map_err(|_| error())?), hash),
            None => (None, text),
        };
        let is_hash = hash.len() == GENESIS.len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Self { sequence, hash: hash.to_ascii_lowercase() }).ok_or_else(error)
    }
}

impl std::fmt::Display for KnownHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.sequence.map_or(Ok(()), |sequence| write!(f, "{sequence}:"))?;
        f.write_str(&self.hash)
    }
}

/// What a chain was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records were read.
    pub records: u64,
    /// Number of the first.
    pub first: Option<u64>,
    /// The last.
    pub last: Option<Head>,
    /// What is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Reads files in the order of their chain. With `is_whole` it must begin with the first record ever, or with the one after a cut that a
/// record tells of; else it may begin anywhere. `heads` must be in it.
pub fn verify(files: &[PathBuf], is_whole: bool, heads: &[KnownHead]) -> Result<Report, AuditError> {
    let mut chain = Chain::default();
    for file in files {
        let text = std::fs::read(file).map_err(AuditError::at("read", file))?;
        let text = String::from_utf8_lossy(&text);
        for (number, line) in text.lines().enumerate() {
            chain.take(file, number + 1, line, heads);
        }
    }
    Ok(chain.judge(is_whole, heads))
}

#[derive(Default)]
struct Chain {
    report: Report,
    first: Option<Record>,
    /// What records say was cut off.
    cuts: BTreeSet<(u64, String)>,
    /// Of the heads that are looked for, those that were seen.
    seen: Vec<KnownHead>,
}

impl Chain {
    fn take(&mut self, file: &Path, line: usize, text: &str, heads: &[KnownHead]) {
        let place = Place { file: file.to_owned(), line };
        let Some(record) = record::read(text) else {
            return self.report.problems.push(Problem::NoRecord { place });
        };
        let sequence = record.sequence;
        self.report.records += 1;
        if !record.is_intact {
            self.report.problems.push(Problem::Changed { place: place.clone(), sequence });
        }
        if let Some(before) = &self.report.last {
            let expected = before.sequence + 1;
            if sequence > expected {
                self.report.problems.push(Problem::Missing { place, from: expected, to: sequence - 1 });
            } else if sequence < expected {
                self.report.problems.push(Problem::OutOfOrder { place, sequence, expected });
            } else if record.prev != before.hash {
                self.report.problems.push(Problem::NotChained { place, sequence });
            }
        }
        if record.action == "records_cut"
            && let (Some(through), Some(hash)) =
                (record.detail["through_sequence"].as_u64(), record.detail["through_hash"].as_str())
        {
            self.cuts.insert((through, hash.to_owned()));
        }
        let is_head =
            |head: &&KnownHead| head.hash == record.hash && head.sequence.is_none_or(|known| known == sequence);
        self.seen.extend(heads.iter().filter(is_head).cloned());
        self.report.last = Some(record.head());
        self.first.get_or_insert(record);
    }

    fn judge(self, is_whole: bool, heads: &[KnownHead]) -> Report {
        let Self { mut report, first, cuts, seen } = self;
        report.first = first.as_ref().map(|first| first.sequence);
        if let (true, Some(first)) = (is_whole, &first) {
            let is_beginning = first.sequence == 1 && first.prev == GENESIS;
            let is_cut = cuts.contains(&(first.sequence.wrapping_sub(1), first.prev.clone()));
            if !is_beginning && !is_cut {
                report.problems.push(Problem::NoBeginning { first: first.sequence });
            }
        }
        // Of what was cut off for its age nothing can be said.
        let is_older = |head: &KnownHead| head.sequence.zip(report.first).is_some_and(|(known, first)| known < first);
        let missing = heads.iter().filter(|head| !seen.contains(head) && !is_older(head)).cloned();
        report.problems.extend(missing.map(Problem::HeadMissing));
        report
    }
}
