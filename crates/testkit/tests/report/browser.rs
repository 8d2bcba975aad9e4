//! The page in a browser: it asks nobody for anything, its charts and tables work, and hostile names are names.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::json;
use signet_testkit::fleet::Fleet;
use signet_testkit::peer::{Browser, TrustServer};
use signet_testkit::process::{COMMAND_LIMIT, run};
use signet_testkit::program::OPENSSL;
use signet_testkit::user::{Tool, User};

/// Runs wherever it is taken for markup, and says so.
const MARKUP: &str =
    "\"><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
/// The same, as long as a common name may be.
const MARKUP_IN_CERTIFICATE: &str = "\"><img src=x onerror=document.title='owned'>";
/// Would be computed in a spreadsheet.
const FORMULA: &str = "=HYPERLINK(\"http://192.0.2.1/\",\"x\")";
/// Turns what follows around, where it is obeyed.
const TURNED: &str = "safe\u{202e}gpj.exe";

fn page(user: &User, arguments: &[&str]) -> PathBuf {
    let path = user.path("report.html");
    let line = [
        &["report", "--format", "html", "-o", "report.html"],
        arguments,
    ]
    .concat();
    user.expect(Tool::OurNotary, &line).unwrap();
    path
}

fn open(browser: &Browser, page: &Path) {
    browser.open(page).unwrap();
    let asked = browser.requests().unwrap();
    let own = format!("file://{}", page.display());
    assert_eq!(asked, [own], "the page asks for nothing but itself");
    assert_eq!(browser.log().unwrap(), [""; 0], "nothing is logged");
}

fn number(browser: &Browser, script: &str) -> u64 {
    browser.script(script).unwrap().as_u64().unwrap()
}

/// Where pictures of the page go, for people who want to see it: the folder named by `SIGNET_PICTURES`.
static PICTURES: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os("SIGNET_PICTURES").map(PathBuf::from));

fn pictures(browser: &Browser, name: &str) {
    let Some(folder) = &*PICTURES else {
        return;
    };
    browser.script("for (const id of ['r0', 'r1']) { const part = document.getElementById(id); if (part) part.open = true; }").unwrap();
    for (medium, scheme) in [("screen", "light"), ("screen", "dark"), ("print", "light")] {
        let scheme_feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"media": medium, "features": scheme_feature});
        browser
            .command("Emulation.setEmulatedMedia", &media)
            .unwrap();
        let path = folder.join(format!("{name}-{medium}-{scheme}.png"));
        browser.picture(&path).unwrap();
    }
    browser
        .command(
            "Emulation.setEmulatedMedia",
            &json!({"media": "", "features": []}),
        )
        .unwrap();
}

#[test]
fn charts_sorting_and_filter_work_without_the_network() {
    let fleet = Fleet::mixed(250).unwrap();
    let user = fleet.stranger().unwrap();
    let guns: Vec<&str> = fleet
        .members()
        .iter()
        .map(|member| member.gun.as_str())
        .collect();
    let page = page(&user, &guns);
    let browser = Browser::start(1280, 900).unwrap();
    open(&browser, &page);

    // Six charts, each drawn, each with words for those who do not see it and with its numbers.
    assert_eq!(
        number(
            &browser,
            "return document.querySelectorAll('figure svg[role=img][aria-label]').length"
        ),
        6
    );
    assert_eq!(
        number(
            &browser,
            "return document.querySelectorAll('figure details table tbody').length"
        ),
        6
    );
    let drawn = "return [...document.querySelectorAll('figure svg')].filter(svg => \
        svg.getBoundingClientRect().height > 40 && [...svg.querySelectorAll('rect')].some(rect => rect.getBoundingClientRect().width > 10)).length";
    assert_eq!(number(&browser, drawn), 6);
    // Every repository has its row and its details; the first page of rows is shown.
    let rows = "return document.querySelectorAll('#repository-table tbody tr').length";
    assert_eq!(number(&browser, rows), 250);
    let shown = "return [...document.querySelectorAll('#repository-table tbody tr')].filter(row => !row.hidden).length";
    assert_eq!(number(&browser, shown), 200);
    assert_eq!(
        number(
            &browser,
            "return document.querySelectorAll('details.repository').length"
        ),
        250
    );

    // Sorted by tags, the most at the end and then at the top.
    let press = "const table = document.getElementById('repository-table'); table.tHead.rows[0].cells[2].querySelector('button').click(); \
        const tags = [...table.tBodies[0].rows].map(row => Number(row.cells[2].dataset.v)); \
        return [table.tHead.rows[0].cells[2].getAttribute('aria-sort'), tags.every((n, i) => !i || tags[i - 1] <= n), tags.every((n, i) => !i || tags[i - 1] >= n)]";
    assert_eq!(
        browser.script(press).unwrap(),
        json!(["ascending", true, false])
    );
    assert_eq!(
        browser.script(press).unwrap(),
        json!(["descending", false, true])
    );

    // The filter, by what stands in the row and by a finding's code.
    let wait = "return new Promise(done => { const filter = document.getElementById('filter'); filter.value = WORDS; \
        filter.dispatchEvent(new Event('input')); setTimeout(() => done([...document.querySelectorAll('#repository-table tbody tr')].filter(row => !row.hidden).length), 300); })";
    for (words, expected) in [
        ("expired", 1),
        ("degraded broken", 1),
        ("shared-key", 28),
        ("no such thing", 0),
    ] {
        let found = number(&browser, &wait.replace("WORDS", &format!("'{words}'")));
        if words == "shared-key" {
            let nested = guns.iter().filter(|gun| gun.contains("/nested/")).count() as u64;
            assert_eq!(found, nested, "{expected}");
        } else {
            assert_eq!(found, expected, "{words}");
        }
    }
    // A link leads to the details, which open.
    let follow = "const filter = document.getElementById('filter'); filter.value = ''; filter.dispatchEvent(new Event('input')); \
        document.querySelector('#repository-table a[href=\"#r7\"]').click(); return new Promise(done => setTimeout(() => done(document.getElementById('r7').open), 300))";
    assert_eq!(browser.script(follow).unwrap(), json!(true));
    assert_eq!(browser.log().unwrap(), [""; 0]);
    pictures(&browser, "fleet");
}

