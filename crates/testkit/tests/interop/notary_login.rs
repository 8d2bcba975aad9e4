//! Logging in with our `notary` beside Go's: the same server, the same token service, the same person, the same questions.

use std::collections::BTreeSet;
use std::process::Command;

use data_encoding::BASE64;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::peer::{TokenFault, TokenService, TrustOptions, TrustServer};
use signet_testkit::process::{Finished, command_line};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";
/// SHA-256 of `hello world` and a newline.
const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";
const PAIR: [Tool; 2] = [Tool::Notary, Tool::OurNotary];

/// A Go server behind a proxy that counts, which takes the tokens of a service; and a repository with a target.
struct Scene {
    tokens: TokenService,
    _server: TrustServer,
    proxy: Proxy,
    ca_pem: String,
}

impl Scene {
    /// alice may do everything, bob may read, everybody what `anonymous` says.
    fn new(anonymous: &[(&str, &str)]) -> Self {
        let tokens = TokenService::start_plain()
            .unwrap()
            .user("alice", "wonderland", &[("*", "pull,push,*")])
            .user("bob", "builder", &[("*", "pull")])
            .anonymous(anonymous);
        let options = TrustOptions::default().plain().token(tokens.auth("notary"));
        let server = TrustServer::go_with(&options).unwrap();
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let ca_pem = server.ca_pem();
        let scene = Self {
            tokens,
            _server: server,
            proxy,
            ca_pem,
        };
        make_repository(&mut scene.owner());
        scene.take();
        scene
    }

    /// Somebody with passphrases and no login.
    fn owner(&self) -> User {
        User::new(&self.proxy.url(), &self.ca_pem).unwrap()
    }

    /// Somebody with nothing but the address of the server.
    fn reader(&self) -> User {
        User::without_passphrases(&self.proxy.url(), &self.ca_pem).unwrap()
    }

    /// What the token service was asked since the last call, and the server.
    fn take(&self) -> (Vec<String>, Vec<String>) {
        let tokens = self.tokens.take_requests();
        let tokens = tokens.iter().map(|request| request.essence()).collect();
        (tokens, self.proxy.take_log())
    }

    /// Runs the command as somebody new with either program.
    fn both(&self, auth: Option<&str>, words: &[&str], input: &str) -> [Ran; 2] {
        PAIR.map(|tool| {
            let mut user = self.reader();
            if let Some(auth) = auth {
                user.set("NOTARY_AUTH", auth);
            }
            let finished = user.run_with_input(tool, words, input).unwrap();
            let (tokens, requests) = self.take();
            Ran {
                finished,
                tokens,
                requests,
            }
        })
    }

    /// The same, and both say the same, exit alike and ask the token service for the same. What ours did.
    fn agree(&self, auth: Option<&str>, words: &[&str], input: &str) -> Ran {
        let [go, our] = self.both(auth, words, input);
        let ran = format!("{}\n{}", go.finished, our.finished);
        assert_eq!(our.finished.stdout, go.finished.stdout, "{ran}");
        assert_eq!(our.finished.code, go.finished.code, "{ran}");
        assert_eq!(our.tokens, go.tokens, "{ran}");
        our
    }
}

/// What came of a command.
struct Ran {
    finished: Finished,
    tokens: Vec<String>,
    requests: Vec<String>,
}

fn auth(login: &str) -> String {
    BASE64.encode(login.as_bytes())
}

fn make_repository(owner: &mut User) {
    owner.set("NOTARY_AUTH", &auth("alice:wonderland"));
    let target = ["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"];
    for words in [&["init", GUN, "-p"][..], &target] {
        owner.expect(Tool::Notary, words).unwrap();
    }
}

fn request(account: Option<&str>, actions: &str) -> String {
    let account = account.map(|name| format!("account={name}&"));
    format!(
        "GET /token?{}scope=repository%3Aexample.com%2Fapp%3A{actions}&service=notary",
        account.unwrap_or_default()
    )
}

fn basic(login: &str) -> String {
    format!("Basic {}", auth(login))
}

