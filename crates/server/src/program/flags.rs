//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use signet_service::flags::{self, Asked, Given, UsageError};
use signet_service::telemetry;

/// What was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Serve, or prepare the storage.
    Run(Flags),
    /// Print a line for the file of users and passwords; the user's name, if one is given.
    HashPassword(Option<String>),
    /// Print the version.
    Version,
    /// Print how the program is used, on standard output and standard error as the Go program does.
    Usage,
    /// Print the same with explanations, on standard output.
    Help,
}

/// The flags of a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Flags {
    /// The trust archives to serve, in place of a storage.
    pub(crate) archives: Vec<PathBuf>,
    /// The configuration file; without one the built-in configuration is used.
    pub(crate) config: Option<PathBuf>,
    /// Check what is stored, then end; the form of the report.
    pub(crate) check: Option<CheckFormat>,
    /// Where the built-in configuration keeps its data.
    pub(crate) data_dir: Option<PathBuf>,
    /// The address to listen on, in place of the configured one.
    pub(crate) http_addr: Option<String>,
    /// The form of log lines.
    pub(crate) log_format: telemetry::Format,
    /// The switches that are on.
    pub(crate) switches: Switches,
}

/// The form of the report of a check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum CheckFormat {
    /// Lines with JSON objects.
    Json,
    /// Lines to be read.
    #[default]
    Text,
}

/// The flags that are on or off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent command line switches"
)]
pub(crate) struct Switches {
    /// With `bootstrap`: have names compared by their bytes where the database would not.
    pub(crate) binary_names: bool,
    /// Create or upgrade the tables of the storage, then end.
    pub(crate) bootstrap: bool,
    /// Serve `/debug/` on localhost:8080.
    pub(crate) debug: bool,
    /// With `bootstrap`: say what would be done, and change nothing.
    pub(crate) dry_run: bool,
    /// Let the built-in configuration listen where others can connect, although it lets everybody publish.
    pub(crate) insecure_no_auth: bool,
    version: bool,
}

impl Command {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// [`UsageError`], after which the program prints its usage and ends with 2.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut flags = Flags::default();
        let mut arguments = arguments.into_iter().peekable();
        if arguments
            .next_if(|first| first == "hash-password")
            .is_some()
        {
            return Self::parse_hash_password(arguments);
        }
        flags.switches.bootstrap = arguments.next_if(|first| first == "migrate").is_some();
        let is_check = arguments.next_if(|first| first == "check").is_some();
        if is_check {
            flags.check = Some(CheckFormat::Text);
        }
        let values = if is_check { CHECK_VALUES } else { VALUES };
        let asked = flags::read(arguments, SWITCHES, values, |given| flags.take(given))?;
        let switches = &flags.switches;
        for (name, is_on) in [
            ("binary-names", switches.binary_names),
            ("dry-run", switches.dry_run),
        ] {
            // Nobody shall believe that a server only looks.
            if asked == Asked::Run && is_on && !switches.bootstrap && !switches.version {
                return Err(UsageError::Other(format!(
                    "-{name} goes with the command migrate: notary-server migrate -{name} ..."
                )));
            }
        }
        Ok(match asked {
            Asked::Usage => Self::Usage,
            Asked::Help => Self::Help,
            Asked::Run if flags.switches.version => Self::Version,
            Asked::Run => Self::Run(flags),
        })
    }

    /// What follows `hash-password`: at most one name.
    fn parse_hash_password(arguments: impl Iterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut user = None;
        for argument in arguments {
            let text = argument.to_string_lossy().into_owned();
            match text.trim_start_matches('-') {
                "h" | "help" if text.starts_with('-') => return Ok(Self::Help),
                _ if text.starts_with('-') => {
                    let flag = text.trim_start_matches('-').to_owned();
                    return Err(UsageError::Unknown(flag));
                }
                _ if user.is_some() => {
                    return Err(UsageError::Other(format!(
                        "hash-password takes the name of one user, and there is {text:?} too; the password is asked for, or read from standard input"
                    )));
                }
                _ => user = Some(text),
            }
        }
        Ok(Self::HashPassword(user))
    }
}

