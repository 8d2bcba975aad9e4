//! Server, signer and PostgreSQL as the examples set them up: with their configurations, names of files and variables, and the
//! databases that their script makes.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use signet_testkit::certificate::{Authority, Identity};
use signet_testkit::http::Client;
use signet_testkit::peer::PostgreSql;
use signet_testkit::process::{COMMAND_LIMIT, Group, Service, run};
use signet_testkit::program::PSQL;
use signet_testkit::{file, port, program};
use tempfile::TempDir;

use super::{USERS, documents, of_kind, path, text};

/// One way to run both services.
struct Example {
    name: &'static str,
    server: Part,
    signer: Part,
}

/// A service of an example.
struct Part {
    program: &'static str,
    configuration: String,
    /// What the example calls the files of TLS: the certificate, its key, and those that it has beside them.
    files: Vec<(&'static str, Content)>,
    /// The names of the variables that the example sets, and those that it sets to paths of files.
    variables: Vec<String>,
    paths: BTreeMap<String, String>,
}

/// What is in a file.
#[derive(Clone, Copy)]
enum Content {
    Certificate,
    Key,
    Authority,
}

use Content::{Authority as Ca, Certificate as Crt, Key};

fn compose() -> Example {
    let compose = documents("deploy/compose/compose.yaml").remove(0);
    let variables = |service: &str| {
        let names = compose["services"][service]["environment"].as_object();
        names.unwrap().keys().cloned().collect()
    };
    Example {
        name: "compose",
        server: Part {
            program: "notary-server",
            configuration: text("deploy/compose/server.json"),
            files: vec![
                ("server.crt", Crt),
                ("server.key", Key),
                ("client.crt", Crt),
                ("client.key", Key),
                ("ca.crt", Ca),
            ],
            variables: variables("server"),
            paths: BTreeMap::new(),
        },
        signer: Part {
            program: "notary-signer",
            configuration: text("deploy/compose/signer.json"),
            files: vec![("signer.crt", Crt), ("signer.key", Key), ("ca.crt", Ca)],
            variables: variables("signer"),
            paths: BTreeMap::new(),
        },
    }
}

fn kubernetes() -> Example {
    let part = |program: &'static str, key: &str| {
        let all = documents(&format!("deploy/kubernetes/{program}.yaml"));
        let configuration = of_kind(&all, "ConfigMap")["data"][key].as_str().unwrap();
        let pod = &of_kind(&all, "Deployment")["spec"]["template"]["spec"];
        let variables = pod["containers"][0]["env"].as_array().unwrap().iter();
        let variables = variables.map(|one| one["name"].as_str().unwrap().to_owned());
        Part {
            program,
            configuration: configuration.to_owned(),
            files: vec![("tls.crt", Crt), ("tls.key", Key), ("ca.crt", Ca)],
            variables: variables.collect(),
            paths: BTreeMap::new(),
        }
    };
    Example {
        name: "kubernetes",
        server: part("notary-server", "server.json"),
        signer: part("notary-signer", "signer.json"),
    }
}

/// The units, with the configurations of Compose, whose files of TLS are not there: those of the units count.
fn units() -> Example {
    let part = |part: Part| {
        let unit = text(&format!("deploy/systemd/{}.service", part.program));
        let lines = unit
            .lines()
            .filter_map(|line| line.strip_prefix("Environment="));
        let paths: BTreeMap<String, String> = lines
            .map(|line| line.split_once("=%d/tls_").unwrap())
            .map(|(name, file)| (name.to_owned(), file.to_owned()))
            .collect();
        assert!(paths.len() >= 3, "{paths:?}");
        Part {
            configuration: part
                .configuration
                .replace("/etc/notary/tls/", "/nonexistent/"),
            paths,
            ..part
        }
    };
    let Example { server, signer, .. } = compose();
    Example {
        name: "units",
        server: part(server),
        signer: part(signer),
    }
}

impl Part {
    /// Its configuration in a folder of the test.
    fn configure(&self, folder: &Path) {
        let tls = format!("{}/tls/", folder.display());
        let users = format!("{}/users/", folder.display());
        let configuration = self.configuration.replace("/etc/notary/tls/", &tls);
        let configuration = configuration.replace("/etc/notary/users/", &users);
        file::write(&folder.join("config.json"), configuration).unwrap();
    }

    /// Its files.
    fn equip(&self, folder: &Path, authority: &Authority) {
        fs::create_dir_all(folder.join("tls")).unwrap();
        fs::create_dir_all(folder.join("users")).unwrap();
        file::write(&folder.join("users/htpasswd"), USERS).unwrap();
        let mut identity: Option<Identity> = None;
        for (name, content) in &self.files {
            let text = match content {
                Crt => {
                    let issued = authority.issue().unwrap();
                    identity.insert(issued).certificate_pem.clone()
                }
                Key => identity.as_ref().unwrap().key_pem.clone(),
                Ca => authority.pem(),
            };
            file::write(&folder.join("tls").join(name), text).unwrap();
        }
    }

