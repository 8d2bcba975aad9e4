//! The files in `deploy/` and the examples of `docs/operations.md`: what they promise holds, and our server takes their configurations.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod stack;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use signet_testkit::certificate::Authority;
use signet_testkit::file;
use signet_testkit::http::Client;
use signet_testkit::port;
use signet_testkit::program::{self, Program};
use tempfile::TempDir;

const SYSTEMD_ANALYZE: Program = Program {
    name: "systemd-analyze",
    package: "systemd",
};
const PATIENCE: Duration = Duration::from_secs(60);
/// `s3cret`, hashed by libxcrypt's `crypt`.
const USERS: &str = "publisher:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    let text = text(name);
    let parts = text.split("\n---\n");
    parts
        .map(|part| serde_saphyr::from_str(part).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let found = documents.iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn a26_pods_have_no_privileges_and_no_neighbours() {
    for service in ["notary-server", "notary-signer"] {
        let all = documents(&format!("deploy/kubernetes/{service}.yaml"));
        for document in &all {
            assert!(document["apiVersion"].is_string(), "{document}");
            assert_eq!(document["metadata"]["namespace"], "notary", "{document}");
        }
        let deployment = of_kind(&all, "Deployment");
        assert_eq!(deployment["spec"]["replicas"], 2);
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], *labels);
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = &pod["containers"][0];
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"][0], "ALL");
        for probe in ["livenessProbe", "readinessProbe"] {
            assert!(container[probe].is_object(), "{probe}");
        }
        // Secrets come from secrets.
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(variable["valueFrom"]["secretKeyRef"].is_object(), "{name}");
        }
        let budget = of_kind(&all, "PodDisruptionBudget");
        assert_eq!(budget["spec"]["selector"]["matchLabels"], *labels);
        let policy = of_kind(&all, "NetworkPolicy");
        assert_eq!(policy["spec"]["podSelector"]["matchLabels"], *labels);
        let types: Vec<_> = policy["spec"]["policyTypes"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(types, ["Ingress", "Egress"]);
        assert_eq!(of_kind(&all, "Service")["spec"]["selector"], *labels);
    }
}

#[test]
fn a26_migrations_have_no_privileges_and_no_clients() {
    let jobs = documents("deploy/kubernetes/migrate.yaml");
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        assert_eq!(job["kind"], "Job");
        let template = &job["spec"]["template"];
        let label = template["metadata"]["labels"]["app"].as_str().unwrap();
        // A service would send clients to a pod with its label.
        let service = label.strip_suffix("-migrate").unwrap();
        let all = documents(&format!("deploy/kubernetes/{service}.yaml"));
        let pod = &template["spec"];
        let deployed = &of_kind(&all, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let (container, other) = (&pod["containers"][0], &deployed["containers"][0]);
        assert_eq!(container["securityContext"], other["securityContext"]);
        assert_eq!(container["image"], other["image"]);
        assert_eq!(container["args"][0], "migrate");
        assert_eq!(container["args"][2], other["args"][1]);
        assert_eq!(container["env"][0], other["env"][0]);
        let (volume, config) = (&pod["volumes"][0], of_kind(&all, "ConfigMap"));
        assert_eq!(volume["configMap"]["name"], config["metadata"]["name"]);
    }
}

#[test]
fn a26_containers_of_compose_have_no_privileges() {
    let compose = &documents("deploy/compose/compose.yaml")[0];
    for service in ["server", "signer"] {
        let service = &compose["services"][service];
        assert_eq!(service["read_only"], true);
        assert_eq!(service["user"], "65532:65532");
        assert_eq!(service["cap_drop"][0], "ALL");
        assert_eq!(service["security_opt"][0], "no-new-privileges:true");
    }
    // Nobody outside reaches the signer or the database.
    assert!(compose["services"]["signer"]["ports"].is_null());
    assert!(compose["services"]["database"]["ports"].is_null());
    assert_eq!(compose["networks"]["private"]["internal"], true);
}