/// Level and message of every log line, each once.
fn logged(finished: &Finished) -> BTreeSet<&str> {
    let lines = finished.stderr.lines();
    lines
        .filter_map(|line| line.split_once(" level=").map(|(_, rest)| rest))
        .collect()
}

/// Case 53.
#[test]
fn nobody_is_asked_who_may_read_anyway() {
    let scene = Scene::new(&[("*", "pull")]);
    for login in [None, Some(auth("alice:wonderland"))] {
        let ran = scene.agree(login.as_deref(), &["list", GUN], "bob\nbuilder\n");
        assert!(ran.finished.stdout.starts_with("NAME "), "{}", ran.finished);
        assert_eq!(ran.finished.stderr, "");
        assert_eq!(ran.tokens, [request(None, "pull")]);
    }
}

/// Cases 54, 56 and 57, and what goes with them in section 5.3.
#[test]
fn a_read_begins_as_nobody_and_goes_on_with_a_login() {
    let scene = Scene::new(&[]);
    let as_bob = format!(
        "{} | {}",
        request(Some("bob"), "pull"),
        basic("bob:builder")
    );
    let both = [request(None, "pull"), as_bob];

    // From the variable. Go asks as nobody first for every document, ours only for the first one.
    let [go, our] = scene.both(Some(&auth("bob:builder \n")), &["list", GUN], "");
    assert_eq!(our.finished.stdout, go.finished.stdout, "{}", our.finished);
    assert!(our.finished.stdout.starts_with("NAME "), "{}", our.finished);
    assert_eq!((&our.tokens, &go.tokens), (&both.to_vec(), &both.to_vec()));
    let once: Vec<&String> = go.requests.iter().step_by(2).collect();
    assert_eq!(once.len(), 5, "{:?}", go.requests);
    assert_eq!(our.requests.len(), 6, "{:?}", our.requests);
    assert_eq!(our.requests[1], our.requests[2]);

    // From a pipe, with the questions in the output.
    for words in [
        &["list", GUN][..],
        &["lookup", GUN, "v1"],
        &["delegation", "list", GUN],
    ] {
        let ran = scene.agree(None, words, " bob \nbuilder\t\n");
        let out = &ran.finished.stdout;
        assert!(
            out.starts_with("Enter username: Enter password: \n"),
            "{}",
            ran.finished
        );
        assert_eq!(ran.finished.stderr, "");
        assert_eq!(ran.tokens, both);
    }
    // Go loses a password without an end of line.
    let [_, our] = scene.both(None, &["lookup", GUN, "v1"], "bob\nbuilder");
    assert!(our.finished.stdout.ends_with(" 12\n"), "{}", our.finished);

    // Nobody answers, or does not want to say.
    let unauthorized = "you are not authorized to perform this operation: server returned 401.";
    for (input, question, problem) in [
        (
            "",
            "Enter username: ",
            Some("error processing username input: EOF"),
        ),
        ("\n", "Enter username: ", None),
        (
            "bob\n",
            "Enter username: Enter password: \n",
            Some("error processing password input: EOF"),
        ),
    ] {
        let [go, our] = scene.both(None, &["list", GUN], input);
        assert_eq!(
            (&our.finished.stdout, our.finished.code),
            (&go.finished.stdout, go.finished.code),
            "{}\n{}",
            go.finished,
            our.finished
        );
        assert_eq!(logged(&our.finished), logged(&go.finished), "{input:?}");
        assert_eq!(
            our.finished.stdout,
            format!("{question}\n* fatal: {unauthorized}\n")
        );
        let expected = problem.map(|problem| format!("error msg=\"{problem}\""));
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(logged(&our.finished), expected);
        assert_eq!(our.tokens, [request(None, "pull")]);
    }

    // Wrong.
    let wrong = auth("bob:wrong");
    let ran = scene.agree(Some(&wrong), &["list", GUN], "alice\nwonderland\n");
    assert_eq!(
        ran.finished.stdout,
        "\n* fatal: unauthorized: incorrect username or password\n"
    );
    let refusal = r#"{"errors":[{"code":"UNAUTHORIZED","message":"go away","detail":null}]}"#;
    scene
        .tokens
        .set(TokenFault::Status(401, refusal.to_owned()));
    for (body, said) in [(refusal, "unauthorized: go away"), ("{}", "unauthorized")] {
        scene.tokens.set(TokenFault::Status(401, body.to_owned()));
        let [go, our] = scene.both(Some(&wrong), &["list", GUN], "");
        assert_eq!(our.finished.stdout, go.finished.stdout, "{}", our.finished);
        assert!(our.finished.stdout.contains(said), "{}", our.finished);
        // A token service that gives nobody anything ends Go's command; ours shows it the login.
        assert_eq!((go.tokens.len(), our.tokens.len()), (1, 2));
    }
    scene.tokens.set(TokenFault::Body("{}".to_owned()));
    let ran = scene.agree(Some(&wrong), &["list", GUN], "");
    assert_eq!(
        ran.finished.stdout,
        "\n* fatal: authorization server did not include a token in the response\n"
    );
    scene.tokens.set(TokenFault::None);

    // The variable, badly written, is no login, and no other one is looked for.
    for (variable, problem) in [
        ("!!!", "Could not base64-decode authentication string"),
        (
            "bm9jb2xvbg==",
            "Malformatted authentication string; format must be <username>:<password>",
        ),
        ("OnB3", "Authentication string with zero-length username"),
    ] {
        let [go, our] = scene.both(Some(variable), &["list", GUN], "bob\nbuilder\n");
        assert_eq!(our.finished.stdout, go.finished.stdout, "{variable}");
        assert_eq!(logged(&our.finished), logged(&go.finished), "{variable}");
        let line = format!("error msg=\"{problem}\"");
        assert_eq!(logged(&our.finished), BTreeSet::from([line.as_str()]));
    }
}

