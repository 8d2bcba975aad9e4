//! Services and their client on a core of their own each, so that whose core is busy tells whose time the work takes.

use std::fs;

use anyhow::Context;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// While it lives, services run on one core, and whatever this thread starts on another one.
pub(crate) struct Apart {
    services: Vec<u32>,
    /// Where both may run otherwise.
    before: CpuSet,
}

impl Apart {
    /// Parts these processes, and what they will start, from what this thread starts. `None`: there is only one core.
    pub(crate) fn from(services: &[u32]) -> anyhow::Result<Option<Self>> {
        let before = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| before.is_set(*core));
        let (Some(first), Some(second)) = (cores.next(), cores.next()) else {
            return Ok(None);
        };
        // From here on it is put back, whatever fails.
        let apart = Self {
            services: services.to_vec(),
            before,
        };
        for service in services {
            pin(*service, &only(first))?;
        }
        sched_setaffinity(None, &only(second))?;
        Ok(Some(apart))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for service in &self.services {
            let _ = pin(*service, &self.before);
        }
        let _ = sched_setaffinity(None, &self.before);
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

/// Moves every thread of a process. Those that it starts later run where their parent does.
fn pin(process: u32, cores: &CpuSet) -> anyhow::Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = thread?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        let id = id.and_then(Pid::from_raw).context("the ID of a thread")?;
        sched_setaffinity(Some(id), cores)?;
    }
    Ok(())
}
