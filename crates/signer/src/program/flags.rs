//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use signet_service::flags::{self, Asked, Given, UsageError};
use signet_service::telemetry;

/// What was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Serve, or see to the key database.
    Run(Flags),
    /// Print the version.
    Version,
    /// Print the flags on standard error as the Go program does.
    Usage,
    /// Print the same with explanations, on standard output.
    Help,
}

/// The flags of a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent command line switches"
)]
pub(crate) struct Flags {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The form of log lines.
    pub(crate) log_format: telemetry::Format,
    /// Encrypt all keys for the passphrase of this alias, then end.
    pub(crate) rotate_alias: Option<String>,
    /// Create or upgrade the table of the key database, then end.
    pub(crate) bootstrap: bool,
    /// Decrypt every key, then end.
    pub(crate) check: bool,
    /// Serve `/debug/` on localhost:8080.
    pub(crate) debug: bool,
    /// With `rotate_alias` and `bootstrap`: change nothing.
    pub(crate) dry_run: bool,
    version: bool,
}

impl Command {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// [`UsageError`], after which the program prints its usage and ends with 2.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut arguments = arguments.into_iter().peekable();
        let mut flags = Flags {
            bootstrap: arguments.next_if(|first| first == "migrate").is_some(),
            check: arguments.next_if(|first| first == "check").is_some(),
            ..Flags::default()
        };
        let asked = flags::read(arguments, SWITCHES, VALUES, |given| flags.take(given))?;
        if asked == Asked::Run && !flags.version {
            flags.agree()?;
        }
        Ok(match asked {
            Asked::Usage => Self::Usage,
            Asked::Help => Self::Help,
            Asked::Run if flags.version => Self::Version,
            Asked::Run => Self::Run(flags),
        })
    }
}

const SWITCHES: &[&str] = &["bootstrap", "debug", "dry-run", "version"];
const VALUES: &[&str] = &["config", "logf", "rotate-alias"];

impl Flags {
    /// Whether the service is to run, and not work on the key database that ends.
    pub(crate) const fn serves(&self) -> bool {
        !self.bootstrap && !self.check && self.rotate_alias.is_none()
    }

    /// Refuses what would not be done.
    fn agree(&self) -> Result<(), UsageError> {
        let tasks = [self.bootstrap, self.check, self.rotate_alias.is_some()];
        let fault = if tasks.into_iter().filter(|asked| *asked).count() > 1 {
            "migrate, check and -rotate-alias are commands of their own: one at a time"
        } else if self.dry_run && (self.serves() || self.check) {
            // Nobody shall believe that a service only looks.
            "-dry-run goes with migrate or -rotate-alias: notary-signer migrate -dry-run ..."
        } else {
            return Ok(());
        };
        Err(UsageError::Other(fault.to_owned()))
    }

    fn take(&mut self, given: Given) -> Result<(), UsageError> {
        match given {
            Given::Switch("bootstrap", on) => self.bootstrap = on,
            Given::Switch("debug", on) => self.debug = on,
            Given::Switch("dry-run", on) => self.dry_run = on,
            Given::Switch(_, on) => self.version = on,
            Given::Value("config", value) => self.config = value.into(),
            Given::Value("logf", value) => self.log_format = flags::log_format(&value)?,
            Given::Value(_, value) => {
                self.rotate_alias = Some(value.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }
}

/// The flags, in the form in which Go lists them.
pub(crate) const FLAG_LIST: &str = "  -bootstrap
    \tDo any necessary setup of configured backend storage services
  -config string
    \tPath to configuration file
  -debug
    \tEnable the debugging server on localhost:8080
  -dry-run
    \tWith migrate: say what would be done; with -rotate-alias: decrypt and encrypt every key; change nothing
  -logf string
    \tSet the format of the logs. Only 'json' and 'logfmt' are supported at the moment. (default \"json\")
  -rotate-alias alias
    \tEncrypt every key for the passphrase of this alias, then end
  -version
    \tPrint the version number of notary-signer
";

/// What `--help` says besides [`FLAG_LIST`].
pub(crate) const EXAMPLES: &str = "
Keeps the signing keys of trust servers, and signs with them.

Examples:
  notary-signer -config /etc/notary/signer-config.json
        Run as configured. Every key can be overridden by a variable, for example NOTARY_SIGNER_LOGGING_LEVEL=info. The
        passphrase of the alias timestamp_1 is in NOTARY_SIGNER_TIMESTAMP_1, or in the file that
        NOTARY_SIGNER_TIMESTAMP_1_FILE names.
  notary-signer migrate -config /etc/notary/signer-config.json
        Create or upgrade the table of the key database, then end (also -bootstrap). With -dry-run, only say what
        would be done.
  notary-signer check -config /etc/notary/signer-config.json
        Decrypt every key, and see that it is the one that its row says. Ends with 1 when one cannot be used.
  notary-signer -config /etc/notary/signer-config.json -rotate-alias timestamp_2 -dry-run
        See whether every key can be decrypted and encrypted for the passphrase of timestamp_2; without -dry-run, do it.

Signals: SIGTERM and SIGINT finish what has begun, then end. SIGUSR1 and SIGUSR2 raise and lower the log level.
SIGHUP reads the certificates again.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, UsageError> {
        Command::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn flags_are_read_with_one_dash_or_two() {
        let Ok(Command::Run(flags)) =
            parse("--config=a.json -debug -rotate-alias timestamp_2 --dry-run")
        else {
            panic!("not read");
        };
        assert_eq!(flags.config, PathBuf::from("a.json"));
        assert_eq!(flags.rotate_alias.as_deref(), Some("timestamp_2"));
        assert!(flags.debug && flags.dry_run && !flags.bootstrap);
        assert_eq!(parse("-version"), Ok(Command::Version));
        assert_eq!(
            parse("-x").unwrap_err().to_string(),
            "flag provided but not defined: -x"
        );
    }

    #[test]
    fn migrate_is_bootstrap_and_a_dry_run_belongs_to_a_command() {
        for line in ["migrate -dry-run -config a", "-bootstrap -dry-run"] {
            let Ok(Command::Run(flags)) = parse(line) else {
                panic!("{line}");
            };
            assert!(flags.bootstrap && flags.dry_run, "{line}");
        }
        for line in [
            "-dry-run",
            "check -dry-run",
            "check -bootstrap",
            "migrate -rotate-alias a",
        ] {
            assert!(matches!(parse(line), Err(UsageError::Other(_))), "{line}");
        }
        assert!(matches!(parse("check -config a"), Ok(Command::Run(flags)) if !flags.serves()));
        // Elsewhere the word is one that ends the flags.
        assert!(matches!(parse("-debug migrate"), Ok(Command::Run(flags)) if !flags.bootstrap));
        assert_eq!(parse("-dry-run -version"), Ok(Command::Version));
    }
}