/// A repository whose name, tags and certificates are hostile.
fn hostile(server: &TrustServer) -> (User, String) {
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let gun = format!("r.example/{MARKUP}{TURNED}");
    user.expect(Tool::Notary, &["init", &gun, "-p"]).unwrap();
    let digest = "5".repeat(64);
    for name in [MARKUP, FORMULA, TURNED, "-1+1", "@SUM(A1)"] {
        // Also names that begin like a flag.
        let line = ["addhash", "--sha256", &digest, "--", &gun, name, "5"];
        user.expect(Tool::Notary, &line).unwrap();
    }
    let openssl = OPENSSL.find().unwrap();
    let mut command = std::process::Command::new(openssl);
    let subject = format!("/CN={MARKUP_IN_CERTIFICATE}");
    command.current_dir(user.home()).args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem",
        "-days", "20", "-subj", &subject,
    ]);
    run(&mut command, "", COMMAND_LIMIT)
        .unwrap()
        .success()
        .unwrap();
    let delegate = [
        "delegation",
        "add",
        &gun,
        "targets/releases",
        "c.pem",
        "--all-paths",
    ];
    user.expect(Tool::Notary, &delegate).unwrap();
    user.expect(Tool::Notary, &["publish", &gun]).unwrap();
    user.expect(Tool::Notary, &["list", &gun]).unwrap();
    (user, gun)
}

#[test]
fn hostile_names_are_names() {
    let server = TrustServer::go().unwrap();
    let (user, gun) = hostile(&server);
    let page = page(&user, &["--trust-dir", ".docker/trust"]);
    let browser = Browser::start(1000, 800).unwrap();
    open(&browser, &page);
    let title = browser.script("return document.title").unwrap();
    assert!(
        title.as_str().unwrap().starts_with("Trust inventory of"),
        "{title}"
    );
    assert_eq!(
        number(
            &browser,
            "return document.querySelectorAll('img, iframe, object, link, base').length"
        ),
        0
    );
    assert_eq!(
        number(
            &browser,
            "return document.querySelectorAll('script').length"
        ),
        1
    );
    // They are there, as text.
    let names = browser
        .script("return [...document.querySelectorAll('bdi')].map(name => name.textContent)")
        .unwrap();
    let names: Vec<&str> = super::texts(&names);
    for name in [
        MARKUP,
        MARKUP_IN_CERTIFICATE,
        FORMULA,
        "-1+1",
        "safe\\u202egpj.exe",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(names.contains(&gun.replace('\u{202e}', "\\u202e").as_str()));
    let whole = std::fs::read_to_string(&page).unwrap();
    assert!(!whole.contains('\u{202e}'));
    // Were something of them run after all, the policy of the page would stop it.
    browser.script("const added = document.createElement('div'); added.innerHTML = '<img src=x onerror=\"document.title=1\">'; document.body.append(added)").unwrap();
    let log = browser.log().unwrap();
    assert!(
        log.iter()
            .any(|line| line.contains("Content Security Policy")),
        "{log:?}"
    );
    assert_eq!(browser.script("return document.title").unwrap(), title);
    pictures(&browser, "hostile");

    // In the other forms.
    let csv = [
        "report",
        "--trust-dir",
        ".docker/trust",
        "--format",
        "csv",
        "--rows",
        "tags",
    ];
    let csv = user.expect(Tool::OurNotary, &csv).unwrap();
    for cell in ["'=HYPERLINK", "'-1+1", "'@SUM(A1)", "safe\\u202egpj.exe"] {
        assert!(csv.contains(cell), "{csv}");
    }
    for form in ["text", "json", "csv"] {
        let line = ["report", "--trust-dir", ".docker/trust", "--format", form];
        let printed = user.expect(Tool::OurNotary, &line).unwrap();
        assert!(!printed.contains(['\u{202e}', '\u{1b}']), "{printed}");
    }
}