const SWITCHES: &[&str] = &[
    "binary-names",
    "bootstrap",
    "debug",
    "dry-run",
    "insecure-no-auth",
    "version",
];
const VALUES: &[&str] = &[
    "archive",
    "config",
    "data-dir",
    "http-addr",
    "listen",
    "logf",
];
/// The same for the command `check`, which has one more.
const CHECK_VALUES: &[&str] = &[
    "archive",
    "config",
    "data-dir",
    "format",
    "http-addr",
    "listen",
    "logf",
];

fn check_format(value: &OsString) -> Result<CheckFormat, UsageError> {
    match value.to_str() {
        Some("json") => Ok(CheckFormat::Json),
        Some("text") => Ok(CheckFormat::Text),
        _ => Err(UsageError::Value {
            flag: "format",
            value: value.to_string_lossy().into_owned(),
            reason: "must be json or text".to_owned(),
        }),
    }
}

impl Flags {
    fn take(&mut self, given: Given) -> Result<(), UsageError> {
        match given {
            Given::Switch("binary-names", on) => self.switches.binary_names = on,
            Given::Switch("dry-run", on) => self.switches.dry_run = on,
            Given::Switch("bootstrap", on) => self.switches.bootstrap = on,
            Given::Switch("debug", on) => self.switches.debug = on,
            Given::Switch("insecure-no-auth", on) => self.switches.insecure_no_auth = on,
            Given::Switch(_, on) => self.switches.version = on,
            Given::Value("archive", value) => self.archives.push(value.into()),
            Given::Value("config", value) => self.config = Some(value.into()),
            Given::Value("format", value) => self.check = Some(check_format(&value)?),
            Given::Value("data-dir", value) => self.data_dir = Some(value.into()),
            Given::Value("logf", value) => self.log_format = flags::log_format(&value)?,
            Given::Value(_, value) => self.http_addr = Some(value.to_string_lossy().into_owned()),
        }
        Ok(())
    }
}

