//! Every metric: its name, type, labels and meaning. The registry is filled from here, and a test compares what is
//! exposed with it.
//!
#![doc = include_str!("catalogue.md")]

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Its name in queries.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures, without a full stop.
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $constant: Description =
            Description { name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help };)+

        /// All metrics, in the order in which they are exposed.
        pub const ALL: &[Description] = &[$($constant,)+];
    };
}

catalogue! {
    BUILD: Gauge "scf_gateway_build_info" ["version"]
        "Always 1; the label is the version of the program";
    CONNECTIONS: Gauge "scf_gateway_connections" ["api"]
        "Clients that are connected";
    HANDSHAKES: Counter "scf_gateway_handshakes_total" ["api", "outcome"]
        "Requests to connect by what became of them; api is empty if the path belongs to none";
    REFUSED: Counter "scf_gateway_refused_total" ["reason"]
        "Requests and connections that were refused before a function or a push had to do with them";
    LIMIT_HITS: Counter "scf_gateway_limit_hits_total" ["limit"]
        "Handshakes refused and connections closed because of a limit, by its key in the configuration";
    LIMITS: Gauge "scf_gateway_configured_limit" ["limit"]
        "The limits that the configuration sets, by key; in force for new connections";
    CLOSES: Counter "scf_gateway_closes_total" ["api", "reason"]
        "Connections that ended, by reason";
    FRAMES: Counter "scf_gateway_frames_total" ["api", "direction"]
        "Data frames from (in) and to (out) clients";
    FRAME_BYTES: Counter "scf_gateway_frame_bytes_total" ["api", "direction"]
        "Payload bytes of these frames";
    COMPRESSED_BYTES: Counter "scf_gateway_compressed_frame_bytes_total" ["api", "direction", "when"]
        "Payload bytes of those frames that were compressed, before and after";
    COMPRESSIONS: Counter "scf_gateway_compressions_total" ["api"]
        "Payloads that were compressed, or tried: once for all the clients that they go to";
    EVENTS: Counter "scf_gateway_events_total" ["api", "role", "outcome"]
        "Calls of functions by what became of them";
    EVENT_SECONDS: Histogram "scf_gateway_event_seconds" ["api", "role"]
        "From the call of a function to its answer or failure, waiting for a turn and retries included";
    EVENTS_IN_FLIGHT: Gauge "scf_gateway_events_in_flight" ["api", "role"]
        "Calls of functions without an answer yet, waiting ones included";
    CIRCUIT: Gauge "scf_gateway_circuit_state" ["api", "role"]
        "The circuit of a function's backend: 0 closed, 1 half open, 2 open";
    PUSHES: Counter "scf_gateway_pushes_total" ["outcome"]
        "Reverse pushes, counted for each connection that they name";
    QUEUE_BYTES: Gauge "scf_gateway_send_queue_bytes" []
        "Bytes that wait to be sent to clients";
    UNFINISHED_BYTES: Gauge "scf_gateway_unfinished_bytes" []
        "Bytes of clients' messages that have not arrived completely";
    TLS_HANDSHAKES: Counter "scf_gateway_tls_handshakes_total" ["outcome"]
        "TLS handshakes of clients";
    CERTIFICATE_EXPIRES: Gauge "scf_gateway_certificate_expires_timestamp_seconds" []
        "Until when the certificate is valid, in seconds since 1970; 0 without TLS";
    RELOADS: Counter "scf_gateway_reloads_total" ["what", "outcome"]
        "Reloads of the configuration and of the certificate";
    ACCEPT_ERRORS: Counter "scf_gateway_accept_errors_total" []
        "Connections that could not be accepted, as when the process is out of file descriptors";
    CLEANUPS_PENDING: Gauge "scf_gateway_cleanups_pending" []
        "Clients that have left and whose cleanup function was not called yet, those whose call is under way included";
    LEASE_RENEWED: Gauge "scf_gateway_lease_renewed_timestamp_seconds" []
        "When this node last renewed its lease, in seconds since 1970; 0 without a cluster";
    NODES: Gauge "scf_gateway_nodes" []
        "Nodes of the cluster with a lease, as this node sees it; 0 without a cluster";
    DECLARED_LOST: Counter "scf_gateway_declared_lost_total" []
        "How often this process was declared lost, closed its clients and joined again";
    TAKE_OVERS: Counter "scf_gateway_take_overs_total" ["outcome"]
        "Take-overs of lost nodes by this one: completed, with clients left, or interrupted";
    LOST_NODE_CLEANUPS: Counter "scf_gateway_lost_node_cleanups_total" []
        "Calls of the cleanup function for clients of lost nodes";
    RECORDS_TO_DELETE: Gauge "scf_gateway_records_to_delete" []
        "Records of clients whose cleanup was carried out, not yet deleted from Redis";
    CLUSTER_DELIVERIES: Counter "scf_gateway_cluster_deliveries_total" ["way"]
        "Frames and closes that this node of a cluster was asked to deliver, counted for each connection: to clients of its own, or through another node";
    CLUSTER_REDIS_UP: Gauge "scf_gateway_cluster_redis_up" []
        "1 while the lease is renewed in time, Redis takes records and the other nodes reach this one; otherwise 0, and clients are refused";
    CLUSTER_REDIS_CONNECTS: Counter "scf_gateway_cluster_redis_connects_total" []
        "Connections that were made to the cluster's Redis server, the first one included";
    CLUSTER_ROUND_TRIP: Histogram "scf_gateway_cluster_round_trip_seconds" []
        "From this node through Redis and back to itself, measured each second";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory of the gateway's process; the functions' processes have their own";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Time that the gateway's process has computed, in seconds of one processor";
    PROCESS_OPEN_FILES: Gauge "process_open_fds" []
        "Files and connections that are open";
    PROCESS_MAX_FILES: Gauge "process_max_fds" []
        "How many may be open";
    PROCESS_STARTED: Gauge "process_start_time_seconds" []
        "When the process was started, in seconds since 1970";
}
