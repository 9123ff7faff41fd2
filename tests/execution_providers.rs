//! What a site prefers to run the model on and cannot have is told, never passed over in silence.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use curbwatch::clock::SystemClocks;
use curbwatch::detect::{Model, Provider, Runtime, SessionOptions, arrange};
use curbwatch::install;

fn open(providers: Vec<Provider>) -> Model {
    let manifest = install::manifest("yolov4-tiny-416").unwrap();
    let path = install::model_file(&manifest).unwrap();
    let options = SessionOptions { providers, ..SessionOptions::default() };
    Model::open(&Runtime::load().unwrap(), &manifest, &path, &options).unwrap()
}

/// The runtime that set-up installs is built for the CPU alone.
#[test]
fn a_provider_that_cannot_be_had_is_named_with_its_reason_and_the_cpu_takes_over() {
    let preferred = [Provider::TensorRt, Provider::Cuda, Provider::OpenVino, Provider::Cann, Provider::Qnn];
    for provider in preferred {
        let model = open(vec![provider, Provider::Cpu]);
        let in_use = model.provider();
        assert_eq!(in_use.provider, Provider::Cpu);
        assert_eq!(in_use.refused.iter().map(|refusal| refusal.provider).collect::<Vec<_>>(), [provider]);
        let alarm = in_use.alarm().unwrap();
        assert!(alarm.contains("runs on cpu") && alarm.contains(provider.as_str()), "{alarm}");
        assert!(alarm.contains(&format!("libonnxruntime_providers_{provider}.so")), "what would mend it: {alarm}");
        assert!(model.detector().unwrap().infer_only().is_ok(), "it is analysed all the same");
    }
}

#[test]
fn what_runs_as_the_site_wants_it_raises_no_alarm_and_tells_its_nodes() {
    let model = open(vec![Provider::Cpu, Provider::Cuda]);
    let in_use = model.provider();
    assert_eq!((in_use.provider, in_use.alarm()), (Provider::Cpu, None));
    assert!(in_use.nodes["CPUExecutionProvider"] > 20, "{:?}", in_use.nodes);
}

#[test]
fn a_box_is_measured_and_all_its_cores_are_used_one_way_or_the_other() {
    let manifest = install::manifest("yolov4-tiny-416").unwrap();
    let path = install::model_file(&manifest).unwrap();
    let runtime = Runtime::load().unwrap();
    for cores in [1, 2] {
        let options = SessionOptions::default();
        let (model, arrangement) = arrange(&runtime, &manifest, &path, &options, cores, &SystemClocks::new()).unwrap();
        assert_eq!(arrangement.runners * arrangement.threads, cores);
        assert!(model.detector().unwrap().infer_only().is_ok());
    }
}
