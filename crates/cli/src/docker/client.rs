//! The docker client, to which a command line goes once its images are pinned.
//!
//! The client takes this process's place, so that terminal, signals and exit code are its own. Only as docker's plugin this process stays: docker
//! tells its plugin over a socket when it is to end, and somebody has to pass that on.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use crate::env;
use crate::texts::{docker as texts, os_error};
use crate::ui::interrupt;
use crate::ui::report::Failure;

/// The docker client of this machine.
#[derive(Debug)]
pub(super) struct DockerClient {
    program: PathBuf,
}

impl DockerClient {
    /// The client that started this program as its plugin, else the first on `PATH`. It is never this program under another name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find(context: &Context) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .and_then(|path| path.metadata())
            .ok();
        let usable = |path: &PathBuf| is_other_program(path, own.as_ref());
        let caller = env::plugin_command().map(PathBuf::from);
        let caller = caller.as_deref().and_then(|caller| {
            if caller.components().count() > 1 {
                Some(caller.to_path_buf()).filter(usable)
            } else {
                search(caller, context).find(usable)
            }
        });
        let program = caller.or_else(|| search(Path::new("docker"), context).find(usable));
        program
            .map(|program| Self { program })
            .ok_or_else(|| Failure::new(texts::NO_DOCKER_CLIENT))
    }

    /// Runs the client with the global flags that this program was given, then `words`. Comes back only when that fails, or as a plugin when
    /// the client has ended.
    ///
    /// # Errors
    /// When the client cannot be started; and with its exit code, when that is not 0.
    pub(super) fn run(
        &self,
        words: impl IntoIterator<Item = String>,
        context: &Context,
    ) -> Result<(), Failure> {
        let mut command = self.command(words, context);
        if env::plugin_socket().is_none() {
            return Err(self.failed(&command.exec()));
        }
        self.accompany(command, context)
    }

    /// Runs the client in the same way, and comes back when it has ended: something is left to do.
    ///
    /// What the client would check by itself has been checked, and differently: `DOCKER_CONTENT_TRUST` is kept from it.
    ///
    /// # Errors
    /// When the client cannot be started; and with its exit code, when that is not 0.
    pub(super) fn run_and_return(
        &self,
        words: impl IntoIterator<Item = String>,
        context: &Context,
    ) -> Result<(), Failure> {
        let mut command = self.command(words, context);
        command.env_remove("DOCKER_CONTENT_TRUST");
        self.accompany(command, context)
    }

    fn command(&self, words: impl IntoIterator<Item = String>, context: &Context) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&context.globals.words).args(words);
        // To the client we are a person at a shell, not a plugin's plugin.
        for name in env::PLUGIN_VARIABLES {
            command.env_remove(name);
        }
        command
    }

    fn accompany(&self, command: Command, context: &Context) -> Result<(), Failure> {
        let status = context.block_on(async {
            accompany(command)
                .await
                .map_err(|error| self.failed(&error))
        })?;
        match status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
        {
            Some(0) => Ok(()),
            code => {
                Err(Failure::silent().code(code.and_then(|code| code.try_into().ok()).unwrap_or(1)))
            }
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(texts::client_not_started(&self.program, &os_error(error)))
    }
}

/// Runs the client and stays until it has ended. What the terminal sends has reached it too; a signal to this process alone is passed on.
async fn accompany(command: Command) -> io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = tokio::process::Command::from(command).spawn()?;
    interrupt::hand_over(child.id());
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = hangup.recv() => {}
            _ = terminate.recv() => {
                interrupt::end_successor();
            }
        }
    }
}

/// The programs of that name on `PATH`. Folders that depend on where the user stands do not count, as in Go.
fn search<'a>(name: &'a Path, context: &'a Context) -> impl Iterator<Item = PathBuf> + 'a {
    let path = context.env.path.as_deref().unwrap_or_default();
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(name))
}

fn is_other_program(path: &Path, own: Option<&Metadata>) -> bool {
    let Ok(found) = path.metadata() else {
        return false;
    };
    let is_own = own.is_some_and(|own| own.dev() == found.dev() && own.ino() == found.ino());
    found.is_file() && found.permissions().mode() & 0o111 != 0 && !is_own
}
