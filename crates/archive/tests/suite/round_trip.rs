//! What is written is read again.

use signet_archive::{Archive, State};

use crate::support::{demo, folder, pack, rsa};

#[test]
fn an_archive_gives_back_what_was_put_into_it() {
    let folder = folder();
    let (one, two) = (demo(), rsa());
    let path = pack(folder.path(), &[one.clone(), two.clone()]);
    assert!(!folder.path().join("a.tar.gz.partial").exists());

    let archive = Archive::open(&path).unwrap();
    let names: Vec<&str> = archive.entries().iter().map(|e| e.gun.as_str()).collect();
    assert_eq!(
        names,
        [
            "registry.example.com/signet/demo",
            "registry.example.com/signet/rsa"
        ]
    );
    for (entry, original) in archive.entries().iter().zip([one, two]) {
        let read = archive.read(entry).unwrap();
        assert_eq!(read.objects, original.objects);
        assert_eq!(read.record.current, original.record.current);
        assert_eq!(
            read.record.verdict.state,
            State::Trusted,
            "{:?}",
            read.record.verdict
        );
    }
    let mut told = 0;
    let checked = archive.check(&mut |done| told = done).unwrap();
    assert_eq!((checked.repositories, told), (2, 2));
}