    fn command(&self, folder: &Path, known: &BTreeMap<&str, String>) -> Command {
        let mut command = Command::new(program::ours(self.program).unwrap());
        command
            .env_clear()
            .arg("-config")
            .arg(folder.join("config.json"));
        for name in &self.variables {
            let value = known.get(name.as_str());
            command.env(name, value.unwrap_or_else(|| panic!("no value for {name}")));
        }
        for (name, file) in &self.paths {
            command.env(name, folder.join("tls").join(file));
        }
        command
    }

    /// Makes its tables, as it is done before there are certificates and passphrases.
    fn migrate(&self, folder: &Path, url: &str) {
        let mut command = Command::new(program::ours(self.program).unwrap());
        let variable = format!(
            "{}_STORAGE_DB_URL",
            self.program.to_uppercase().replace('-', "_")
        );
        command.env_clear().env(variable, url);
        command.args(["migrate", "-config"]);
        command.arg(folder.join("config.json"));
        let finished = run(&mut command, "", COMMAND_LIMIT).unwrap();
        assert!(finished.success().unwrap().contains("ready"));
    }

    fn start(&self, mut command: Command, folder: &Path, address: SocketAddr) -> Service {
        let log = folder.join("log");
        let mut service = Service::spawn(self.program, &mut command, &log, Group::Own).unwrap();
        service.wait_listening(address).unwrap();
        service
    }
}

/// Makes the databases as the container of PostgreSQL does at its first start.
fn make_databases(database: &PostgreSql) {
    // It has one of the test kit's by this name.
    let mut clear = Command::new(PSQL.find().unwrap());
    clear.args(["--command", "DROP DATABASE notaryserver"]);
    for command in [
        &mut clear,
        &mut Command::new(path("deploy/compose/databases.sh")),
    ] {
        command
            .env("PGHOST", database.socket_folder())
            .env("PGPORT", database.address().port().to_string())
            .env("PGUSER", "postgres")
            .env("SERVER_DB_PASSWORD", "one")
            .env("SIGNER_DB_PASSWORD", "it's two");
        let finished = run(command, "", COMMAND_LIMIT).unwrap();
        finished.success().unwrap();
    }
}

fn works(example: &Example) {
    let database = PostgreSql::start().unwrap();
    make_databases(&database);
    let url = |user: &str, password: &str, name: &str| {
        format!(
            "host={} port={} user={user} password={password} dbname={name} sslmode=disable",
            database.socket_folder().display(),
            database.address().port()
        )
    };
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [server_folder, signer_folder] = folders.each_ref().map(TempDir::path);
    let authority = Authority::new("test").unwrap();
    let known = BTreeMap::from([
        (
            "NOTARY_SERVER_STORAGE_DB_URL",
            url("server", "one", "notaryserver"),
        ),
        (
            "NOTARY_SIGNER_STORAGE_DB_URL",
            url("signer", "'it\\'s two'", "notarysigner"),
        ),
        ("NOTARY_SIGNER_TIMESTAMP_1", "of the first alias".to_owned()),
    ]);
    for (part, folder, variable) in [
        (
            &example.server,
            server_folder,
            "NOTARY_SERVER_STORAGE_DB_URL",
        ),
        (
            &example.signer,
            signer_folder,
            "NOTARY_SIGNER_STORAGE_DB_URL",
        ),
    ] {
        part.configure(folder);
        part.migrate(folder, &known[variable]);
        part.equip(folder, &authority);
    }

    let address = port::free().unwrap();
    let mut command = example.signer.command(signer_folder, &known);
    command.env("NOTARY_SIGNER_SERVER_GRPC_ADDR", address.to_string());
    let signer = example.signer.start(command, signer_folder, address);
    let signer_port = address.port().to_string();
    let address = port::free().unwrap();
    let mut command = example.server.command(server_folder, &known);
    command
        .env("NOTARY_SERVER_SERVER_HTTP_ADDR", address.to_string())
        .env("NOTARY_SERVER_TRUST_SERVICE_HOSTNAME", "localhost")
        .env("NOTARY_SERVER_TRUST_SERVICE_PORT", signer_port);
    let server = example.server.start(command, server_folder, address);

    let client = Client::tls(address, &authority.pem()).unwrap();
    let ready = client.get("/readyz").unwrap();
    assert_eq!(ready.status, 200, "{}: {}", example.name, ready.text());
    let client = client.with_basic("publisher", "s3cret");
    let key = "/v2/registry.example.com/team/app/_trust/tuf/timestamp.key";
    let answer = client.get(key).unwrap();
    let logs = format!("{}\n{}", server.log(), signer.log());
    assert_eq!(answer.status, 200, "{}: {logs}", example.name);
    assert!(answer.text().contains("ecdsa"), "{}", answer.text());
    for complaint in ["means nothing", "\"warning\"", "\"error\""] {
        assert!(!logs.contains(complaint), "{}: {logs}", example.name);
    }
}

#[test]
fn compose_runs_on_postgresql() {
    works(&compose());
}

#[test]
fn kubernetes_runs_on_postgresql() {
    works(&kubernetes());
}

#[test]
fn the_units_give_the_services_their_files() {
    works(&units());
}