/// The flags, in the form in which Go lists them.
pub(crate) const FLAG_LIST: &str = "  -archive file
    \tServe this trust archive, read-only, instead of a storage; may be given several times
  -binary-names
    \tWith migrate, on MySQL and MariaDB: compare names by their bytes from now on; the Go server works on
  -bootstrap
    \tDo any necessary setup of configured backend storage services
  -config string
    \tPath to configuration file
  -data-dir string
    \tWithout -config: folder of the database, keys and certificates (default \"$XDG_DATA_HOME/signet/notary-server\")
  -debug
    \tEnable the debugging server on localhost:8080
  -dry-run
    \tWith migrate: say what would be done, and change nothing
  -format string
    \tWith check: the form of the report, text or json (default \"text\")
  -http-addr string
    \tListen on this address instead of the configured one (also -listen)
  -insecure-no-auth
    \tWithout -config: allow an address that others can connect to, although everybody may publish
  -logf string
    \tSet the format of the logs. Only 'json' and 'logfmt' are supported at the moment. (default \"json\")
  -version
    \tPrint the version number of notary-server
";

/// What `--help` says besides [`FLAG_LIST`].
pub(crate) const EXAMPLES: &str = "
Stores, checks and serves the trust metadata of Docker Content Trust.

Examples:
  notary-server
        Just run: on https://localhost:4443, with an embedded database and a certificate of its own, and print
        the lines to paste so that docker trusts it.
  notary-server --data-dir /srv/trust --http-addr 127.0.0.1:5443
        The same with another folder and address.
  notary-server -config /etc/notary/server-config.json
        Run as configured. Every key can be overridden by a variable, for example NOTARY_SERVER_LOGGING_LEVEL=info.
  notary-server migrate -config /etc/notary/server-config.json
        Create or upgrade the tables of the configured database, then end (also -bootstrap). With -dry-run, only
        say what would be done.
  notary-server check -config /etc/notary/server-config.json
        Verify every stored checksum and signature, earlier versions too, while servers run. Ends with 1 when there
        is a fault; with -format json, every line is an object.
  notary-server hash-password alice >> /etc/notary/htpasswd
        Ask for a password, and print the line for the file of auth.type htpasswd.
  notary-server --archive trust.tar.gz
        Serve what was captured of other trust servers under its original names: to be read, and never changed.

Signals: SIGTERM and SIGINT finish what has begun, then end. SIGUSR1 and SIGUSR2 raise and lower the log level.
SIGHUP reads the certificates, the users and the archives again.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, UsageError> {
        Command::parse(
            line.split(' ')
                .filter(|word| !word.is_empty())
                .map(OsString::from),
        )
    }

    fn flags(line: &str) -> Flags {
        match parse(line) {
            Ok(Command::Run(flags)) => flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn one_dash_or_two_with_value_behind_or_after_equals() {
        for line in [
            "-config a.json",
            "--config a.json",
            "-config=a.json",
            "--config=a.json",
        ] {
            assert_eq!(flags(line).config, Some("a.json".into()), "{line}");
        }
        assert_eq!(
            flags("-archive a.tar.gz --archive=b.tar.gz").archives,
            [PathBuf::from("a.tar.gz"), PathBuf::from("b.tar.gz")]
        );
        assert_eq!(flags("--listen :1").http_addr.as_deref(), Some(":1"));
        assert_eq!(flags("-logf logfmt").log_format, telemetry::Format::Logfmt);
        assert!(
            flags("-debug -bootstrap=1 --insecure-no-auth")
                .switches
                .bootstrap
        );
        assert!(!flags("-debug=false").switches.debug);
    }

    #[test]
    fn reading_ends_at_the_first_other_argument() {
        assert_eq!(flags("-config a foo -nope").config, Some("a".into()));
        assert_eq!(flags("-config a -- -nope").config, Some("a".into()));
        assert_eq!(flags("- -nope").config, None);
    }

    // The texts were printed by notary-server 0.7.0.
    #[test]
    fn faults_are_named_as_in_go() {
        for (line, text) in [
            ("-nope", "flag provided but not defined: -nope"),
            ("--nope=1", "flag provided but not defined: -nope"),
            ("-version=false -x", "flag provided but not defined: -x"),
            ("-config", "flag needs an argument: -config"),
            (
                "-debug=x",
                "invalid boolean value \"x\" for -debug: parse error",
            ),
            ("---version", "bad flag syntax: ---version"),
            ("-=", "bad flag syntax: -="),
            (
                "-logf xml",
                "invalid value \"xml\" for flag -logf: invalid log format \"xml\": must be json or logfmt",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn migrate_is_bootstrap_and_has_flags_of_its_own() {
        let migrate = flags("migrate -config a -dry-run --binary-names").switches;
        assert!(migrate.bootstrap && migrate.dry_run && migrate.binary_names);
        assert!(flags("-bootstrap -dry-run").switches.dry_run);
        for flag in ["-dry-run", "-binary-names"] {
            assert_eq!(
                parse(flag).unwrap_err().to_string(),
                format!("{flag} goes with the command migrate: notary-server migrate {flag} ...")
            );
        }
        // Elsewhere the word is one that ends the flags.
        assert!(!flags("-debug migrate").switches.bootstrap);
    }

    #[test]
    fn version_and_help() {
        assert_eq!(parse("--version"), Ok(Command::Version));
        assert_eq!(parse("-debug -version -config x"), Ok(Command::Version));
        assert_eq!(parse("-h"), Ok(Command::Usage));
        assert_eq!(parse("--help"), Ok(Command::Help));
    }
}
