//! The protocol against its promise: the real scripts in a real Redis, nodes that do one step at a time in any order,
//! and a clock that the test turns. Nodes are killed, stopped and cut off, Redis is away and comes back with its data or
//! without it, and messages arrive late, twice, or without their answer.

mod clock;
mod world;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    test_runner::{Config, TestCaseError, TestRunner},
};
use scf_websocket_test_harness::{Need, Redis, needs};

use self::world::World;

/// What happens next. Numbers choose a node, a connection, or a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A client is accepted.
    Connect(usize),
    /// A client leaves.
    Disconnect(usize, usize),
    /// A function closes a client's connection.
    CloseByFunction(usize, usize),
    /// The node writes and deletes what it has to.
    Flush(usize),
    /// The node looks at the others, and claims those that are lost.
    Look(usize),
    /// The node calls one cleanup of a take-over, or ends it.
    Clean(usize),
    /// The node deletes a record of a take-over.
    Settle(usize),
    /// A function pushes through the node to a client of any node.
    Push(usize, usize),
    /// Time passes; nodes renew what they hold.
    Tick,
    /// The time of a lease passes.
    Lease,
    /// A node starts.
    Start,
    /// A node ends in order.
    Shutdown(usize),
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The node is killed.
    Kill(usize),
    /// The node does nothing any more, or goes on.
    Stop(usize),
    Continue(usize),
    /// The node does not reach Redis any more, or does again.
    Cut(usize),
    Mend(usize),
    /// The node's next commands are carried out, and it does not learn of it.
    LoseAnswers(usize),
    /// Redis is away.
    Away,
    /// Redis is back with its data.
    Back,
    /// Redis is back without its data.
    BackEmpty,
    /// Redis loses its data, and no connection breaks.
    Flush,
    /// Redis saves its data.
    Save,
    /// Redis is back with the data that it last saved.
    BackOld,
    /// Redis has no memory any more.
    Full,
    /// The node's next cleanup is not answered in time.
    Hang(usize),
    /// A command of earlier is carried out again, by Redis alone.
    Again(usize),
}

