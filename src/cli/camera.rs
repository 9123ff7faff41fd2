//! `curbwatch camera`.

use crate::ids::Name;
use crate::vcam::{Authentication, Credentials, Mount, Options, Play, Transports, VirtualCamera};
use anyhow::Context as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch camera`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to play, each under the name of the file.
    #[arg(value_name = "FILE", required_unless_present = "mount")]
    files: Vec<PathBuf>,
    /// A file to play under another name.
    #[arg(long, value_name = "NAME=FILE", value_parser = mount)]
    mount: Vec<Mount>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8554)]
    port: u16,
    /// Who may watch; needs --password-file.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// How viewers prove that they know the password.
    #[arg(long, value_enum, default_value_t = Authentication::Digest)]
    authentication: Authentication,
    /// How the media may travel.
    #[arg(long, value_enum, default_value_t = Transports::Any)]
    transport: Transports,
    /// End the streams with their files, instead of playing them again and again.
    #[arg(long)]
    once: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let named = args.files.iter().map(|file| Mount::for_file(file)).collect::<Result<Vec<_>, _>>()?;
    let credentials = match (&args.user, &args.password_file) {
        (Some(user), Some(file)) => {
            let password = password(file)?.into();
            Some(Credentials { authentication: args.authentication, user: user.clone(), password })
        }
        _ => None,
    };
    let camera = VirtualCamera::start(Options {
        bind: args.bind,
        port: args.port,
        mounts: named.into_iter().chain(args.mount.iter().cloned()).collect(),
        credentials,
        transports: args.transport,
        play: if args.once { Play::Once } else { Play::Loop },
    })
    .context("failed to start the camera")?;
    for name in camera.names() {
        println!("{}", camera.url(name.as_str()));
    }
    wait_for_stop().context("failed to wait for a signal")?;
    camera.stop();
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM.
fn wait_for_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// The first line of the file.
fn password(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    text.lines().next().map(str::to_owned).with_context(|| format!("{} holds no password", file.display()))
}

/// `NAME=FILE` on the command line.
fn mount(text: &str) -> Result<Mount, String> {
    let (name, file) = text.split_once('=').ok_or("must look like NAME=FILE")?;
    let name = Name::try_new(name).map_err(|error| error.to_string())?;
    Ok(Mount { name, file: PathBuf::from(file) })
}
