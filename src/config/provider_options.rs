//! What is passed on to execution providers.

use super::document::{Document, join, quoted};
use super::report::{Draft, Report};
use crate::detect::{OptionsOfProviders, Provider};
use clap::ValueEnum;
use serde_json::Value;
use std::collections::BTreeMap;

const OPTIONS: &str = "/model/provider_options";
const PROVIDERS: &str = "/model/providers";

/// Options (`provider.option: value`) by provider. Those of none that there is are left out; [`check`] has reported them.
pub(crate) fn by_provider(options: &BTreeMap<String, String>) -> OptionsOfProviders {
    let mut by_provider = OptionsOfProviders::new();
    for (key, value) in options {
        if let Some((provider, option)) = split(key) {
            by_provider.entry(provider).or_default().insert(option.to_owned(), value.clone());
        }
    }
    by_provider
}

/// The provider that a key is for, which takes options, and the option.
fn split(key: &str) -> Option<(Provider, &str)> {
    let (provider, option) = key.split_once('.')?;
    let provider = Provider::from_str(provider, false).ok()?;
    (provider != Provider::Cpu && !option.is_empty()).then_some((provider, option))
}

/// Reports options of what is no provider, or of one that is not tried.
pub(super) fn check(document: &Document, report: &mut Report) {
    let Some(options) = document.get(OPTIONS).and_then(Value::as_object) else { return };
    let providers: Vec<&str> = match document.get(PROVIDERS).and_then(Value::as_array) {
        Some(providers) => providers.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    for key in options.keys() {
        let pointer = join(OPTIONS, key);
        match split(key) {
            None => {
                let known = Provider::value_variants().iter().filter(|provider| **provider != Provider::Cpu);
                let known: Vec<_> = known.map(|provider| provider.as_str()).collect();
                let draft = Draft::at_key(pointer, format!("is {}", quoted(key)));
                report.error(draft.allowed(format!("provider.option, of {}", known.join(", "))));
            }
            Some((provider, _)) if !providers.contains(&provider.as_str()) => {
                let problem = format!("is an option of {provider}, which model.providers does not name");
                report.error(Draft::at_key(pointer, problem));
            }
            Some(_) => {}
        }
    }
}
