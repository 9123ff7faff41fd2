//! `curbwatch hub`.

use crate::clock::{Clocks, Mono, SystemClocks};
use crate::config::{SecretSource, TlsConfig};
use crate::contract::{Reply, ReplyStatus, Verb};
use crate::hub::{self, Answer, Content, Question, Sight, Signer, View, WatchSettings, Watcher, sha256_hex};
use crate::ids::Name;
use crate::incident::Phase;
use anyhow::{Context, ensure};
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// Arguments of `curbwatch hub`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print incidents as they open and close, and how agents and cameras are.
    Watch(WatchArgs),
    /// Print every message with its topic, as it comes.
    Tail(TailArgs),
    /// Have an incident looked at again; the answer comes as an event.
    Recheck {
        #[command(flatten)]
        agent: AgentArgs,
        /// The incident, open or closed within the last day, as `hub watch` prints it.
        incident: Uuid,
        /// For how many seconds to look.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=120))]
        look_secs: u16,
    },
    /// Have a redacted picture taken.
    Snapshot {
        #[command(flatten)]
        agent: AgentArgs,
        /// The camera.
        #[arg(value_parser = parse_name)]
        camera: Name,
        /// The incident that is outlined in it.
        #[arg(long)]
        incident: Option<Uuid>,
        /// Write the picture here.
        #[arg(long, value_name = "JPEG")]
        out: Option<PathBuf>,
    },
    /// Report nothing new of a rule for a while.
    Mute {
        #[command(flatten)]
        agent: AgentArgs,
        /// The camera.
        #[arg(value_parser = parse_name)]
        camera: Name,
        /// The rule.
        #[arg(value_parser = parse_name)]
        rule: Name,
        /// For how many minutes; 0 ends it.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
    },
    /// Say that an incident is none: it is closed, and the thing not reported again for a day.
    Dismiss {
        #[command(flatten)]
        agent: AgentArgs,
        /// The incident.
        incident: Uuid,
        /// Why.
        #[arg(long, value_parser = ["nothing_there", "other_kind", "permitted", "duplicate", "other"])]
        reason: Option<String>,
    },
    /// Keep the pictures of an incident beyond their time.
    Hold {
        #[command(flatten)]
        agent: AgentArgs,
        /// The incident.
        incident: Uuid,
        /// For how many days; until it is released, if absent.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: Option<u32>,
    },
    /// End that.
    Release {
        #[command(flatten)]
        agent: AgentArgs,
        /// The incident.
        incident: Uuid,
    },
    /// Have events sent again.
    Replay {
        #[command(flatten)]
        agent: AgentArgs,
        /// Sequence of the first.
        from: u64,
        /// Sequence of the last.
        to: Option<u64>,
    },
}

/// Which broker.
#[derive(Debug, clap::Args)]
struct BrokerArgs {
    /// Host name or address of the broker.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// TCP port of the broker.
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// First level of every topic.
    #[arg(long, default_value = "curbwatch", value_parser = parse_name)]
    prefix: Name,
    /// User name at the broker.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Encrypt, and trust the certificate authorities of this file (PEM); for public ones `/etc/ssl/certs/ca-certificates.crt`.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate to be known by at the broker (PEM), with its key.
    #[arg(long, value_name = "FILE", requires_all = ["ca", "certificate_key"])]
    certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
}

/// Which agent.
#[derive(Debug, clap::Args)]
struct AgentArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// The agent, as SITE/AGENT.
    #[arg(long, value_parser = parse_agent, value_name = "SITE/AGENT")]
    agent: (Name, Name),
    /// Seconds to wait for the answer.
    #[arg(long, default_value_t = 20)]
    wait: u64,
    /// Private Ed25519 key (PKCS #8, PEM) that the command is signed with, where the agent wants that.
    #[arg(long, value_name = "FILE", requires = "key_id")]
    key: Option<PathBuf>,
    /// Id of its public half in `hub.commands.keys` of the agent.
    #[arg(long, value_parser = parse_name, requires = "key")]
    key_id: Option<Name>,
}