/// A lost right is no outage to a person, but to a script it is: what is remembered stands in, and the reason is said.
#[test]
fn what_is_remembered_stands_in_for_a_refused_login_and_says_so() {
    let scene = Scene::new(&[]);
    for tool in PAIR {
        let mut user = scene.reader();
        user.set("NOTARY_AUTH", &auth("bob:builder"));
        let table = user.expect(tool, &["list", GUN]).unwrap();
        user.set("NOTARY_AUTH", &auth("bob:wrong"));
        let told = user.run(tool, &["list", GUN]).unwrap();
        assert_eq!((&told.stdout, told.code), (&table, Some(0)), "{told}");
        assert!(told.stderr.contains("using cached timestamp"), "{told}");
        if tool == Tool::OurNotary {
            assert!(
                told.stderr
                    .contains("level=error msg=\"unauthorized: incorrect username or password\""),
                "{told}"
            );
            scene.tokens.set(TokenFault::Body("{}".to_owned()));
            let told = user.run(tool, &["list", GUN]).unwrap();
            assert_eq!(
                told.stdout,
                "\n* fatal: authorization server did not include a token in the response\n"
            );
            scene.tokens.set(TokenFault::None);
            let config = std::fs::read_to_string(user.path(".notary/config.json")).unwrap();
            let strict = config.replacen('{', "{\"cached_data\":false,", 1);
            signet_testkit::file::write(&user.path("strict.json"), strict).unwrap();
            let strict = ["-c", "strict.json", "list", GUN];
            let told = user.run(tool, &strict).unwrap();
            assert_eq!(
                (told.code, told.stdout.as_str()),
                (
                    Some(1),
                    "\n* fatal: unauthorized: incorrect username or password\n"
                )
            );
            user.set("NOTARY_AUTH", &auth("bob:builder"));
            assert_eq!(user.expect(tool, &strict).unwrap(), table);
            scene.proxy.set(|_, path| match path {
                "/v2/" => Fault::Lost,
                _ => Fault::None,
            });
            let told = user.run(tool, &strict).unwrap();
            assert_eq!(told.code, Some(1), "{told}");
            assert!(
                told.stdout.contains(
                    "\"cached_data\": false in the configuration refuses what is remembered"
                ),
                "{told}"
            );
        }
        scene.proxy.heal();
    }
}

