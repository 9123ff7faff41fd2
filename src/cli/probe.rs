//! `curbwatch probe`: what a camera's stream is, in a few seconds.

use super::models::{self, try_on::sensitive_objects};
use crate::clock::{Clocks, SystemClocks};
use crate::config::{Config, EvidenceConfig, ModelConfig, RtspConfig, RtspTransport, SecretSource};
use crate::evidence::{JpegEncoder, JpegLimits, RedactedPicture};
use crate::frame::Frame;
use crate::probe::{Probed, probe};
use anyhow::Context;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long the first picture may take: beyond most cameras' interval between key frames.
const FIRST_PICTURE_LIMIT: Duration = Duration::from_secs(15);
/// How long a broker may take to accept a connection.
const BROKER_LIMIT: Duration = Duration::from_secs(5);
/// Largest picture that is written.
const MAX_PICTURE_BYTES: usize = 4_000_000;

/// Arguments of `curbwatch probe`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `rtsp://host[:port]/path`, without user and password.
    url: String,
    /// User at the camera.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The environment variable that holds the password.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// The file whose first line is the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Receive by UDP instead of within the RTSP connection.
    #[arg(long)]
    udp: bool,
    /// Seconds to watch from the first picture on.
    #[arg(long, default_value_t = 6, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(3..=60))]
    seconds: u64,
    /// Write the last picture here, as JPEG; people, faces and number plates in it are hidden as in every picture.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Watches the stream and prints what it is; the exit status is 1 if no picture comes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let has_login =
        args.url.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or("").contains('@'));
    anyhow::ensure!(
        !has_login,
        "give user and password as --username and --password-env or --password-file, not in the URL"
    );
    anyhow::ensure!(
        args.url.starts_with("rtsp://") || args.url.starts_with("rtsps://"),
        "the URL must begin with rtsp://"
    );
    let password = match (&args.password_env, &args.password_file) {
        (Some(name), _) => Some(SecretSource::Env(name.clone())),
        (None, Some(file)) => Some(SecretSource::File(file.clone())),
        (None, None) => None,
    };
    let transport = if args.udp { RtspTransport::Udp } else { RtspTransport::Tcp };
    let rtsp = RtspConfig { url: args.url.clone(), transport, username: args.username.clone(), password };
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let (probed, frame) = probe(rtsp, FIRST_PICTURE_LIMIT, Duration::from_secs(args.seconds), &clocks)?;
    for line in lines(&probed) {
        println!("{line}");
    }
    if let Some(file) = &args.picture {
        write_picture(&frame, file)?;
        println!("picture          {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(probed: &Probed) -> Vec<String> {
    let stream = &probed.stream;
    let profile = stream.profile.as_ref().map(|profile| format!(" {profile}")).unwrap_or_default();
    let decoder = stream.decoder.as_ref().map(|decoder| format!(", decoded by {decoder}")).unwrap_or_default();
    let group = probed.group.map_or_else(
        || "fewer than two were seen".to_owned(),
        |group| format!("every {:.1} s, about {:.0} pictures", group.as_secs_f64(), group.as_secs_f64() * probed.fps),
    );
    let clock = probed.last.clock_offset.map_or_else(
        || "not told (no RTCP sender report)".to_owned(),
        |offset| format!("{:+.3} s against this box, by RTCP sender report", offset.as_secs_f64()),
    );
    let stats = &probed.stats;
    let mut lines = vec![
        format!("video            {}{profile} {}x{}{decoder}", stream.codec.as_str(), stream.width, stream.height),
        format!("rate             {:.1} pictures a second", probed.fps),
        format!("key frames       {group}"),
        format!("first picture    after {:.1} s", probed.first_picture.as_secs_f64()),
        format!("clock            {clock}"),
        format!(
            "loss             {} of {} pictures lost, {} damaged, {} reconnects",
            stats.units_lost,
            stats.units_received,
            stats.frames_corrupt,
            stats.connections.saturating_sub(1)
        ),
    ];
    lines.extend(probed.advice().into_iter().map(|sentence| format!("advice           {sentence}")));
    lines
}

/// Writes a picture that may leave the box, or none.
fn write_picture(frame: &Frame, file: &Path) -> anyhow::Result<()> {
    let (_, mut detector) = models::open(&ModelConfig::default().manifest)?;
    let hidden = sensitive_objects(frame, &mut detector)?;
    let limits = JpegLimits { quality: EvidenceConfig::default().jpeg_quality, max_bytes: MAX_PICTURE_BYTES };
    let jpeg = RedactedPicture::from_frame(frame, &hidden).encode(&mut JpegEncoder::default(), limits)?;
    std::fs::write(file, jpeg.bytes()).with_context(|| format!("failed to write {}", file.display()))
}

/// Watches every stream of a configuration, all at once, and connects to its brokers; prints what came of it, and says whether all is well.
pub(super) fn probe_all(config: &Config) -> anyhow::Result<bool> {
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let cameras = config.cameras.iter().filter(|camera| camera.enabled);
    let streams = cameras.flat_map(|camera| {
        let detect = (format!("{} detect", camera.id), camera.streams.detect.clone());
        [Some(detect), camera.streams.evidence().map(|rtsp| (format!("{} evidence", camera.id), rtsp))]
    });
    let mut threads = Vec::new();
    for (stream, rtsp) in streams.flatten() {
        let clocks = Arc::clone(&clocks);
        let watch = move || probe(rtsp, FIRST_PICTURE_LIMIT, Duration::from_secs(4), &clocks);
        threads.push((stream.clone(), std::thread::Builder::new().name(format!("probe-{stream}")).spawn(watch)?));
    }
    let mut is_well = true;
    for (stream, thread) in threads {
        match thread.join() {
            Ok(Ok((probed, _))) => {
                println!(
                    "{stream}: {}",
                    lines(&probed).into_iter().map(|line| line[17..].to_owned()).collect::<Vec<_>>().join("; ")
                );
            }
            Ok(Err(error)) => {
                is_well = false;
                println!("{stream}: {:#}", anyhow::Error::new(error));
            }
            Err(_) => anyhow::bail!("watching {stream} panicked"),
        }
    }
    let hub = &config.hub;
    let brokers =
        [(&hub.host, hub.port)].into_iter().chain(hub.fallback.iter().map(|broker| (&broker.host, broker.port)));
    for (host, port) in brokers {
        let reached = connect(host, port);
        is_well &= reached.is_ok();
        match reached {
            // As the agent it would throw out the one that runs.
            Ok(()) => println!("broker {host}:{port}: accepts connections; the login is not tried"),
            Err(error) => println!("broker {host}:{port}: {error}"),
        }
    }
    Ok(is_well)
}

fn connect(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = std::io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, BROKER_LIMIT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
