//! Several who publish at the same moment.

use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::{Error, ErrorKind, Managed};
use signet_testkit::peer::TrustServer;
use signet_testkit::user::User;
use signet_tuf::RoleName;
use signet_tuf::update::{Mode, Scope};

use super::{GUN, notary_list, user};
use crate::person::{Person, add, delegate};

#[tokio::test]
async fn publishers_at_the_same_moment_all_succeed_and_nothing_is_lost() {
    const PUBLISHERS: usize = 4;
    const ROUNDS: usize = 3;
    let server = TrustServer::go().unwrap();
    let admin_home = user(&server);
    let admin = Person::new(&server, GUN, &admin_home.trust_dir());
    let homes: Vec<User> = (0..PUBLISHERS).map(|_| user(&server)).collect();
    let people: Vec<Person> = homes
        .iter()
        .map(|home| Person::new(&server, GUN, &home.trust_dir()))
        .collect();
    let keys: Vec<_> = people.iter().map(|person| person.key("somebody")).collect();
    let mut repository = admin.initialized(Managed::ByServer).await;
    let mut edits: Vec<Edit> = (0..PUBLISHERS)
        .map(|i| delegate(&format!("targets/p{i}"), &[&keys[i]]))
        .collect();
    edits.push(delegate(
        "targets/releases",
        &keys.iter().collect::<Vec<_>>(),
    ));
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();

    let mut wanted = Vec::new();
    let mut attempts = 0;
    for round in 0..ROUNDS {
        let publishes = people.iter().enumerate().map(|(i, person)| {
            let tag = format!("r{round}-p{i}");
            let edits = [
                add(&format!("targets/p{i}"), &tag),
                add("targets/releases", &tag),
            ];
            wanted.push(format!("{tag} targets/p{i}"));
            wanted.push(format!("{tag} targets/releases"));
            let mut repository = person.open();
            async move { repository.publish(&edits, PublishOptions::default()).await }
        });
        let tasks: Vec<_> = publishes.map(tokio::spawn).collect();
        for task in tasks {
            attempts += task.await.unwrap().unwrap().attempts;
        }
    }
    wanted.sort();
    assert_eq!(admin.list().await, wanted);
    let rounds = u32::try_from(PUBLISHERS * ROUNDS).unwrap();
    assert!(
        attempts > rounds,
        "nobody met anybody in {attempts} attempts"
    );
    assert_eq!(
        notary_list(&admin_home, &["targets/releases"]).len(),
        PUBLISHERS * ROUNDS
    );
}

#[tokio::test]
async fn the_same_edit_by_two_is_no_conflict_but_a_lost_race_is_told() {
    let server = TrustServer::go().unwrap();
    let home = user(&server);
    let person = Person::new(&server, GUN, &home.trust_dir());
    let mut first = person.initialized(Managed::ByServer).await;
    first.publish(&[], PublishOptions::default()).await.unwrap();
    let (mut first, mut second) = (person.open(), person.open());
    first.update(Mode::Write, Scope::All).await.unwrap();
    second.update(Mode::Write, Scope::All).await.unwrap();
    first
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    let once = PublishOptions {
        attempts: 1,
        ..PublishOptions::default()
    };
    let error = second
        .publish(&[add("targets", "v2")], once)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Conflict { attempts: 1, .. }),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Refused);
    first.update(Mode::Write, Scope::All).await.unwrap();
    second
        .publish(&[add("targets", "v2")], PublishOptions::default())
        .await
        .unwrap();
    // The state that `first` starts from is old again, and what it wants is done already.
    let published = first
        .publish(&[add("targets", "v2")], PublishOptions::default())
        .await
        .unwrap();
    assert_eq!((published.attempts, published.files.len()), (2, 0));
}

#[tokio::test]
async fn what_somebody_agreed_to_is_not_exchanged_by_another_publisher() {
    let server = TrustServer::go().unwrap();
    let home = user(&server);
    let person = Person::new(&server, GUN, &home.trust_dir());
    let mut first = person.initialized(Managed::ByServer).await;
    first
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    let (mut first, mut second) = (person.open(), person.open());
    first.update(Mode::Write, Scope::All).await.unwrap();
    let shown = first.trusted().unwrap().targets(&RoleName::targets());
    let shown = shown.unwrap().raw().clone();
    second
        .publish(&[add("targets", "v2")], PublishOptions::default())
        .await
        .unwrap();
    let before = server.version(GUN, "timestamp").unwrap();
    let witness = [Edit::Witness {
        role: RoleName::targets(),
    }];
    let options = PublishOptions {
        as_shown: [(RoleName::targets(), shown)].into(),
        ..PublishOptions::default()
    };
    // However often it may be tried, and whether the state is read before the publish or during it.
    for read_before in [false, true] {
        if read_before {
            first.update(Mode::Write, Scope::All).await.unwrap();
        }
        let error = first.publish(&witness, options.clone()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Changed { role } if *role == RoleName::targets()),
            "{error}"
        );
    }
    assert_eq!(server.version(GUN, "timestamp").unwrap(), before);
}