/// Section 5.3: what is wrong with the challenge, or with the way to the token service.
#[test]
fn a_login_that_cannot_be_had_is_explained_as_go_explains_it() {
    let scene = Scene::new(&[]);
    let login = auth("bob:builder");
    let challenge = |text: &str| {
        let headers = vec![("WWW-Authenticate", text.to_owned())];
        Fault::Answer(401, headers, b"{}".to_vec())
    };
    let gone = signet_testkit::port::free().unwrap();
    for (header, said) in [
        (
            "Bearer service=\"notary\"".to_owned(),
            "no realm specified for token auth challenge",
        ),
        (
            format!("Bearer realm=\"http://{gone}/token\",service=\"notary\""),
            "dial tcp",
        ),
    ] {
        let fault = challenge(&header);
        scene.proxy.set(move |_, path| match path {
            "/v2/" => fault.clone(),
            _ => Fault::None,
        });
        let [go, our] = scene.both(Some(&login), &["list", GUN], "");
        assert_eq!(our.finished.code, go.finished.code, "{}", our.finished);
        assert!(go.finished.stdout.contains(said), "{}", go.finished);
        let without_address = |text: &str| text.replace(&format!("dial tcp {gone}: connect: "), "");
        assert_eq!(
            our.finished.stdout,
            without_address(&go.finished.stdout),
            "{}",
            go.finished
        );
    }
}

/// Q7: once per command, also to read.
#[test]
fn basic_logins_are_asked_for_once() {
    let server = TrustServer::go_with(&TrustOptions::default().plain()).unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let mut owner = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    make_repository(&mut owner);
    let wanted = basic("alice:wonderland");
    proxy.set(move |_, _| Fault::Unless(wanted.clone(), "Basic realm=\"here\"".to_owned()));
    let reader = |login: Option<&str>| {
        let mut user = User::without_passphrases(&proxy.url(), &server.ca_pem()).unwrap();
        if let Some(login) = login {
            user.set("NOTARY_AUTH", &auth(login));
        }
        user
    };

    let go = reader(Some("alice:wonderland"))
        .run(Tool::Notary, &["list", GUN])
        .unwrap();
    assert_eq!(go.stdout, "\n* fatal: no basic auth credentials\n");
    let user = reader(Some("alice:wonderland"));
    let _ = proxy.take_log();
    let table = user.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    assert!(table.starts_with("NAME "), "{table}");
    // The probe and four documents: nothing is tried without the login.
    assert_eq!(proxy.take_log().len(), 5);
    let piped = reader(None)
        .run_with_input(Tool::OurNotary, &["list", GUN], "alice\nwonderland\n")
        .unwrap();
    assert_eq!(
        (piped.stdout, piped.stderr.as_str()),
        (format!("Enter username: Enter password: \n{table}"), "")
    );

    for (login, input, said) in [
        (None, "\n", "no basic auth credentials"),
        (
            Some("alice:wrong"),
            "",
            "you are not authorized to perform this operation: server returned 401.",
        ),
    ] {
        let told = reader(login)
            .run_with_input(Tool::OurNotary, &["list", GUN], input)
            .unwrap();
        assert_eq!(told.code, Some(1));
        assert!(
            told.stdout.ends_with(&format!("\n* fatal: {said}\n")),
            "{told}"
        );
    }
}

