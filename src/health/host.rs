//! What the host and this process use, from the operating system's counters.

use crate::clock::Mono;
use std::path::PathBuf;
use sysinfo::{Components, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Use of the host and of this process. A figure that the platform does not tell is absent, not zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostSample {
    /// Share of all cores in use by all processes since the previous sample, 0..=1.
    pub host_cpu_share: f32,
    /// Share of all cores in use by this process since the previous sample, 0..=1.
    pub process_cpu_share: Option<f32>,
    /// Cores of the host.
    pub cpu_count: usize,
    /// Resident memory of this process.
    pub process_memory_bytes: Option<u64>,
    /// Memory of the host that a process could still get, caches included.
    pub memory_available_bytes: u64,
    /// Memory of the host.
    pub memory_total_bytes: u64,
    /// Space that the agent's user can still write where its data are.
    pub disk_free_bytes: Option<u64>,
    /// Size of the file system where the agent's data are.
    pub disk_total_bytes: Option<u64>,
    /// The hottest sensor, in degrees Celsius.
    pub temperature_celsius: Option<f32>,
}

/// Takes samples; keeps what the next one is compared with.
#[derive(Debug)]
pub struct HostSampler {
    system: System,
    sensors: Components,
    pid: Option<Pid>,
    data_dir: PathBuf,
    /// When the previous sample was taken and the CPU time of this process until then, in milliseconds.
    previous: (Mono, Option<u64>),
}

impl HostSampler {
    /// Takes the first counters at time `now`. Free space is that of the file system of `data_dir`.
    #[must_use]
    pub fn new(data_dir: PathBuf, now: Mono) -> Self {
        let (system, sensors) = (System::new(), Components::new_with_refreshed_list());
        let pid = sysinfo::get_current_pid().ok();
        let mut sampler = Self { system, sensors, pid, data_dir, previous: (now, None) };
        sampler.refresh();
        sampler.previous.1 = sampler.process_cpu_millis();
        sampler
    }

    /// Compares the counters at time `now` with those of the previous call. Calls closer together than
    /// [`sysinfo::MINIMUM_CPU_UPDATE_INTERVAL`] (0.2 s) repeat the host's CPU share.
    ///
    /// Reads a few files below `/proc` and `/sys`; a sick file system can block it, so call it where waiting hurts nobody.
    pub fn sample(&mut self, now: Mono) -> HostSample {
        self.refresh();
        let cpu_count = self.system.cpus().len().max(1);
        let cpu_millis = self.process_cpu_millis();
        let (then, previous_millis) = std::mem::replace(&mut self.previous, (now, cpu_millis));
        let elapsed_millis = now.since(then).as_secs_f32() * 1_000.0;
        let process_cpu_share = cpu_millis.zip(previous_millis).and_then(|(millis, before)| {
            let used = millis.saturating_sub(before) as f32;
            (elapsed_millis > 0.0).then(|| (used / elapsed_millis / cpu_count as f32).min(1.0))
        });
        let disk = rustix::fs::statvfs(&self.data_dir).ok();
        HostSample {
            host_cpu_share: (self.system.global_cpu_usage() / 100.0).clamp(0.0, 1.0),
            process_cpu_share,
            cpu_count,
            process_memory_bytes: self.process().map(sysinfo::Process::memory),
            memory_available_bytes: self.system.available_memory(),
            memory_total_bytes: self.system.total_memory(),
            disk_free_bytes: disk.as_ref().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize)),
            disk_total_bytes: disk.as_ref().map(|fs| fs.f_blocks.saturating_mul(fs.f_frsize)),
            temperature_celsius: self.hottest(),
        }
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.sensors.refresh(false);
        if let Some(pid) = self.pid {
            let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        }
    }

    fn process(&self) -> Option<&sysinfo::Process> {
        self.system.process(self.pid?)
    }

    fn process_cpu_millis(&self) -> Option<u64> {
        self.process().map(sysinfo::Process::accumulated_cpu_time)
    }

    fn hottest(&self) -> Option<f32> {
        let readable = self.sensors.iter().filter_map(sysinfo::Component::temperature);
        readable.filter(|celsius| celsius.is_finite()).max_by(f32::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clocks, SystemClocks};
    use std::time::Duration;

    #[test]
    fn work_memory_and_space_are_seen() {
        let clocks = SystemClocks::new();
        let data = tempfile::tempdir().unwrap();
        let mut sampler = HostSampler::new(data.path().to_owned(), clocks.mono());
        // Busy until the counters, which tick in hundredths of a second, have something to tell.
        let mut share = 0.0;
        while share < 0.05 && clocks.mono().0 < Duration::from_secs(20) {
            let until = clocks.mono().0 + sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;
            while clocks.mono().0 < until {}
            share = sampler.sample(clocks.mono()).process_cpu_share.unwrap();
        }
        assert!(share >= 0.05, "a busy loop was not seen: {share}");
        let sample = sampler.sample(clocks.mono());
        assert!((0.0..=1.0).contains(&sample.host_cpu_share) && sample.cpu_count >= 1);
        assert!((1 << 20..1 << 40).contains(&sample.process_memory_bytes.unwrap()));
        assert!(sample.memory_available_bytes <= sample.memory_total_bytes && sample.memory_available_bytes > 0);
        assert!(sample.disk_free_bytes.unwrap() <= sample.disk_total_bytes.unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let mut sampler = HostSampler::new(PathBuf::from("/nonexistent/curbwatch"), Mono::default());
        let sample = sampler.sample(Mono::default());
        assert_eq!((sample.disk_free_bytes, sample.disk_total_bytes), (None, None));
        assert_eq!(sample.process_cpu_share, None, "no time has passed");
    }
}
