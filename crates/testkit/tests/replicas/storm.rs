//! Publishers at work, and blows to what they use, one after the other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signet_testkit::http::Client;

use crate::publisher::{Acknowledged, Owner, Tally};
use crate::scene::{Blow, POOL, Scene, Watch};

/// How long a service may need until it publishes again.
const RECOVERY: Duration = Duration::from_secs(60);
/// No answer may take longer, whatever happens meanwhile.
const PATIENCE: Duration = Duration::from_secs(29);
const GLANCE: Duration = Duration::from_millis(200);

/// How hard the blows are.
pub(crate) struct Form {
    /// How long publishers are at work; longer where one round of all blows takes longer.
    pub(crate) time: Duration,
    /// How long what was hit is away.
    pub(crate) down: Duration,
    /// How long all is well between two blows.
    pub(crate) calm: Duration,
    /// Repositories that nobody has looked at.
    pub(crate) repositories: usize,
}

/// What publishers share.
pub(crate) struct Weather {
    pub(crate) clients: Vec<Client>,
    pub(crate) over: AtomicBool,
    /// Publishes that each replica has stored or refused.
    judged: Vec<AtomicUsize>,
    stored: AtomicUsize,
    /// Whether every publisher has a repository of its own.
    pub(crate) is_alone: bool,
    /// Even while all is well, and another number for every blow.
    moment: AtomicU64,
}

impl Weather {
    pub(crate) fn moment(&self) -> u64 {
        self.moment.load(Ordering::SeqCst)
    }

    pub(crate) fn is_calm(moment: u64) -> bool {
        moment.is_multiple_of(2)
    }

    fn change(&self) {
        self.moment.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until every replica has taken or refused a publish for another one's sake, and one has been stored.
    ///
    /// Where all publish in one repository, the server that is slower for a moment may lose every race for a while.
    fn await_publishes(&self) -> Duration {
        let begun = Instant::now();
        let before: Vec<usize> = self.counts().collect();
        while self
            .counts()
            .zip(&before)
            .any(|(now, before)| now <= *before)
        {
            assert!(
                begun.elapsed() < RECOVERY,
                "a server does not publish any more"
            );
            thread::sleep(Duration::from_millis(5));
        }
        begun.elapsed()
    }

    fn counts(&self) -> impl Iterator<Item = usize> {
        self.judged
            .iter()
            .chain([&self.stored])
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// One publish was stored by this replica, or another one was faster.
    pub(crate) fn note(&self, replica: usize, is_stored: bool) {
        if is_stored {
            self.stored.fetch_add(1, Ordering::Relaxed);
        }
        if is_stored || !self.is_alone {
            self.judged[replica].fetch_add(1, Ordering::Relaxed);
        }
    }
}
/// Sets the end, also for publishers whose storm has failed: otherwise they are waited for in vain.
struct Ends<'w>(&'w Weather);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) acknowledged: Vec<Acknowledged>,
    tallies: Vec<Tally>,
    blows: Vec<(Blow, Duration)>,
    /// The most sessions while all was well.
    sessions: usize,
    time: Duration,
}

/// Lets so many people publish, each on one of these repositories, and hits what they use.
pub(crate) fn storm(scene: &mut Scene, owners: &[Owner], people: usize, form: &Form) -> Outcome {
    let weather = Weather {
        clients: scene.clients(),
        over: AtomicBool::new(false),
        judged: scene.replicas.iter().map(|_| AtomicUsize::new(0)).collect(),
        stored: AtomicUsize::new(0),
        is_alone: owners.len() >= people,
        moment: AtomicU64::new(0),
    };
    let (weather, watch) = (&weather, scene.watch());
    let begun = Instant::now();
    let (blows, tallies, sessions) = thread::scope(|scope| {
        let end = Ends(weather);
        let publishers: Vec<_> = owners
            .iter()
            .cycle()
            .take(people)
            .enumerate()
            .map(|(person, owner)| scope.spawn(move || owner.publish(person, weather)))
            .collect();
        let watcher = scope.spawn(move || most_sessions(watch.as_ref(), weather));
        let blows = blows(scene, weather, begun, form);
        drop(end);
        let tallies: Vec<Tally> = publishers
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect();
        (blows, tallies, watcher.join().unwrap())
    });
    let acknowledged = tallies.iter().flat_map(|tally| tally.acknowledged.clone());
    Outcome {
        acknowledged: acknowledged.collect(),
        tallies,
        blows,
        sessions,
        time: begun.elapsed(),
    }
}

fn blows(
    scene: &mut Scene,
    weather: &Weather,
    begun: Instant,
    form: &Form,
) -> Vec<(Blow, Duration)> {
    let kinds = scene.blows();
    let mut blows = Vec::new();
    for blow in kinds.iter().cycle() {
        weather.await_publishes();
        thread::sleep(form.calm);
        if blows.len() >= kinds.len() && begun.elapsed() >= form.time {
            break;
        }
        weather.change();
        scene.strike(*blow, form.down).unwrap();
        blows.push((*blow, weather.await_publishes()));
        // Some of the requests that began in the storm are still on their way.
        weather.change();
    }
    blows
}

/// The most sessions that the servers had while all was well.
fn most_sessions(watch: Option<&Watch>, weather: &Weather) -> usize {
    let mut most = 0;
    while !weather.over.load(Ordering::Relaxed) {
        thread::sleep(GLANCE);
        let before = weather.moment();
        let sessions = watch.and_then(Watch::sessions);
        if Weather::is_calm(before) && before == weather.moment() {
            most = most.max(sessions.unwrap_or(0));
        }
    }
    most
}

impl Outcome {
    fn sum(&self, of: impl Fn(&Tally) -> usize) -> usize {
        self.tallies.iter().map(of).sum()
    }

    /// No fault, no hang, no session too many.
    pub(crate) fn assert_sound(&self, scene: &Scene) {
        let slowest = self
            .tallies
            .iter()
            .map(|tally| tally.slowest)
            .max()
            .unwrap_or_default();
        let recovery: Vec<String> = self
            .blows
            .iter()
            .map(|(blow, time)| format!("{blow:?} {:.1} s", time.as_secs_f32()))
            .collect();
        println!(
            "{}: {:.1} s, {} publishes acknowledged, {} conflicts, {} without an answer ({} of them stored), {} refused, \
            slowest answer {slowest:.1?}, at most {} sessions; publishing again after: {}",
            scene.name(),
            self.time.as_secs_f32(),
            self.acknowledged.len(),
            self.sum(|tally| tally.conflicts),
            self.sum(|tally| tally.lost),
            self.sum(|tally| tally.found),
            self.sum(|tally| tally.refused),
            self.sessions,
            recovery.join(", "),
        );
        let faults: Vec<&String> = self
            .tallies
            .iter()
            .flat_map(|tally| &tally.faults)
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", scene.name());
        assert!(slowest < PATIENCE, "an answer took {slowest:?}");
        let bound = POOL * scene.replicas.len();
        assert!(
            self.sessions <= bound,
            "{} sessions, {bound} allowed",
            self.sessions
        );
    }
}