/// docker's stored login goes before the question, and the question before giving up.
#[test]
fn a_stored_login_that_is_not_enough_is_followed_by_the_question() {
    let scene = Scene::new(&[]);
    let user = scene.reader();
    let host = scene.proxy.url().replace("https://", "");
    let list = |login: Option<(&str, &str)>, input: &str| {
        if let Some((name, password)) = login {
            user.log_in(&host, name, password).unwrap();
        }
        let words = ["-d", "nothing-remembered", "list", GUN];
        let _ = std::fs::remove_dir_all(user.path("nothing-remembered"));
        user.run_with_input(Tool::OurNotary, &words, input).unwrap()
    };
    // The login of the registry in the repository's name is not the server's.
    user.log_in("example.com", "bob", "builder").unwrap();
    let asked = list(None, "alice\nwonderland\n");
    assert!(asked.stdout.starts_with("Enter username: "), "{asked}");
    assert_eq!(asked.stderr, "");
    let stored = list(Some(("bob", "builder")), "alice\nwonderland\n");
    assert!(stored.stdout.starts_with("NAME "), "{stored}");
    let asked = list(Some(("bob", "wrong")), "alice\nwonderland\n");
    let expected = format!("Enter username: Enter password: \n{}", stored.stdout);
    assert_eq!(asked.stdout, expected, "{asked}");
    let nobody = list(None, "");
    assert!(
        nobody
            .stdout
            .ends_with("\n* fatal: unauthorized: incorrect username or password\n"),
        "{nobody}"
    );
}

/// Case 58, and the questions on a terminal.
#[test]
fn a_person_is_asked_on_the_terminal_and_not_waited_for_without_end() {
    let scene = Scene::new(&[]);
    let screens = PAIR.map(|tool| {
        let command = scene.reader().command(tool, &["list", GUN]).unwrap();
        let reader = scene.reader();
        let mut typed = Terminal::spawn(&reader.command(tool, &["list", GUN]).unwrap()).unwrap();
        typed.expect("Enter username: ").unwrap();
        typed.enter("bob").unwrap();
        typed.expect("Enter password: ").unwrap();
        typed.enter_secret("builder").unwrap();
        let (status, screen) = typed.finish().unwrap();
        assert_eq!(
            status.code(),
            Some(0),
            "{}: {screen}",
            command_line(&command)
        );
        assert!(!screen.contains("builder"), "{screen}");
        screen
    });
    let who = format!(
        "The trust server {} asks for a login.\n",
        scene.proxy.url().replace("https://", "")
    );
    assert_eq!(screens[1], format!("{who}{}", screens[0]));

    let waiting = PAIR.map(|tool| {
        let reader = scene.reader();
        let terminal = Terminal::spawn(&reader.command(tool, &["list", GUN]).unwrap()).unwrap();
        (reader, terminal)
    });
    let screens = waiting.map(|(_reader, terminal)| {
        let (status, screen) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(1), "{screen}");
        assert!(
            screen.contains("timeout when retrieving username input"),
            "{screen}"
        );
        screen
    });
    assert_eq!(without_seconds(&screens[1]), without_seconds(&screens[0]));
}

/// The hints that ours adds on a terminal, and the seconds of log lines, are left out.
fn without_seconds(screen: &str) -> Vec<String> {
    let lines = screen
        .lines()
        .filter(|line| !line.contains("hint:") && !line.ends_with(" asks for a login."));
    lines
        .map(|line| match line.split_once("m[00") {
            Some((before, after)) => format!("{before}{}", after.get(3..).unwrap_or(after)),
            None => line.to_owned(),
        })
        .collect()
}

/// Case 95.
#[test]
fn log_lines_on_a_terminal_are_gos() {
    let scene = Scene::new(&[("*", "pull")]);
    let screens = PAIR.map(|tool| {
        let user = scene.reader();
        user.expect(tool, &["list", GUN]).unwrap();
        scene.proxy.set(|_, path| match path {
            "/v2/" => Fault::None,
            _ => Fault::Status(503),
        });
        let program = user.command(tool, &["list", GUN]).unwrap();
        let screen = |variable: &str| {
            let line = format!("{} > out", command_line(&program));
            let mut command = Command::new("sh");
            command.args(["-c", &line]);
            user.dress(&mut command);
            command.env("TERM", "dumb").env(variable, "1");
            let (status, screen) = Terminal::spawn(&command).unwrap().finish().unwrap();
            assert_eq!(status.code(), Some(0), "{screen}");
            screen
        };
        let screen_and_out = (
            screen("ANYTHING"),
            std::fs::read_to_string(user.path("out")).unwrap(),
        );
        let plain = screen("NO_COLOR");
        scene.proxy.heal();
        (screen_and_out, plain)
    });
    let [((go, go_out), _), ((our, our_out), plain)] = screens;
    assert_eq!(our, go);
    assert!(
        our.contains("\x1b[33mWARN\x1b[0m[0000] Error while downloading"),
        "{our}"
    );
    assert!(our_out.starts_with("NAME "), "{our_out}");
    assert_eq!(our_out, go_out);
    assert!(
        plain.starts_with("WARN[0000] Error while downloading") && !plain.contains('\x1b'),
        "{plain}"
    );
}

