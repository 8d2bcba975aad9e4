//! What takes its time says what it is doing, on a terminal and nowhere else.

use std::time::Duration;

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, TrustServer};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

#[test]
fn a_slow_server_is_spoken_of_on_a_terminal() {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    Image::single("hello")
        .push(&registry.client(), "team/app", "v1")
        .unwrap();
    let tag = format!("{gun}:v1");
    user.become_signer(Tool::DockerTrust, "jeff", &gun).unwrap();
    user.expect(Tool::DockerTrust, &["sign", "--remote", &tag])
        .unwrap();
    proxy.set(|method, path| {
        if path.ends_with("/timestamp.json") || method == "POST" {
            Fault::Slow(Duration::from_millis(1300))
        } else {
            Fault::None
        }
    });
    let reading = format!("Reading trust data of {gun}");
    let looking = "Looking at the servers".to_owned();
    let publishing = format!("Publishing trust data of {gun}");
    for (line, said) in [
        (vec!["inspect", gun.as_str()], vec![&reading]),
        (vec!["verify", &tag], vec![&reading]),
        (vec!["doctor", &gun], vec![&looking]),
        (vec!["revoke", &tag], vec![&reading, &publishing]),
    ] {
        let terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &line).unwrap());
        let (_, screen) = terminal.unwrap().finish().unwrap();
        for text in &said {
            assert!(screen.contains(text.as_str()), "{line:?}: {screen}");
        }
        // The line is taken away in the end.
        let last = screen.rsplit_once(said[0].as_str()).unwrap().1;
        assert!(last.contains("\r\u{1b}[K"), "{line:?}: {screen}");
    }
    let piped = user.run(Tool::DockerTrust, &["inspect", &gun]).unwrap();
    assert_eq!((piped.code, piped.stderr.as_str()), (Some(0), ""));
}

#[test]
fn no_color_switches_colors_off() {
    let mut user = User::new("https://localhost:1", "no certificate").unwrap();
    let colored = |user: &User| {
        let command = user
            .command(Tool::DockerTrust, &["generate", "jeff"])
            .unwrap();
        let (_, screen) = Terminal::spawn(&command).unwrap().finish().unwrap();
        assert!(screen.contains("the command is docker-trust key generate"));
        screen.contains("\u{1b}[")
    };
    assert!(colored(&user));
    user.set("NO_COLOR", "1");
    assert!(!colored(&user));
}
