//! Finding programs: the peers on `PATH`, ours among cargo's build results.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A program of another project that tests talk to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Program {
    /// File name looked up on `PATH`.
    pub name: &'static str,
    /// Debian package that has it.
    pub package: &'static str,
}

/// The docker client. Any version serves as peer; texts are pinned by transcripts, not by the client at hand.
pub const DOCKER: Program = Program {
    name: "docker",
    package: "docker.io",
};
/// The Docker daemon.
pub const DOCKERD: Program = Program {
    name: "dockerd",
    package: "docker.io",
};
/// A shell and its commands in one file without libraries, for images that can run.
pub const BUSYBOX: Program = Program {
    name: "busybox",
    package: "busybox-static",
};
/// Runs a program at another time.
pub const FAKETIME: Program = Program {
    name: "faketime",
    package: "faketime",
};
/// The image registry.
pub const DOCKER_REGISTRY: Program = Program {
    name: "docker-registry",
    package: "docker-registry",
};
/// The Go notary client.
pub const NOTARY: Program = Program {
    name: "notary",
    package: "notary",
};
/// The Go notary server.
pub const NOTARY_SERVER: Program = Program {
    name: "notary-server",
    package: "notary",
};
/// The Go key service.
pub const NOTARY_SIGNER: Program = Program {
    name: "notary-signer",
    package: "notary",
};
/// OpenSSL's command, for key and certificate files made by somebody else.
pub const OPENSSL: Program = Program {
    name: "openssl",
    package: "openssl",
};
/// Records which instructions a program executes.
pub const VALGRIND: Program = Program {
    name: "valgrind",
    package: "valgrind",
};
/// A shell that completion scripts are written for.
pub const BASH: Program = Program {
    name: "bash",
    package: "bash",
};
/// A shell that completion scripts are written for.
pub const FISH: Program = Program {
    name: "fish",
    package: "fish",
};
/// A shell that completion scripts are written for.
pub const ZSH: Program = Program {
    name: "zsh",
    package: "zsh",
};
/// Renders manual pages, and finds what is wrong with them.
pub const MANDOC: Program = Program {
    name: "mandoc",
    package: "mandoc",
};
/// SQLite's shell, to look into databases from outside.
pub const SQLITE3: Program = Program {
    name: "sqlite3",
    package: "sqlite3",
};

/// The database MariaDB.
pub const MARIADBD: Program = Program {
    name: "mariadbd",
    package: "mariadb-server",
};
/// Makes its folder.
pub const MARIADB_INSTALL_DB: Program = Program {
    name: "mariadb-install-db",
    package: "mariadb-server",
};
/// Its shell.
pub const MARIADB: Program = Program {
    name: "mariadb",
    package: "mariadb-client",
};
/// Its dumps, under the name that both MySQL and MariaDB have.
pub const MARIADB_DUMP: Program = Program {
    name: "mysqldump",
    package: "mariadb-client",
};

/// The database PostgreSQL.
pub const POSTGRES: Program = Program {
    name: "postgres",
    package: "postgresql",
};
/// Makes its folder.
pub const POSTGRES_INITDB: Program = Program {
    name: "initdb",
    package: "postgresql",
};
/// Its shell.
pub const PSQL: Program = Program {
    name: "psql",
    package: "postgresql-client",
};
/// Its dumps.
pub const PG_DUMP: Program = Program {
    name: "pg_dump",
    package: "postgresql-client",
};

/// A browser.
pub const CHROMIUM: Program = Program {
    name: "chromium",
    package: "chromium",
};
/// What drives the browser.
pub const CHROMEDRIVER: Program = Program {
    name: "chromedriver",
    package: "chromium-driver",
};

/// Every program of other projects that the tests talk to.
pub const PEERS: [Program; 24] = [
    BASH,
    BUSYBOX,
    CHROMEDRIVER,
    CHROMIUM,
    DOCKER,
    DOCKERD,
    DOCKER_REGISTRY,
    FAKETIME,
    FISH,
    MANDOC,
    MARIADB,
    MARIADBD,
    MARIADB_DUMP,
    MARIADB_INSTALL_DB,
    NOTARY,
    NOTARY_SERVER,
    NOTARY_SIGNER,
    OPENSSL,
    PG_DUMP,
    POSTGRES,
    POSTGRES_INITDB,
    PSQL,
    SQLITE3,
    ZSH,
];

impl Program {
    /// The program's path.
    ///
    /// # Errors
    /// When it is not installed; the text has the command that installs it.
    pub fn find(&self) -> anyhow::Result<PathBuf> {
        let elsewhere = if self.package.starts_with("postgresql") {
            postgresql_folders()
        } else {
            Vec::new()
        };
        elsewhere
            .into_iter()
            .chain(search_path())
            .map(|dir| dir.join(self.name))
            .find(|file| is_executable(file))
            .with_context(|| {
                format!(
                    "{} is not installed; install it with: apt-get install -y {}",
                    self.name, self.package
                )
            })
    }
}

/// Where Debian keeps PostgreSQL's programs, which are not on `PATH` or only behind a script; the newest version first.
fn postgresql_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<u32> = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let folder = |version| format!("/usr/lib/postgresql/{version}/bin").into();
    versions.into_iter().map(folder).collect()
}

/// The folders of `PATH`.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect()
}

/// The path of one of our own programs, as built by cargo.
///
/// Looked for in `SIGNET_BIN_DIR`, else beside the running program: tests live in `target/<profile>/deps`, programs in `target/<profile>`.
///
/// # Errors
/// When it has not been built.
pub fn ours(name: &str) -> anyhow::Result<PathBuf> {
    let directory = match env::var_os("SIGNET_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => build_directory()?,
    };
    let file = directory.join(name);
    if !is_executable(&file) {
        bail!(
            "{} is not built; run `cargo build -p signet-server -p signet-signer -p signet-cli`, or everything with `cargo xtask test`",
            file.display()
        );
    }
    Ok(file)
}

fn build_directory() -> anyhow::Result<PathBuf> {
    let running = env::current_exe().context("path of the running program")?;
    let directory = running
        .parent()
        .context("the running program has no folder")?;
    let directory = if directory.ends_with("deps") || directory.ends_with("examples") {
        directory.parent().context("deps has no parent folder")?
    } else {
        directory
    };
    Ok(directory.to_path_buf())
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_the_install_command() {
        let missing = Program {
            name: "no-such-program-anywhere",
            package: "some-package",
        };
        let text = missing.find().unwrap_err().to_string();
        assert!(text.ends_with("apt-get install -y some-package"), "{text}");
    }
}
