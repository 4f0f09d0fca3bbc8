//! What was seen during an attack: by another client, and of the gateway's process.

use std::{fs, time::Duration};

use scf_websocket_test_harness::Gateway;
use tokio::{task::JoinHandle, time::sleep};

use crate::{OPEN_FILES, QUICK, SLOWER, attacks::Attack, client::Echoes};

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// A look may fall into a moment of the machine's own.
const REFUSED_PERCENT: usize = 10;

/// The gateway's process, looked at now and then.
pub struct Watch {
    begun: Process,
    looks: JoinHandle<Process>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Of a process; the most that was seen.
#[derive(Debug, Clone, Copy, Default)]
struct Process {
    resident_mb: usize,
    files: usize,
    log_lines: usize,
}

pub struct Seen {
    before: Echoes,
    during: Echoes,
    /// How many further clients came, and how many of them were refused.
    handshakes: (usize, usize),
    grown_mb: usize,
    files: usize,
    log_lines: usize,
}

impl Watch {
    pub fn start(gateway: &Gateway) -> Self {
        let begun = Process { log_lines: gateway.log().lines().count(), ..Process::of(gateway.pid()) };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let pid = gateway.pid();
        let looks = tokio::spawn(async move {
            let mut most = Process::default();
            while !*stopped.borrow() {
                let now = Process::of(pid);
                most.resident_mb = most.resident_mb.max(now.resident_mb);
                most.files = most.files.max(now.files);
                sleep(BETWEEN_LOOKS).await;
            }
            most
        });
        Self { begun, looks, stop }
    }

    pub async fn end(
        self,
        gateway: &Gateway,
        before: Echoes,
        during: Echoes,
        handshakes: (usize, usize),
    ) -> Seen {
        let _ = self.stop.send(true);
        let most = self.looks.await.expect("no panic");
        let log_lines = gateway.log().lines().count() - self.begun.log_lines;
        let grown_mb = most.resident_mb.saturating_sub(self.begun.resident_mb);
        Seen { before, during, handshakes, grown_mb, files: most.files, log_lines }
    }
}

impl Process {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok());
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { resident_mb: kilobytes.unwrap_or(0) >> 10, files, log_lines: 0 }
    }
}

impl Seen {
    pub fn head() -> &'static str {
        "| attack | echo before | during | worst | refused | memory | files | log lines |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    }

    pub fn row(&self, attack: &Attack) -> String {
        let (came, refused) = self.handshakes;
        format!(
            "| {} | {} | {} | {} | {refused} of {came} | +{} MB | {} | {} |",
            attack.name,
            ms(self.before.median()),
            ms(self.during.median()),
            ms(self.during.worst()),
            self.grown_mb,
            self.files,
            self.log_lines
        )
    }

    pub fn problems(&self, attack: &Attack) -> Vec<String> {
        let slowest = (self.before.median() * SLOWER).max(QUICK);
        let (came, refused) = self.handshakes;
        let bounds = [
            (self.during.median() > slowest, format!("an echo takes longer than {}", ms(slowest))),
            (refused * 100 > came * REFUSED_PERCENT, format!("{refused} of {came} handshakes are refused")),
            (self.grown_mb > attack.grows_mb, format!("more memory than {} MB", attack.grows_mb)),
            (self.files + 10 > OPEN_FILES as usize, "no file is left".to_owned()),
            (self.log_lines > attack.log_lines, format!("more lines of log than {}", attack.log_lines)),
        ];
        bounds.into_iter().filter_map(|(is_met, problem)| is_met.then_some(problem)).collect()
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
