//! Making archives: the same bytes again, whatever happens in between.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use signet_archive::{Archive, ArchivedRepository, Work, WorkError};

use crate::keys::Signer;
use crate::support::{demo, empty, folder, moment, pack, recorded, rsa, work};

fn partial(folder: &Path) -> PathBuf {
    folder.join("a.tar.gz.partial")
}

#[test]
fn the_same_content_is_the_same_bytes() {
    let repositories = [demo(), rsa(), empty("b"), empty("a")];
    let one = folder();
    let first = fs::read(pack(one.path(), &repositories)).unwrap();
    // In another order, with the lists of the records in another order, some finished twice, in three sittings.
    let two = folder();
    let mut shuffled = repositories;
    shuffled.reverse();
    for repository in &mut shuffled {
        repository.record.documents.reverse();
        let again = repository.record.documents.first().cloned();
        repository.record.documents.extend(again);
    }
    let mut early = shuffled[3].clone();
    early.record.captured = moment("2026-11-22T10:00:00Z");
    work(two.path()).finish(&early).unwrap();
    {
        let later = moment("2026-11-23T00:00:00Z");
        let mut work = Work::open(&partial(two.path()), "test/1", "a test", later).unwrap();
        assert_eq!(work.created(), moment("2026-11-22T19:00:00Z"));
        for repository in &shuffled[1..] {
            work.finish(repository).unwrap();
        }
    }
    let second = fs::read(pack(two.path(), &shuffled[..1])).unwrap();
    assert_eq!(first, second);

    // A signature of Ed25519 is always the same, one of ECDSA never.
    let signed = |signer: &Signer| {
        let folder = folder();
        let mut work = work(folder.path());
        work.finish(&empty("a")).unwrap();
        let path = folder.path().join("a.tar.gz");
        work.pack(&path, Some(signer)).unwrap();
        fs::read(path).unwrap()
    };
    assert_eq!(signed(&Signer::ed25519(1)), signed(&Signer::ed25519(1)));
    let signer = Signer::ecdsa();
    assert_ne!(signed(&signer), signed(&signer));
}

#[test]
fn what_is_finished_is_counted_and_listed() {
    let folder = folder();
    let mut first = work(folder.path());
    assert!(first.is_empty());
    first.finish(&rsa()).unwrap();
    first.finish(&demo()).unwrap();
    first.finish(&rsa()).unwrap();
    assert_eq!(first.len(), 2);
    drop(first);
    let mut again = work(folder.path());
    let names: Vec<&str> = again.finished().map(|entry| entry.gun.as_str()).collect();
    assert_eq!(
        names,
        [
            "registry.example.com/signet/demo",
            "registry.example.com/signet/rsa"
        ]
    );
    assert!(again.has(&rsa().record.gun) && !again.has(&"a".parse().unwrap()));
    again.retain(&[rsa().record.gun].into()).unwrap();
    drop(again);
    assert_eq!(work(folder.path()).len(), 1);
}

#[test]
fn a_damaged_or_unfinished_part_is_not_finished() {
    let folder = folder();
    work(folder.path()).finish(&rsa()).unwrap();
    let sections = partial(folder.path()).join("sections");
    let path = fs::read_dir(&sections)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 1, 5, 300, whole.len() - 33, whole.len() - 1]
        .into_iter()
        .flat_map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            [flipped, whole[..at].to_vec()]
        })
        .collect();
    damaged.push([&whole[..], b"x"].concat());
    damaged.push(Vec::new());
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(work(folder.path()).len(), 0);
        assert!(!path.exists());
    }
    // The whole one under another's name, and one that was never renamed.
    fs::write(sections.join("0".repeat(64)), &whole).unwrap();
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(".tmp");
    fs::write(&unfinished, &whole).unwrap();
    assert_eq!(work(folder.path()).len(), 0);
    assert_eq!(fs::read_dir(&sections).unwrap().count(), 0);
    fs::write(&path, &whole).unwrap();
    assert_eq!(work(folder.path()).len(), 1);

    // Damage while the work goes on stops the packing; the old file stays.
    let target = folder.path().join("a.tar.gz");
    fs::write(&target, "old").unwrap();
    let work = work(folder.path());
    let mut flipped = whole;
    flipped[400] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let error = work.pack(&target, None).unwrap_err();
    assert!(
        error.to_string().contains("changed since it was written"),
        "{error}"
    );
    assert_eq!(fs::read(&target).unwrap(), b"old");
}

#[test]
fn a_folder_belongs_to_one_process_and_one_archive() {
    let folder = folder();
    let created = moment("2026-11-22T19:00:00Z");
    let path = partial(folder.path());
    let first = work(folder.path());
    let open = |description| Work::open(&path, "test/2", description, created);
    assert!(matches!(open("a test"), Err(WorkError::Busy)));
    drop(first);
    let error = open("another").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("begun for another archive (a test)"),
        "{error}"
    );
    assert!(open("a test").is_ok());

    // Settings that cannot be read, and a folder that is something else.
    fs::write(path.join("settings.json"), "{}").unwrap();
    assert!(matches!(open("a test"), Err(WorkError::Other(_))));
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("precious"), "x").unwrap();
    let error = Work::open(&other, "test/1", "a test", created).unwrap_err();
    assert!(error.to_string().contains("precious"), "{error}");
    assert!(other.join("precious").exists());
    assert!(Work::open(&folder.path().join("no/such"), "x", "x", created).is_err());
}

