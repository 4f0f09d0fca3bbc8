//! A stand-in for SCF's web functions, as mean as the platform may be.
//!
//! [`Platform`] is where clients connect. It starts the `scf_bootstrap` of a zip in an empty root that is read-only but for
//! `/tmp`, makes each request an invocation of an instance with a free place, adds the platform's headers, and enforces
//! [`Rules`]: the time limit, the idle time, the size of a message, its rate, the close codes. What the gateway could have
//! avoided is a [violation](Platform::violations). An instance whose last invocation ends is stopped at that moment, with
//! all of its processes and its connections to other machines, and is later resumed or killed without a word.

mod frames;
mod instance;
mod invocation;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex as AsyncMutex,
    time::sleep,
};

use self::instance::Instance;
pub use self::instance::Isolation;

/// What no one may learn: the credentials that come with each request and in the environment.
pub const SECRETS: [&str; 3] = ["AKIDplatformSecretId", "platform-secret-key", "platform-session-token"];

/// What the platform enforces, and how it scales.
#[derive(Debug, Clone)]
pub struct Rules {
    /// From a request to its end.
    pub time_limit: Duration,
    /// Without a message in either direction.
    pub idle: Duration,
    pub message_bytes: u64,
    /// To a client and from it.
    pub messages_per_second: u32,
    pub bytes_per_second: u32,
    /// How many invocations an instance takes at once.
    pub connections: usize,
    /// After how long an instance that has none is killed, in turn, unless a request has resumed it; `None`: it stays
    /// stopped. None at all: each stays stopped until a request needs it.
    pub killed_after: &'static [Option<Duration>],
}

impl Rules {
    /// The vendor's, with this time limit and so many connections an instance.
    pub fn new(time_limit: Duration, connections: usize) -> Self {
        Self {
            time_limit,
            idle: time_limit / 2,
            message_bytes: 256 * 1024,
            messages_per_second: 10,
            bytes_per_second: 128 * 1024,
            connections,
            killed_after: &[],
        }
    }
}

/// What the platform starts.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The folder of the unpacked zip.
    pub folder: PathBuf,
    /// The function's variables.
    pub variables: Vec<(String, String)>,
    /// Variables that name a Redis server of this machine, and its port.
    pub redis: Vec<(&'static str, u16)>,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Platform(Arc<Shared>);

struct Shared {
    pub address: String,
    rules: Rules,
    deployed: Deployed,
    instances: AsyncMutex<Vec<Arc<Instance>>>,
    invocations: AtomicUsize,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    violations: Vec<String>,
    counts: BTreeMap<String, usize>,
    /// How often an instance was frozen.
    freezes: usize,
}

/// When an instance was stopped, resumed and killed.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub frozen: Vec<Instant>,
    pub resumed: Vec<Instant>,
    pub dead: Option<Instant>,
}

impl History {
    pub fn is_frozen(&self) -> bool {
        self.dead.is_none() && self.frozen.len() > self.resumed.len()
    }

    /// Whether it was stopped or dead at any time between these.
    pub fn was_away(&self, from: Instant, to: Instant) -> bool {
        let resumed = self.resumed.iter().copied().map(Some).chain([None]);
        let mut stops = self.frozen.iter().zip(resumed);
        stops.any(|(frozen, resumed)| *frozen <= to && resumed.is_none_or(|resumed| resumed >= from))
            || self.dead.is_some_and(|dead| dead <= to)
    }
}

impl Platform {
    pub async fn start(deployed: Deployed, rules: Rules) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Shared {
            address,
            rules,
            deployed,
            instances: AsyncMutex::default(),
            invocations: AtomicUsize::new(0),
            notes: Mutex::default(),
        };
        let platform = Self(Arc::new(shared));
        tokio::spawn(platform.clone().accept(listener));
        platform
    }

    /// `host:port` where clients connect.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// What the gateway did that the platform counts as a failure.
    pub fn violations(&self) -> Vec<String> {
        self.notes().violations.clone()
    }

    /// What happened, and how often.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.notes().counts.clone()
    }

    /// The logs of all instances there ever were, in the order of their starts.
    pub async fn logs(&self) -> Vec<String> {
        self.0.instances.lock().await.iter().map(|instance| instance.log()).collect()
    }

    /// The newest lines of each instance's log.
    pub async fn newest_lines(&self) -> Vec<String> {
        self.0.instances.lock().await.iter().map(|instance| instance.newest_lines()).collect()
    }

    /// What has become of each instance.
    pub async fn histories(&self) -> Vec<History> {
        self.0.instances.lock().await.iter().map(|instance| instance.history()).collect()
    }

    /// How the instances are kept apart from this machine.
    pub async fn isolation(&self) -> Option<Isolation> {
        self.0.instances.lock().await.first().map(|instance| instance.isolation)
    }

    /// Resumes an instance that is stopped, or starts one, as a request would that lasts until this is dropped.
    pub async fn occupy(&self) -> Place {
        self.place().await
    }

    /// Ends all instances.
    pub async fn end(&self) {
        for instance in self.0.instances.lock().await.iter() {
            instance.kill();
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().expect("not poisoned")
    }

    fn violation(&self, what: String) {
        self.notes().violations.push(what);
    }

    fn count(&self, what: impl Into<String>) {
        *self.notes().counts.entry(what.into()).or_default() += 1;
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(self.clone().serve(client));
        }
    }

    async fn serve(self, client: TcpStream) {
        let number = self.0.invocations.fetch_add(1, Ordering::Relaxed);
        invocation::run(&self, client, number).await;
    }

    /// A place at the fullest instance that has one, so that others run empty; a stopped one is resumed, and a new one
    /// started if there is none.
    async fn place(&self) -> Place {
        let mut instances = self.0.instances.lock().await;
        let alive = instances.iter().filter(|instance| instance.history().dead.is_none());
        let fitting = alive.filter(|instance| instance.load() < self.0.rules.connections);
        let best = fitting.max_by_key(|instance| instance.load()).cloned();
        let instance = if let Some(instance) = best {
            instance
        } else {
            let number = instances.len();
            let instance = Arc::new(Instance::start(&self.0.deployed, &self.0.rules, number).await);
            self.count("instances started");
            instances.push(Arc::clone(&instance));
            instance
        };
        if instance.enter() {
            self.count("instances resumed by a request");
        }
        Place { platform: self.clone(), instance }
    }

    /// The last invocation of an instance has ended: it is stopped at once.
    fn left(&self, instance: &Arc<Instance>) {
        if !instance.leave() {
            return;
        }
        self.count("instances stopped with their last connection");
        let number = {
            let mut notes = self.notes();
            notes.freezes += 1;
            notes.freezes
        };
        let turns = self.0.rules.killed_after;
        let Some(after) = turns.get(number % turns.len().max(1)).copied().flatten() else { return };
        let (platform, instance) = (self.clone(), Arc::clone(instance));
        let stops = instance.history().frozen.len();
        tokio::spawn(async move {
            sleep(after).await;
            if instance.kill_if_frozen(stops) {
                platform.count("instances killed while they were stopped");
            }
        });
    }
}

/// An invocation's place at an instance.
pub struct Place {
    platform: Platform,
    instance: Arc<Instance>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.platform.left(&self.instance);
    }
}
