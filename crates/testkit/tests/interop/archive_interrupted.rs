//! Archives of servers that are busy or go away, and runs that are killed: what is finished is kept, and nothing is mixed.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signet_archive::State;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Kind};
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use crate::archive_create::{create, open, read, states};

/// A population on a plain server behind a proxy, which is faithful at first.
pub(crate) fn behind_proxy() -> (Fleet, Proxy, User) {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let ca_pem = server.ca_pem();
    let fleet = Fleet::small_on(server).unwrap();
    let mut user = User::new(&proxy.url(), &ca_pem).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the real servers of this test go by the real time"
    )]
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    user.set("SOURCE_DATE_EPOCH", &now.to_string());
    file::write(&user.path("names.txt"), fleet.list()).unwrap();
    (fleet, proxy, user)
}

fn start(user: &User, arguments: &[&str]) -> Child {
    let line = [&["archive", "create"], arguments].concat();
    let mut command = user.command(Tool::OurNotary, &line).unwrap();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn finished_sections(user: &User, name: &str) -> usize {
    let sections = user.path(&format!("{name}.partial/sections"));
    let files = fs::read_dir(sections).into_iter().flatten().flatten();
    files
        .filter(|file| !file.file_name().to_string_lossy().ends_with(".tmp"))
        .count()
}

fn wait_for_sections(user: &User, name: &str, count: usize) {
    let started = Instant::now();
    while finished_sections(user, name) < count {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "nothing is made"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
fn a_run_that_was_killed_goes_on_and_gives_the_same_bytes() {
    let (fleet, proxy, user) = behind_proxy();
    let arguments = ["--from-file", "names.txt", "--history", "--jobs", "2", "-o"];
    create(&user, &[&arguments[..], &["whole.tar.gz"]].concat())
        .success()
        .unwrap();
    let line = [&arguments[..], &["killed.tar.gz"]].concat();
    proxy.set(|_, _| Fault::Slow(Duration::from_millis(30)));
    let mut finished = 0;
    for how in [Signal::KILL, Signal::TERM, Signal::INT] {
        let mut child = start(&user, &line);
        wait_for_sections(&user, "killed.tar.gz", finished + 1);
        signal(&child, how);
        let _ = child.wait().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        match how {
            Signal::KILL => assert_eq!(said, ""),
            Signal::TERM => assert_eq!(output.status.code(), Some(143)),
            _ => assert_eq!(output.status.code(), Some(130)),
        }
        if how != Signal::KILL {
            assert!(said.starts_with("interrupted; "), "{said}");
            assert!(
                said.contains("the same command goes on from there"),
                "{said}"
            );
        }
        finished = finished_sections(&user, "killed.tar.gz");
        assert!(finished < fleet.members().len(), "it was too fast");
        assert!(!user.path("killed.tar.gz").exists());
    }
    proxy.heal();
    let _ = proxy.take_log();
    create(&user, &line).success().unwrap();
    let asked: BTreeSet<String> = proxy
        .take_log()
        .into_iter()
        .filter_map(|line| Some(line.split_once("/_trust/")?.0.to_owned()))
        .collect();
    assert_eq!(
        asked.len(),
        fleet.members().len() - finished,
        "only what was missing is asked for"
    );
    assert!(!user.path("killed.tar.gz.partial").exists());
    assert_eq!(
        fs::read(user.path("killed.tar.gz")).unwrap(),
        fs::read(user.path("whole.tar.gz")).unwrap()
    );
    open(&user, "killed.tar.gz");
}

#[test]
fn a_folder_of_another_archive_is_not_mixed_with() {
    let (fleet, proxy, user) = behind_proxy();
    proxy.set(|_, _| Fault::Slow(Duration::from_millis(30)));
    let mut child = start(&user, &["--from-file", "names.txt", "-o", "a.tar.gz"]);
    wait_for_sections(&user, "a.tar.gz", 1);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    proxy.heal();
    let gun = fleet.members()[0].gun.as_str();
    for other in [
        &["--changefeed"][..],
        &["--from-file", "names.txt", "--history"],
        &[gun],
    ] {
        let line = [other, &["-o", "a.tar.gz"]].concat();
        let refused = create(&user, &line);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stdout.contains("--restart"), "{refused}");
    }
    create(&user, &[gun, "-o", "a.tar.gz", "--restart"])
        .success()
        .unwrap();
    assert_eq!(open(&user, "a.tar.gz").entries().len(), 1);
}

#[test]
fn a_busy_server_is_waited_for() {
    let (fleet, proxy, user) = behind_proxy();
    let count = Arc::new(AtomicUsize::new(0));
    proxy.set(move |_, _| {
        // Every seventh answer, so that also the greeting and the retries meet it.
        match count.fetch_add(1, Ordering::SeqCst) % 7 {
            0 => Fault::Answer(503, vec![("Retry-After", "1".to_owned())], Vec::new()),
            3 => Fault::Cut,
            _ => Fault::None,
        }
    });
    let names: Vec<&str> = fleet
        .members()
        .iter()
        .map(|m| m.gun.as_str())
        .take(3)
        .collect();
    let line = [&names[..], &["-o", "a.tar.gz"]].concat();
    create(&user, &line).success().unwrap();
    proxy.heal();
    let line = [&names[..], &["-o", "b.tar.gz"]].concat();
    create(&user, &line).success().unwrap();
    assert_eq!(
        fs::read(user.path("a.tar.gz")).unwrap(),
        fs::read(user.path("b.tar.gz")).unwrap()
    );
    proxy.set(|_, _| Fault::Answer(429, vec![("Retry-After", "3600".to_owned())], Vec::new()));
    let refused = create(&user, &[names[0], "-o", "c.tar.gz"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stdout.contains("3600 seconds"), "{refused}");
    assert!(!user.path("c.tar.gz.partial").exists());
}

#[test]
fn what_cannot_be_fetched_keeps_the_folder_or_is_recorded() {
    let (fleet, proxy, user) = behind_proxy();
    let lost = fleet.member(Kind::RotatedRoot).gun.clone();
    let needle = format!("{lost}/_trust/tuf/targets");
    proxy.set(move |_, path| {
        if path.contains(&needle) {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let line = ["--from-file", "names.txt", "-o", "a.tar.gz"];
    let failed = create(&user, &line);
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(failed.stderr.contains(&lost), "{failed}");
    let total = fleet.members().len();
    assert!(
        failed
            .stdout
            .contains(&format!("1 of {total} repositories could not be fetched")),
        "{failed}"
    );
    assert_eq!(finished_sections(&user, "a.tar.gz"), total - 1);
    assert!(!user.path("a.tar.gz").exists());

    let partial = create(&user, &[&line[..], &["--partial"]].concat());
    assert_eq!(partial.code, Some(1), "{partial}");
    assert!(
        partial.stdout.contains("1 could not be fetched"),
        "{partial}"
    );
    let archive = open(&user, "a.tar.gz");
    assert_eq!(states(&archive)[&lost], State::Unreachable);
    assert!(!read(&archive, &lost).record.documents.is_empty());

    // A server that dies half-way: what is there is worth an archive, too.
    let line = ["--from-file", "names.txt", "-o", "b.tar.gz", "--jobs", "1"];
    let count = Arc::new(AtomicUsize::new(0));
    proxy.set(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) < 40 {
            Fault::None
        } else {
            Fault::Lost
        }
    });
    let failed = create(&user, &line);
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(failed.stdout.contains("does not answer"), "{failed}");
    assert!(failed.stdout.contains("goes on from there"), "{failed}");
    let there = finished_sections(&user, "b.tar.gz");
    assert!(there > 0 && there < total, "{there}");
    drop(proxy);
    let partial = create(&user, &[&line[..], &["--partial"]].concat());
    assert_eq!(partial.code, Some(1), "{partial}");
    let archive = open(&user, "b.tar.gz");
    let states = states(&archive);
    assert_eq!(states.len(), total);
    let unreachable = states
        .values()
        .filter(|state| **state == State::Unreachable);
    assert_eq!(unreachable.count(), total - there);
}