#[test]
fn a26_images_are_not_root_and_have_no_shell() {
    let text = text("deploy/container/Containerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    assert_eq!(stages.len(), 3);
    for stage in &stages[1..] {
        assert!(stage.starts_with("gcr.io/distroless/"), "{stage}");
        assert!(stage.contains("\nUSER 65532:65532\n"), "{stage}");
        assert!(stage.contains("\nENTRYPOINT [\""), "{stage}");
        assert!(!stage.contains("\nRUN "), "{stage}");
    }
    for package in stages[0].split(" -p ").skip(1) {
        let name = package.split_whitespace().next().unwrap();
        let folder = name.strip_prefix("signet-").unwrap();
        assert!(
            path(&format!("crates/{folder}/Cargo.toml")).is_file(),
            "{name}"
        );
    }
}

#[test]
fn a26_units_are_confined() {
    let analyze = SYSTEMD_ANALYZE.find().unwrap();
    for service in ["notary-server", "notary-signer"] {
        let unit = path(&format!("deploy/systemd/{service}.service"));
        let output = Command::new(&analyze)
            .args(["security", "--offline=true", "--no-pager", "--threshold=15"])
            .arg(&unit)
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{report}");
        assert!(report.contains("Overall exposure level"), "{report}");
        let output = Command::new(&analyze)
            .arg("verify")
            .arg(&unit)
            .output()
            .unwrap();
        let faults = String::from_utf8_lossy(&output.stderr);
        // The program is not installed here; nothing else is wrong.
        let others: Vec<_> = faults
            .lines()
            .filter(|line| line.contains(service) && !line.contains("is not executable"))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// A server with the configuration of an example, whose database, keys and files are others.
struct Example {
    child: Child,
    client: Client,
    log: PathBuf,
    _folder: TempDir,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let authority = Authority::new("test").unwrap();
        let identity = authority.issue().unwrap();
        file::write(&at("server.json"), configuration).unwrap();
        file::write(&at("users"), USERS).unwrap();
        file::write(&at("c.pem"), &identity.certificate_pem).unwrap();
        file::write(&at("k.pem"), &identity.key_pem).unwrap();
        let address = port::free().unwrap();
        let log = at("log");
        let mut command = Command::new(program::ours("notary-server").unwrap());
        command
            .env_clear()
            .arg("-config")
            .arg(at("server.json"))
            .env("NOTARY_SERVER_SERVER_HTTP_ADDR", address.to_string())
            .env("NOTARY_SERVER_SERVER_TLS_CERT_FILE", at("c.pem"))
            .env("NOTARY_SERVER_SERVER_TLS_KEY_FILE", at("k.pem"))
            .env("NOTARY_SERVER_STORAGE_BACKEND", "memory")
            .env("NOTARY_SERVER_TRUST_SERVICE_TYPE", "local")
            .env("NOTARY_SERVER_AUTH_OPTIONS_PATH", at("users"))
            .env("NOTARY_SERVER_LIMITS_SURVEY_PERIOD", "1")
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap());
        if configuration.contains("\"audit\": { \"file\"") {
            command.env("NOTARY_SERVER_AUDIT_FILE", at("audit.log"));
        }
        let child = command.spawn().unwrap();
        let example = Self {
            child,
            client: Client::tls(address, &authority.pem()).unwrap(),
            log,
            _folder: folder,
        };
        let start = Instant::now();
        while !example
            .client
            .get("/readyz")
            .is_ok_and(|answer| answer.text().contains("\"repositories\":0"))
        {
            assert!(start.elapsed() < PATIENCE, "{}", example.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        example
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// The configurations of the examples.
fn configurations() -> Vec<(&'static str, String)> {
    let manifests = documents("deploy/kubernetes/notary-server.yaml");
    let of_pods = of_kind(&manifests, "ConfigMap")["data"]["server.json"].as_str();
    let manual = text("docs/operations.md");
    let of_manual = manual.split("```json").nth(1).unwrap();
    let of_manual = of_manual.split("```").next().unwrap();
    vec![
        ("compose", text("deploy/compose/server.json")),
        ("kubernetes", of_pods.unwrap().to_owned()),
        ("manual", of_manual.to_owned()),
    ]
}

#[test]
fn the_server_takes_the_configurations_and_has_the_series_of_the_alerts() {
    for (name, configuration) in configurations() {
        let example = Example::start(&configuration);
        let log = example.log();
        assert!(
            !log.contains("means nothing to this server"),
            "{name}: {log}"
        );
        assert!(!log.contains("whom"), "{name}: a rule names nobody: {log}");
        let ask = |path: &str| example.client.get(path).unwrap();
        assert_eq!(ask("/v2/").status, 401, "{name}");
        assert_eq!(ask("/livez").status, 200, "{name}");
        let metrics = ask("/metrics").text();
        let rules = &documents("deploy/prometheus/rules.yaml")[0];
        let rules = rules["groups"][0]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 8);
        for rule in rules {
            assert!(rule["alert"].is_string() && rule["annotations"]["summary"].is_string());
            let expression = rule["expr"].as_str().unwrap();
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let words = expression.split(|c| !is_part(c));
            for series in words.filter(|word| word.starts_with("notary_server_")) {
                assert!(
                    metrics.contains(&format!("\n{series}")),
                    "{series}: {metrics}"
                );
            }
        }
    }
}