/// What others put beside the output is neither believed nor followed.
#[test]
fn a_folder_that_others_made_is_refused() {
    let refused = |folder: &Path, why: &str| {
        let created = moment("2026-11-22T19:00:00Z");
        let error = Work::open(&partial(folder), "test/1", "a test", created).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    };
    let open_to_all = folder();
    drop(work(open_to_all.path()));
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(partial(open_to_all.path()), mode).unwrap();
    refused(open_to_all.path(), "other users may write to it");

    let foreign = folder();
    drop(work(foreign.path()));
    std::os::unix::fs::chown(partial(foreign.path()), Some(65534), Some(65534))
        .expect("the tests run as root");
    refused(foreign.path(), "it belongs to another user");

    for target in ["elsewhere", "nowhere"] {
        let linked = folder();
        fs::create_dir(linked.path().join("elsewhere")).unwrap();
        symlink(linked.path().join(target), partial(linked.path())).unwrap();
        refused(linked.path(), "it is a link, or no folder");
    }

    // A link inside leads nobody out.
    let inside = folder();
    drop(work(inside.path()));
    let victim = inside.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("precious"), "x").unwrap();
    let sections = partial(inside.path()).join("sections");
    fs::remove_dir(&sections).unwrap();
    symlink(&victim, &sections).unwrap();
    refused(inside.path(), "it is a link, or no folder");
    assert!(Work::restart(&partial(inside.path())).is_err());
    assert!(victim.join("precious").exists());

    let packed = folder();
    let mut work = work(packed.path());
    work.finish(&rsa()).unwrap();
    let victim = packed.path().join("victim");
    fs::write(&victim, "x").unwrap();
    symlink(&victim, partial(packed.path()).join("packing")).unwrap();
    let target = packed.path().join("a.tar.gz");
    work.pack(&target, None).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"x");
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
}

#[test]
fn only_this_user_reads_it() {
    let folder = folder();
    let mut work = work(folder.path());
    work.finish(&rsa()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let partial = partial(folder.path());
    assert_eq!(mode(&partial), 0o700);
    let sections = partial.join("sections");
    assert_eq!(mode(&sections), 0o700);
    for file in fs::read_dir(&sections).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    assert_eq!(mode(&partial.join("settings.json")), 0o600);
    let path = folder.path().join("a.tar.gz");
    work.pack(&path, None).unwrap();
    assert_eq!(mode(&path), 0o600);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn records_that_do_not_fit_their_documents_are_refused() {
    let folder = folder();
    let mut work = work(folder.path());
    let refused = |work: &mut Work, change: &dyn Fn(&mut ArchivedRepository)| {
        let mut repository = rsa();
        change(&mut repository);
        work.finish(&repository).unwrap_err().to_string()
    };
    let missing = refused(&mut work, &|repository| {
        drop(repository.objects.pop_first());
    });
    assert!(missing.contains("is missing"), "{missing}");
    let other = refused(&mut work, &|repository| {
        let mut object = repository.objects.first_entry().unwrap();
        object.insert("x".into());
    });
    assert!(other.contains("other bytes"), "{other}");
    let unlisted = refused(&mut work, &|repository| {
        drop(repository.record.documents.pop());
    });
    assert!(unlisted.contains("not listed"), "{unlisted}");
    assert!(work.is_empty());
    // Versions and lengths are those of the documents, whatever the record says.
    let mut repository = rsa();
    for document in &mut repository.record.documents {
        (document.version, document.length) = (77, 1);
    }
    work.finish(&repository).unwrap();
    let path = folder.path().join("a.tar.gz");
    work.pack(&path, None).unwrap();
    Archive::open(&path).unwrap().check(&mut |_| ()).unwrap();
}

#[test]
fn what_compresses_too_well_is_stored_as_it_is() {
    // A document of spaces: larger than its compressed form by more than a reader takes.
    let mut repository = empty("a");
    crate::support::put(&mut repository, "root", vec![b' '; 4 << 20].into(), true);
    let folder = folder();
    let path = pack(folder.path(), &[repository]);
    assert!(fs::metadata(&path).unwrap().len() > 4 << 20);
    Archive::open(&path).unwrap().check(&mut |_| ()).unwrap();
}

const CHILD: &str = "SIGNET_ARCHIVE_TEST_FOLDER";

fn population() -> Vec<ArchivedRepository> {
    let names = (0..12).map(|number| format!("registry.example.com/signet/{number:02}"));
    names.map(|name| recorded("rsa", &name)).collect()
}

/// Not a test of its own: what [`a_killed_process_leaves_the_old_or_the_new`] kills.
#[test]
#[ignore = "run by another test"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(CHILD).unwrap());
    let mut work = work(&folder);
    for repository in population() {
        if !work.has(&repository.record.gun) {
            work.finish(&repository).unwrap();
        }
    }
    work.pack(&folder.join("a.tar.gz"), None).unwrap();
}

#[test]
fn a_killed_process_leaves_the_old_or_the_new() {
    let whole = folder();
    let wanted = fs::read(pack(whole.path(), &population())).unwrap();
    let folder = folder();
    let target = folder.path().join("a.tar.gz");
    let run = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "making::child", "--ignored"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut killed, mut round) = (0, 0_u64);
    while killed < 40 {
        // From the start anew now and then, so that every part of the work is met.
        if target.exists() && round % 2 == 0 {
            fs::write(&target, "old").unwrap();
        }
        let mut child = run();
        std::thread::sleep(Duration::from_millis(3 * (round % 60)));
        round += 1;
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        killed += u64::from(!ended.success());
        match fs::read(&target) {
            Ok(bytes) => assert!(bytes == b"old" || bytes == wanted),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
        assert!(round < 400, "the child is never killed at work");
    }
    assert!(run().wait().unwrap().success());
    assert_eq!(fs::read(&target).unwrap(), wanted);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
