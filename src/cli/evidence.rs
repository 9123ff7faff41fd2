//! `curbwatch evidence`: the pictures on the disk, listed, checked against their index, and read out by hand.

use super::audit::ConfigArgs;
use super::check::load;
use super::{EXIT_CONFIG, EXIT_FOUND, EXIT_IN_USE};
use crate::audit::{Actor, AuditLog, Deed};
use crate::clock::{Clocks, SystemClocks};
use crate::config::Config;
use crate::contract::MediaType;
use crate::evidence::check::{Checked, check, repair};
use crate::evidence::{EvidenceDir, Keyring};
use crate::sha256::sha256_hex;
use crate::store::{Store, StoreError};
use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use uuid::Uuid;

/// Arguments of `curbwatch evidence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the pictures and clips that are kept, oldest first: time, id, bytes, kind of rule or `snapshot`, incident, hold. The agent must be stopped.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Compare pictures and index: what is missing, unknown, changed, left over. The exit status is 1 if something is not as it should be,
    /// and 75 while the agent runs.
    Fsck {
        /// Mend what can be mended: rows without a file go, files without a row get one, deletions are finished, left-overs go.
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Write a picture or clip in the clear to a file. The audit log says who did.
    Open {
        /// The picture's id, as events have it.
        id: Uuid,
        /// The file, which must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (Command::List { config, .. } | Command::Fsck { config, .. } | Command::Open { config, .. }) = &args.command;
    let Some(loaded) = load(&config.config) else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let (config, now) = (loaded.config, SystemClocks::new().wall());
    match &args.command {
        Command::Open { id, out, .. } => open(&config, *id, out, now),
        Command::List { json, .. } => with_store(&config, |store| list(store, *json, now)),
        Command::Fsck { repair, .. } => with_store(&config, |store| fsck(&config, store, *repair, now)),
    }
}

/// Works with the database of an agent that does not run.
fn with_store(config: &Config, work: impl FnOnce(&mut Store) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    check_user(&config.agent.data_dir)?;
    match Store::open_existing(&Store::path_in(&config.agent.data_dir)) {
        Ok(mut store) => work(&mut store),
        Err(error @ StoreError::InUse { .. }) => {
            eprintln!("curbwatch: {error}: stop the agent first");
            Ok(ExitCode::from(EXIT_IN_USE))
        }
        Err(error) => Err(error.into()),
    }
}

fn list(store: &Store, as_json: bool, now: Timestamp) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    for picture in store.pictures(now)? {
        let incident = picture.incident.map(|incident| incident.to_string());
        if as_json {
            let line = json!({
                "id": picture.id, "media_type": picture.media_type(), "incident": incident, "kind": picture.kind, "taken_at": picture.taken_at.to_string(),
                "size_bytes": picture.size_bytes, "sha256": picture.sha256, "held": picture.is_held
            });
            writeln!(output, "{line}")?;
        } else {
            let (held, incident) = (if picture.is_held { "held" } else { "" }, incident.unwrap_or_default());
            let (taken_at, id) = (picture.taken_at.strftime("%Y-%m-%dT%H:%M:%SZ"), picture.id);
            let ending = picture.media_type().map_or("", MediaType::extension);
            writeln!(
                output,
                "{taken_at} {id} {ending:4} {:>9} {} {incident} {held}",
                picture.size_bytes, picture.kind
            )?;
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn fsck(config: &Config, store: &mut Store, with_repair: bool, now: Timestamp) -> anyhow::Result<ExitCode> {
    let dir = dir(config);
    let Checked { pictures, foreign, findings } = check(&dir, store, now)?;
    for finding in &findings {
        let mended = if with_repair && finding.is_reparable() { " (mended)" } else { "" };
        println!("{finding}{mended}");
    }
    for path in &foreign {
        println!("{}: it is none of the agent's, and stays", path.display());
    }
    if with_repair {
        repair(&dir, store, &findings)?;
        let mended = findings.iter().filter(|finding| finding.is_reparable()).count() as u64;
        if mended > 0 {
            audit(config)?.append(&operator(), &Deed::EvidenceRepaired { mended }, now)?;
        }
    }
    let left = findings.iter().filter(|finding| !(with_repair && finding.is_reparable())).count();
    println!("{pictures} pictures read, {} wrong, {} mended", findings.len(), findings.len() - left);
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FOUND) })
}

/// Reads a picture out, also while the agent runs.
fn open(config: &Config, id: Uuid, out: &Path, now: Timestamp) -> anyhow::Result<ExitCode> {
    check_user(&config.agent.data_dir)?;
    let picture = dir(config).read(id)?;
    let mut file = std::fs::OpenOptions::new();
    let mut file = file
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .with_context(|| format!("failed to create {}", out.display()))?;
    // On record before anybody sees it.
    let sha256 = sha256_hex(&picture);
    audit(config)?.append(&operator(), &Deed::PictureOpened { evidence: id, sha256: sha256.clone() }, now)?;
    file.write_all(&picture).with_context(|| format!("failed to write {}", out.display()))?;
    println!("{}: {} bytes, SHA-256 {sha256}", out.display(), picture.len());
    Ok(ExitCode::SUCCESS)
}

fn dir(config: &Config) -> EvidenceDir {
    EvidenceDir::at(&config.agent.data_dir, Keyring::new(config.evidence.encryption.as_ref()))
}

fn audit(config: &Config) -> anyhow::Result<AuditLog> {
    Ok(AuditLog::open(&config.agent.data_dir, config.audit.keep())?)
}

/// The account that runs this, by its number: names can be anything.
fn operator() -> Actor {
    let real = rustix::process::getuid().as_raw();
    // Who became the agent's user by sudo says so.
    let before = std::env::var("SUDO_USER").ok().filter(|name| name.len() <= 64 && !name.is_empty());
    Actor::Operator(before.map_or_else(|| format!("uid-{real}"), |name| format!("uid-{real} for {name}")))
}

/// What another user writes the agent could not read.
fn check_user(data_dir: &Path) -> anyhow::Result<()> {
    let owner = std::fs::metadata(data_dir)
        .with_context(|| format!("failed to look at the data folder {}", data_dir.display()))?
        .uid();
    if rustix::process::geteuid().as_raw() != owner {
        bail!("{} belongs to the user {owner}: run this as that user, as by sudo -u", data_dir.display());
    }
    Ok(())
}
