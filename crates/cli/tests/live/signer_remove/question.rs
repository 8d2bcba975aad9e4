//! The question on a terminal, and what happens while it stands.

use std::collections::BTreeSet;

use signet_testkit::terminal::Terminal;
use signet_testkit::user::Tool;

use super::people::set;
use crate::scene::Scene;

/// On a terminal, whoever has the key of a remaining signer is shown what would be taken over and asked.
#[test]
fn a_remaining_signer_can_take_over_at_once() {
    for (answer, stays) in [("y", true), ("n", false)] {
        let scene = Scene::with_signers(&["alice", "ben"]);
        let gun = scene.gun.clone();
        let (digest, _) = scene.push("v1", "hello");
        scene.sign_as(&["alice"], "v1").success().unwrap();
        let words = ["signer", "remove", "alice", &gun];
        let mut terminal =
            Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
        terminal
            .expect("Are you sure you want to continue? [y/N] ")
            .unwrap();
        terminal.enter("y").unwrap();
        let shown = terminal
            .expect("Sign targets/releases again as it is? [y/N] ")
            .unwrap();
        assert!(
            shown.contains("You have the key of ben")
                && shown.contains(&format!("  v1 sha256:{digest}\r\n")),
            "{shown}"
        );
        terminal.enter(answer).unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(0), "{text}");
        assert_eq!(scene.signers(), set(&["ben".to_owned()]));
        let expected = if stays {
            set(&[format!("v1 {digest}")])
        } else {
            BTreeSet::new()
        };
        assert_eq!(scene.released(), expected, "{text}");
        assert_eq!(
            text.contains("nobody vouches for targets/releases"),
            !stays,
            "{text}"
        );
    }
}

/// What the leaving signer publishes while the question stands is not what was shown, so it is not signed again.
#[test]
fn what_is_published_during_the_question_is_not_witnessed() {
    let scene = Scene::with_signers(&["alice", "mallory"]);
    let gun = scene.gun.clone();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign_as(&["mallory"], "v1").success().unwrap();
    let words = ["signer", "remove", "mallory", &gun];
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.enter("y").unwrap();
    let shown = terminal
        .expect("Sign targets/releases again as it is? [y/N] ")
        .unwrap();
    assert!(
        shown.contains(&format!("  v1 sha256:{digest}\r\n")),
        "{shown}"
    );
    let (evil, _) = scene.push("evil", "evil");
    scene.sign_as(&["mallory"], "evil").success().unwrap();
    terminal.enter("y").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!(
            "somebody else published to {gun} while you were asked, so what would be signed again is not what you were shown; \
             nothing was changed: run the command again and look at what is released now"
        )),
        "{text}"
    );
    assert_eq!(
        scene.signers(),
        set(&["alice".to_owned(), "mallory".to_owned()])
    );

    // The next question shows what has come.
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.enter("y").unwrap();
    let shown = terminal
        .expect("Sign targets/releases again as it is? [y/N] ")
        .unwrap();
    assert!(
        shown.contains(&format!("  evil sha256:{evil}\r\n")),
        "{shown}"
    );
    terminal.enter("n").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert_eq!(scene.signers(), set(&["alice".to_owned()]));
    scene
        .stranger()
        .run(Tool::DockerTrust, &["verify", &scene.tagged("evil")])
        .unwrap()
        .failure(1)
        .unwrap();
}

/// ^C at the question ends the command, and nothing has changed.
#[test]
fn control_c_at_the_question_removes_nobody() {
    let scene = Scene::with_signers(&["alice"]);
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let words = ["signer", "remove", "alice", &scene.gun];
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.press("\u{3}").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(130), "{text}");
    assert!(text.ends_with('\n'), "{text}");
    assert_eq!(scene.signers(), set(&["alice".to_owned()]));
}
