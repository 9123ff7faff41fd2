//! `curbwatch schema`.

use anyhow::Context;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `curbwatch schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of one schema; without it the names are listed.
    name: Option<String>,
    /// Write all schemas (or the named one) as files into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut schemas = all();
    if let Some(name) = &args.name {
        let names: Vec<&str> = schemas.keys().copied().collect();
        let names = names.join(", ");
        let (key, schema) =
            schemas.remove_entry(name.as_str()).with_context(|| format!("no schema \"{name}\"; there are {names}"))?;
        schemas = BTreeMap::from([(key, schema)]);
    }
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
            for (name, schema) in &schemas {
                let path = folder.join(format!("{name}.schema.json"));
                std::fs::write(&path, format!("{schema:#}\n"))
                    .with_context(|| format!("failed to write {}", path.display()))?;
            }
        }
        None if args.name.is_some() => schemas.values().for_each(|schema| println!("{schema:#}")),
        None => schemas.keys().for_each(|name| println!("{name}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// The schemas of the configuration and of every message, by name, and the `AsyncAPI` document.
fn all() -> BTreeMap<&'static str, serde_json::Value> {
    let mut schemas = crate::contract::schemas();
    schemas.insert("config", crate::config::schema());
    schemas.insert("asyncapi", crate::contract::asyncapi());
    schemas
}
