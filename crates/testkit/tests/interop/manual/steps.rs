//! The steps of the walk.

/// Who does a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Does {
    /// `docker trust` or `docker-trust`, whoever's turn it is.
    Trust,
    /// `notary`, Go's or ours.
    Notary,
    /// A shell, for the manual's `openssl` lines and for what lies around the walk.
    Shell,
}

/// Which trust server the step is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Server {
    /// The one of the walk.
    Trust,
    /// One that knows nothing of trust.
    Unaware,
    /// Nobody listens there.
    Down,
}

/// What we print, made from what docker prints.
pub(super) type Differs = fn(&str) -> String;

/// One command line of the walk.
pub(super) struct Step {
    /// Its number in the specification's table of the manual, or what it is for.
    pub(super) what: &'static str,
    pub(super) does: Does,
    /// Its words; see `World::word`.
    pub(super) line: &'static str,
    /// Answers to questions that are no passphrases.
    pub(super) answers: &'static [&'static str],
    pub(super) server: Server,
    /// Whether it has a configuration folder of its own.
    pub(super) elsewhere: bool,
    /// Whether what it prints is compared.
    pub(super) prints: bool,
    /// What we print instead, and our exit code.
    pub(super) ours: Option<(Differs, i32)>,
    /// What `notary` must do after docker to arrive where we are.
    pub(super) repair: &'static [(&'static str, &'static str)],
}

impl Step {
    const fn new(what: &'static str, does: Does, line: &'static str) -> Self {
        Self {
            what,
            does,
            line,
            answers: &[],
            server: Server::Trust,
            elsewhere: false,
            prints: true,
            ours: None,
            repair: &[],
        }
    }

    const fn trust(what: &'static str, line: &'static str) -> Self {
        Self::new(what, Does::Trust, line)
    }

    pub(super) const fn notary(what: &'static str, line: &'static str) -> Self {
        Self::new(what, Does::Notary, line)
    }

    /// A step whose output is not looked at, only its exit code.
    const fn shell(what: &'static str, line: &'static str) -> Self {
        let mut step = Self::new(what, Does::Shell, line);
        step.prints = false;
        step
    }

    const fn answers(mut self, answers: &'static [&'static str]) -> Self {
        self.answers = answers;
        self
    }

    const fn at(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    const fn elsewhere(mut self) -> Self {
        self.elsewhere = true;
        self
    }

    const fn ours(mut self, code: i32, differs: Differs) -> Self {
        self.ours = Some((differs, code));
        self
    }

    const fn repair(mut self, lines: &'static [(&'static str, &'static str)]) -> Self {
        self.repair = lines;
        self
    }
}