fn calm() -> impl Strategy<Value = Step> {
    let some = || 0_usize..3;
    prop_oneof![
        6 => some().prop_map(Step::Connect),
        3 => (some(), some()).prop_map(|(node, client)| Step::Disconnect(node, client)),
        1 => (some(), some()).prop_map(|(node, client)| Step::CloseByFunction(node, client)),
        3 => some().prop_map(Step::Flush),
        6 => some().prop_map(Step::Look),
        6 => some().prop_map(Step::Clean),
        4 => some().prop_map(Step::Settle),
        2 => (some(), 0_usize..20).prop_map(|(node, client)| Step::Push(node, client)),
        4 => Just(Step::Tick),
        3 => Just(Step::Lease),
        1 => Just(Step::Start),
        2 => some().prop_map(Step::Shutdown),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let some = || 0_usize..3;
    prop_oneof![
        3 => some().prop_map(Fault::Kill),
        4 => some().prop_map(Fault::Stop),
        4 => some().prop_map(Fault::Continue),
        2 => some().prop_map(Fault::Cut),
        2 => some().prop_map(Fault::Mend),
        2 => some().prop_map(Fault::LoseAnswers),
        1 => Just(Fault::Away),
        2 => Just(Fault::Back),
        1 => Just(Fault::BackEmpty),
        1 => Just(Fault::Flush),
        1 => Just(Fault::Save),
        1 => Just(Fault::BackOld),
        1 => Just(Fault::Full),
        2 => some().prop_map(Fault::Hang),
        2 => (0_usize..10_000).prop_map(Fault::Again),
    ]
}

fn kill() -> impl Strategy<Value = Fault> {
    (0_usize..8).prop_map(Fault::Kill)
}

/// `PROPTEST_CASES` is another number of cases.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

/// What becomes of a world after these steps, when everything heals.
fn after(steps: &[Step]) -> Option<World> {
    if !needs(Need::Redis) {
        return None;
    }
    let redis = Redis::start(&["--appendonly", "no"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Some(runtime.block_on(async {
        let mut world = World::new(&redis.url()).await;
        for step in steps {
            world.step(*step).await;
        }
        world.heal().await;
        world.verdict().await.expect("no violation");
        world
    }))
}

/// Whether, after these steps and some time in which nothing fails, each client has had what it was promised.
fn holds(steps: &(impl Strategy<Value = Vec<Step>> + 'static), usual: u32) {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&["--appendonly", "no"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut runner =
        TestRunner::new(Config { cases: cases(usual), failure_persistence: None, ..Config::default() });
    let result = runner.run(steps, |steps| {
        runtime.block_on(async {
            let mut world = World::new(&redis.url()).await;
            for step in steps {
                world.step(step).await;
            }
            world.heal().await;
            world.verdict().await.map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn without_a_fault_each_cleanup_is_called_exactly_once() {
    holds(&vec(calm(), 1..80), 40);
}

#[test]
fn if_nodes_are_killed_only_their_unfinished_cleanups_are_repeated() {
    holds(&vec(prop_oneof![12 => calm(), 1 => kill().prop_map(Step::Fault)], 1..120), 60);
}

#[test]
fn whatever_fails_no_cleanup_is_missed() {
    holds(&vec(prop_oneof![4 => calm(), 1 => fault().prop_map(Step::Fault)], 1..160), 120);
}

const CONNECT: [Step; 2] = [Step::Connect(0), Step::Connect(0)];

fn steps(parts: &[&[Step]]) -> Vec<Step> {
    parts.concat()
}

#[test]
fn who_was_declared_lost_stays_lost_when_redis_loses_its_data() {
    let stop = [Step::Fault(Fault::Stop(0)), Step::Lease, Step::Tick, Step::Tick];
    let take_over =
        [1, 2].repeat(8).into_iter().flat_map(|n| [Step::Look(n), Step::Clean(n), Step::Settle(n)]);
    let take_over: Vec<_> = take_over.collect();
    let flush = [Step::Fault(Fault::Flush), Step::Fault(Fault::Continue(0)), Step::Tick];
    if let Some(world) = after(&steps(&[&CONNECT, &stop, &take_over, &flush])) {
        assert_eq!(world.cleanups(), [1, 1], "no second closing event");
    }
}

#[test]
fn a_node_that_is_cut_off_while_redis_loses_its_data_is_not_forgotten() {
    let cut =
        [Step::Fault(Fault::Cut(0)), Step::Fault(Fault::BackEmpty), Step::Lease, Step::Lease, Step::Lease];
    if let Some(world) = after(&steps(&[&CONNECT, &cut])) {
        assert_eq!(world.cleanups(), [1, 1]);
    }
}

#[test]
fn a_node_that_joined_after_the_last_save_keeps_its_clients() {
    let save = [Step::Fault(Fault::Save), Step::Start, Step::Tick];
    let connect = [Step::Connect(3), Step::Connect(3), Step::Connect(3)];
    let restart = [Step::Fault(Fault::BackOld), Step::Lease, Step::Lease];
    if let Some(world) = after(&steps(&[&save, &connect, &restart])) {
        assert_eq!(world.cleanups(), [1, 1, 1]);
        assert!(world.lost_ids().is_empty(), "a node was declared lost: {:?}", world.lost_ids());
    }
}

#[test]
fn records_are_deleted_while_redis_has_no_memory() {
    let full = [Step::Fault(Fault::Full), Step::Disconnect(0, 0), Step::Flush(0)];
    if let Some(world) = after(&steps(&[&CONNECT, &full])) {
        assert_eq!(world.cleanups(), [1, 1]);
    }
}

#[test]
fn a_cleanup_that_hangs_in_a_take_over_is_called_again() {
    let hang =
        [Step::Fault(Fault::Hang(1)), Step::Fault(Fault::Hang(2)), Step::Fault(Fault::Kill(0)), Step::Lease];
    if let Some(world) = after(&steps(&[&CONNECT, &hang])) {
        assert_eq!(world.cleanups(), [1, 1]);
    }
}