/// Case 52: what writes shows the login at once, and asks for it once.
#[test]
fn a_publish_sends_the_login_at_once() {
    let scene = Scene::new(&[("*", "pull")]);
    let mut owner = scene.owner();
    let gun = "example.com/other";
    owner.set("NOTARY_AUTH", &auth("alice:wonderland"));
    owner.expect(Tool::Notary, &["init", gun, "-p"]).unwrap();
    owner.unset("NOTARY_AUTH");
    let [go, our] = PAIR.map(|tool| {
        let words = ["addhash", gun, "v2", "12", "--sha256", HELLO];
        owner.expect(Tool::Notary, &words).unwrap();
        scene.take();
        let finished = owner
            .run_with_input(tool, &["publish", gun], "alice\nwonderland\n")
            .unwrap();
        let (tokens, requests) = scene.take();
        Ran {
            finished,
            tokens,
            requests,
        }
    });
    assert_eq!(our.finished.stdout, go.finished.stdout, "{}", our.finished);
    assert_eq!(
        our.finished.stdout,
        format!(
            "Pushing changes to {gun}\nEnter username: Enter password: \n\
             Successfully published changes for repository {gun}\n"
        )
    );
    assert_eq!(our.finished.stderr, "");
    let request = format!(
        "GET /token?account=alice&scope=repository%3Aexample.com%2Fother%3Apush%2Cpull&service=notary | {}",
        basic("alice:wonderland")
    );
    assert_eq!(
        (&our.tokens, &go.tokens),
        (&vec![request.clone()], &vec![request])
    );
    let posted = our.requests.iter().filter(|line| line.starts_with("POST "));
    assert_eq!(posted.count(), 1, "{:?}", our.requests);

    // Who may not is told; the changes stay.
    owner
        .expect(
            Tool::Notary,
            &["addhash", gun, "v3", "12", "--sha256", HELLO],
        )
        .unwrap();
    let [go, our] = PAIR.map(|tool| {
        owner
            .run_with_input(tool, &["publish", gun], "alice\nwrong\n")
            .unwrap()
    });
    assert_eq!(
        (&our.stdout, our.code),
        (&go.stdout, go.code),
        "{go}\n{our}"
    );
    assert_eq!(logged(&our), logged(&go));
    assert!(
        our.stdout
            .ends_with("\n* fatal: unauthorized: incorrect username or password\n"),
        "{our}"
    );
}

/// Everybody may see the catalogue here, so nobody is asked; and what a program reads has no question in it.
#[test]
fn a_program_reads_no_questions() {
    let everybody = [("catalog", "*"), ("*", "pull")];
    let scene = Scene::new(&everybody);
    let create = |scene: &Scene, input: &str| {
        let words = [
            "archive",
            "create",
            "--changefeed",
            "--format",
            "json",
            "-o",
            "a.tar.gz",
        ];
        let reader = scene.reader();
        let ran = reader.run_with_input(Tool::OurNotary, &words, input);
        (ran.unwrap(), scene.take().0)
    };
    let (ran, tokens) = create(&scene, "");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!ran.stderr.contains("Enter username"), "{ran}");
    assert!(
        tokens[0].contains("scope=registry%3Acatalog") && !tokens[0].contains("account="),
        "{tokens:?}"
    );

    let scene = Scene::new(&[]);
    let (ran, _) = create(&scene, "alice\nwonderland\n");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stderr.contains("Enter username: Enter password: \n"),
        "{ran}"
    );
    let told: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran}"));
    assert_eq!(told["repositories"], 1, "{ran}");
}