pub(super) const STEPS: &[Step] = &[
    Step::shell(
        "a key of somebody else",
        "openssl ecparam -name prime256v1 -genkey -noout -out other.key && openssl ec -in other.key -pubout -out other.pub",
    ),
    Step::trust("M2", "signer add --key other.pub jeff R")
        .at(Server::Unaware)
        .elsewhere()
        // The repository key is made once the server has given its own.
        .ours(1, |docker| {
            docker
                .lines()
                .filter(|line| !line.contains(" new repository key "))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
                .trim_end()
                .to_owned()
        }),
    Step::trust("M8", "key generate jeff"),
    Step::shell("openssl genrsa", "openssl genrsa -out delegation.key 2048"),
    Step::shell(
        "openssl req",
        "openssl req -new -sha256 -key delegation.key -out delegation.csr",
    ),
    Step::shell(
        "openssl x509",
        "openssl x509 -req -sha256 -days 365 -in delegation.csr -signkey delegation.key -out delegation.crt",
    ),
    Step::trust("M9", "key load delegation.key --name jeff"),
    Step::notary("key list", "key list"),
    Step::trust("a first repository", "signer add --key jeff.pub jeff R2"),
    Step::trust("M10", "signer add --key delegation.crt jeff R"),
    Step::trust("M11", "inspect --pretty R"),
    Step::notary("delegation list", "delegation list R"),
    Step::trust("ben's key", "key generate ben"),
    Step::trust("M12", "signer add --key ben.pub ben R"),
    Step::trust("M13", "inspect --pretty R"),
    Step::trust("M14", "signer add --key jeff.pub jeff R"),
    Step::trust("M15", "inspect --pretty R"),
    Step::trust("M16", "signer remove ben R")
        .ours(0, |_| {
            "Removing signer \"ben\" from registry.example.com/admin/demo...\n\
             Enter passphrase for repository key with ID <targets of demo>: \n\
             Successfully removed ben from registry.example.com/admin/demo\n"
                .to_owned()
        })
        .repair(&[
            ("ben's delegation", "delegation remove R targets/ben -y -p"),
            (
                "ben's key",
                "delegation remove R targets/releases KEY:ben -y -p",
            ),
        ]),
    Step::trust("without ben", "inspect --pretty R"),
    Step::shell(
        "an image",
        "echo one > file && tar -cf image.tar file && docker import image.tar R:v1",
    ),
    Step::trust("signs through the daemon", "sign R:v1"),
    Step::trust("JSON", "inspect R"),
    Step::trust("one tag", "inspect --pretty R:v1"),
    Step::shell("a trusted pull", "DOCKER_CONTENT_TRUST=1 docker pull R:v1"),
    Step::trust("signs again", "sign R:v1"),
    Step::shell(
        "another image",
        "echo two > file && tar -cf image.tar file && docker import image.tar R:v1 && docker tag R:v1 R:v2",
    ),
    Step::trust("signs the local image", "sign --local R:v1"),
    Step::trust("a second tag", "sign R:v2"),
    Step::trust("two tags", "inspect --pretty R"),
    Step::trust("not a signer", "signer remove cara R"),
    Step::trust("not to be removed", "signer remove releases R"),
    // The command of the manual's prose, which never existed.
    Step::trust("M7", "generate jeff").ours(1, |docker| {
        format!("{docker}\nhint: the command is docker-trust key generate")
    }),
    Step::shell(
        "an image for the second repository",
        "docker tag R:v1 R2:v1",
    ),
    Step::trust("signs in the second repository", "sign R2:v1"),
    Step::trust("ben is a signer there", "signer add --key ben.pub ben R2"),
    Step::trust("the last signer stays", "signer remove jeff R2").answers(&["n"]),
    Step::trust("the last signer goes", "signer remove jeff R2")
        .answers(&["y"])
        // The one who stays could vouch at once; here `notary` does it, as in the manual.
        .ours(0, |docker| {
            let question = "You have the key of ben, who stays: targets/releases can be signed again with it now, so that its tags can still be pulled.\n\
                            Only jeff vouches for 1 of them:\n  v1 sha256:<4>\n\
                            Sign targets/releases again as it is? [y/N] n\n";
            let warning = "time=\"…\" level=warning msg=\"nobody vouches for targets/releases of registry.example.com/admin/demo2 any more: \
                           its tags can be pulled again when a remaining signer signs one of them or witnesses the role \
                           (notary witness registry.example.com/admin/demo2 targets/releases --publish)\"\n";
            docker
                .replace("Enter passphrase", &format!("{question}Enter passphrase"))
                .replace("Successfully", &format!("{warning}Successfully"))
        }),
    Step::trust("M18", "inspect --pretty R2"),
    Step::notary("witness", "witness R2 targets/releases --publish"),
    Step::trust("after the witness", "inspect --pretty R2"),
    Step::notary(
        "the last key leaves the releases",
        "delegation remove R2 targets/releases KEY:ben --publish",
    ),
    Step::trust("a key comes back", "signer add --key ben.pub ben R2"),
    Step::notary("the key vouches", "witness R2 targets/releases --publish"),
    Step::trust("nobody is left", "signer remove ben R2").answers(&["y"]),
    Step::trust("M17", "inspect --pretty R2"),
    Step::trust("jeff is back", "signer add --key jeff.pub jeff R2"),
    Step::notary("witness again", "witness R2 targets/releases --publish"),
    Step::trust("jeff vouches", "inspect --pretty R2"),
    Step::notary("keys of the signers", "delegation list R"),
    Step::notary(
        "a key leaves the releases",
        "delegation remove R targets/releases KEY:jeff --publish",
    ),
    Step::notary(
        "the key leaves jeff",
        "delegation remove R targets/jeff KEY:jeff --publish",
    ),
    Step::notary("one key is left", "delegation list R"),
    Step::notary("the key is removed here", "key remove KEY:jeff").answers(&["y"]),
    Step::notary(
        "the other key vouches",
        "witness R targets/releases targets/jeff --publish",
    ),
    Step::notary("local keys", "key list"),
    Step::trust("revokes a tag", "revoke R:v2"),
    Step::trust("one tag is left", "inspect R"),
    Step::trust("declines", "revoke R").answers(&["n"]),
    Step::trust("accepts", "revoke R").answers(&["y"]),
    Step::trust("no tag is left", "inspect --pretty R"),
    Step::trust("nothing to revoke", "revoke -y R"),
    Step::trust("M3", "inspect R --pretty").at(Server::Down),
    Step::notary("delete", "delete R --remote"),
    // On a terminal the reason follows.
    Step::trust("M19", "inspect --pretty R").ours(1, |docker| {
        format!("{docker}\nhint: Error: remote trust data does not exist for registry.example.com/admin/demo: trust.example.com does not have trust data for registry.example.com/admin/demo")
    }),
];