#[derive(Debug, clap::Args)]
struct TailArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// End after so many messages.
    #[arg(long)]
    count: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// One JSON object per line, for machines.
    #[arg(long)]
    json: bool,
    /// Save pictures into this folder, after comparing them with the digest in their event.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// End with status 0 when so many incidents were seen: `opened=N` or `closed=N`; may be given twice.
    #[arg(long, value_name = "PHASE=COUNT", value_parser = parse_goal)]
    until: Vec<(Phase, u64)>,
    /// End after so many seconds: with status 1 if `--until` was given and not reached.
    #[arg(long = "for", value_name = "SECS")]
    for_secs: Option<u64>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Watch(watch) => run_watch(watch),
        Command::Tail(tail) => run_tail(tail),
        Command::Recheck { agent, incident, look_secs } => {
            run_ask(agent, Verb::Recheck, json!({"incident": incident, "look_secs": look_secs}))
        }
        Command::Snapshot { agent, camera, incident, out } => {
            let mut args = json!({"camera": camera});
            if let Some(incident) = incident {
                args["incident"] = json!(incident);
            }
            run_snapshot(agent, args, out.as_deref())
        }
        Command::Mute { agent, camera, rule, minutes } => {
            let until = SystemClocks::new().wall() + Duration::from_secs(60 * u64::from(*minutes));
            let until = (*minutes > 0).then_some(until);
            run_ask(agent, Verb::Rule, json!({"camera": camera, "rule": rule, "muted_until": until}))
        }
        Command::Dismiss { agent, incident, reason } => {
            let mut args = json!({"incident": incident, "verdict": "dismissed"});
            if let Some(reason) = reason {
                args["reason"] = reason.as_str().into();
            }
            run_ask(agent, Verb::Feedback, args)
        }
        Command::Hold { agent, incident, days: None } => run_ask(agent, Verb::Hold, json!({"incident": incident})),
        Command::Hold { agent, incident, days: Some(days) } => {
            let until = SystemClocks::new().wall() + Duration::from_secs(86_400 * u64::from(*days));
            run_ask(agent, Verb::Hold, json!({"incident": incident, "until": until}))
        }
        Command::Release { agent, incident } => run_ask(agent, Verb::Release, json!({"incident": incident})),
        Command::Replay { agent, from, to } => {
            let mut args = json!({"from": from});
            if let Some(to) = to {
                args["to"] = (*to).into();
            }
            run_ask(agent, Verb::Replay, args)
        }
    }
}

/// Prints the answer; the exit status is 0 if it was carried out.
fn run_ask(args: &AgentArgs, verb: Verb, command: Value) -> anyhow::Result<ExitCode> {
    let Answer { reply, .. } = ask(args, verb, command)?;
    Ok(exit_of(&reply))
}

/// As [`run_ask`], and writes the picture down.
fn run_snapshot(args: &AgentArgs, command: Value, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Answer { reply, picture } = ask(args, Verb::Snapshot, command)?;
    if let (ReplyStatus::Ok, Some(out)) = (reply.status, out) {
        let picture = picture.context("the picture did not come to the broker: see `delivery` in the answer")?;
        let expected = reply.evidence.as_ref().map(|evidence| &*evidence.sha256);
        ensure!(expected == Some(&*sha256_hex(&picture)), "the picture that came is not the one that the answer names");
        std::fs::write(out, picture).with_context(|| format!("failed to write {}", out.display()))?;
    }
    Ok(exit_of(&reply))
}

fn exit_of(reply: &Reply) -> ExitCode {
    if reply.status == ReplyStatus::Ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn ask(args: &AgentArgs, verb: Verb, command: Value) -> anyhow::Result<Answer> {
    let (site, agent) = args.agent.clone();
    let at = SystemClocks::new().wall();
    let question = Question { site, agent, verb, args: command, at };
    let signer = args.key.as_deref().zip(args.key_id.clone()).map(|(file, id)| signer(file, id)).transpose()?;
    let answer = hub::ask(&settings(&args.broker)?, &question, signer.as_ref(), Duration::from_secs(args.wait))?;
    print(&[serde_json::to_string_pretty(&answer.reply)?]).context("failed to print")?;
    Ok(answer)
}

fn signer(file: &Path, id: Name) -> anyhow::Result<Signer> {
    let der = PrivatePkcs8KeyDer::from_pem_file(file).with_context(|| format!("failed to read {}", file.display()))?;
    // OpenSSL writes keys without their public half.
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
    let key = key.map_err(|error| anyhow::anyhow!("failed to use {}: {error}", file.display()))?;
    Ok(Signer { id, key })
}

fn run_tail(args: &TailArgs) -> anyhow::Result<ExitCode> {
    let watcher = Watcher::start(settings(&args.broker)?).context("failed to start watching")?;
    let mut count = 0;
    while args.count.is_none_or(|limit| count < limit) {
        let Some(Sight::Message(message)) = watcher.next(Duration::from_hours(1)) else { continue };
        let is_text = !matches!(message.content, Content::Evidence { .. } | Content::Snapshot { .. });
        let payload = if is_text {
            String::from_utf8_lossy(&message.payload).into_owned()
        } else {
            format!("({} bytes)", message.payload.len())
        };
        print(&[format!("{} {payload}", message.topic)]).context("failed to print")?;
        count += 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_watch(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let watcher = Watcher::start(settings(&args.broker)?).context("failed to start watching")?;
    let coloured = !args.json && std::io::stdout().is_terminal();
    let mut view = View::new(args.evidence.clone(), coloured);
    let clocks = SystemClocks::new();
    let end = args.for_secs.map(|secs| Mono(clocks.mono().0 + Duration::from_secs(secs)));
    loop {
        let left = end.map_or(Duration::from_hours(1), |end| end.since(clocks.mono()));
        if let Some(sight) = watcher.next(left) {
            let lines = if args.json { vec![view.json(&sight).to_string()] } else { view.lines(&sight) };
            print(&lines).context("failed to print")?;
        }
        if !args.until.is_empty() && args.until.iter().all(|(phase, count)| view.count(*phase) >= *count) {
            return Ok(ExitCode::SUCCESS);
        }
        if end.is_some_and(|end| clocks.mono() >= end) {
            return Ok(if args.until.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
}

fn settings(args: &BrokerArgs) -> anyhow::Result<WatchSettings> {
    let credentials = match (&args.username, &args.password_file) {
        (Some(user), Some(file)) => Some((user.clone(), SecretSource::File(file.clone()).read()?)),
        (_, _) => None,
    };
    let tls = args.ca.clone().map(|ca| TlsConfig {
        ca,
        certificate: args.certificate.clone(),
        key: args.certificate_key.clone(),
    });
    Ok(WatchSettings { host: args.host.clone(), port: args.port, prefix: args.prefix.clone(), credentials, tls })
}

/// Prints at once, also into a pipe.
fn print(lines: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::try_new(text).map_err(|error| error.to_string())
}

fn parse_agent(text: &str) -> Result<(Name, Name), String> {
    let (site, agent) = text.split_once('/').ok_or_else(|| format!("\"{text}\" is not SITE/AGENT"))?;
    Ok((parse_name(site)?, parse_name(agent)?))
}

fn parse_goal(text: &str) -> Result<(Phase, u64), String> {
    let wanted = || format!("\"{text}\" is not opened=N or closed=N");
    let (phase, count) = text.split_once('=').ok_or_else(wanted)?;
    let phase = match phase {
        "opened" => Phase::Opened,
        "closed" => Phase::Closed,
        _ => return Err(wanted()),
    };
    Ok((phase, count.parse().map_err(|_| wanted())?))
}
