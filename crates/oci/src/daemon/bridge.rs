//! Programs that lead to a daemon: `ssh … docker system dial-stdio`, and docker itself. Each connection is one run of the program, whose
//! input and output carry the bytes.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::error::DaemonError;

/// A private socket whose connections lead through a program.
pub(super) struct Bridge {
    #[cfg(unix)]
    folder: tempfile::TempDir,
    complaint: Complaint,
    #[cfg(unix)]
    task: tokio::task::JoinHandle<()>,
}

/// What the program said when it failed.
type Complaint = Arc<Mutex<Option<String>>>;

impl Bridge {
    /// What the program said, if it has failed.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsString;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;
    use std::sync::{Arc, PoisonError};

    use tokio::io::{AsyncReadExt as _, copy, sink};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::process::Command;

    use super::{Bridge, Complaint, DaemonError};

    /// How much of a program's complaints is kept.
    const MAX_COMPLAINT_BYTES: u64 = 4096;

    impl Bridge {
        /// Opens the socket. Nothing is started before somebody connects.
        pub(in super::super) fn start(command: Vec<OsString>) -> Result<Self, DaemonError> {
            let failed = |error: std::io::Error| DaemonError::Endpoint {
                reason: error.to_string(),
            };
            let folder = tempfile::tempdir().map_err(failed)?;
            let listener = UnixListener::bind(folder.path().join("docker.sock")).map_err(failed)?;
            let complaint = Complaint::default();
            let shared = Arc::clone(&complaint);
            let task = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(carry(stream, command.clone(), Arc::clone(&shared)));
                }
            });
            Ok(Self {
                folder,
                complaint,
                task,
            })
        }

        /// The path of the socket.
        pub(in super::super) fn socket(&self) -> String {
            self.folder
                .path()
                .join("docker.sock")
                .to_string_lossy()
                .into_owned()
        }
    }

    impl Drop for Bridge {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    async fn carry(mut stream: UnixStream, command: Vec<OsString>, complaint: Complaint) {
        let said = run(&mut stream, &command).await;
        if let Err(said) = said {
            let line: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
            let text = format!("command [{}] has {said}", line.join(" "));
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
        // The client learns of the end when the stream is closed here, after the complaint is there.
        drop(stream);
    }

    async fn run(stream: &mut UnixStream, command: &[OsString]) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else {
            return Err("no program".to_owned());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("not started: {error}"))?;
        let (Some(mut input), Some(mut output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("no input and output".to_owned());
        };
        let complaints = tokio::spawn(async move {
            let mut text = Vec::new();
            let mut errors = errors.take(MAX_COMPLAINT_BYTES);
            let _ = errors.read_to_end(&mut text).await;
            // What is said beyond that must not block the program.
            let _ = copy(&mut errors.into_inner(), &mut sink()).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let (mut from_client, mut to_client) = stream.split();
        let up = async {
            let _ = copy(&mut from_client, &mut input).await;
            // The program learns of the end, and ends in turn.
            drop(input);
            std::future::pending::<()>().await;
        };
        // The client must not learn of the program's end before it is known how it ended.
        let carried = tokio::select! {
            carried = copy(&mut output, &mut to_client) => carried,
            () = up => Ok(0),
        };
        if carried.is_ok() {
            let status = child.wait().await.map_err(|error| error.to_string())?;
            if status.success() {
                return Ok(());
            }
            let stderr = complaints.await.unwrap_or_default();
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("signal: {signal}"),
                (None, None) => "unknown status".to_owned(),
            };
            return Err(format!(
                "exited with {how}, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr={stderr}"
            ));
        }
        // The client went away, and the program with it.
        Ok(())
    }
}

#[cfg(not(unix))]
impl Bridge {
    pub(super) fn start(_: Vec<OsString>) -> Result<Self, DaemonError> {
        Err(DaemonError::Endpoint {
            reason: "connections through a program are supported on Unix only".to_owned(),
        })
    }

    pub(super) fn socket(&self) -> String {
        String::new()
    }
}

/// The command for `ssh://[user@]host[:port][/socket]`, as docker runs it.
pub(super) fn ssh_command(address: &str) -> Result<Vec<OsString>, String> {
    let invalid = |reason: &str| {
        Err(format!(
            "ssh host connection is not valid: invalid SSH URL: {reason}"
        ))
    };
    if address == "ssh://" {
        return invalid("hostname is empty");
    }
    let Ok(url) = Url::parse(address) else {
        return invalid(&format!("{address} is no URL"));
    };
    if url.password().is_some() {
        return invalid("plain-text password is not supported");
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return invalid("hostname is empty");
    };
    if let Some(query) = url.query() {
        return invalid(&format!("query parameters are not allowed: {query:?}"));
    }
    if let Some(fragment) = url.fragment() {
        return invalid(&format!("fragments are not allowed: {fragment:?}"));
    }
    let mut command: Vec<OsString> = ["ssh", "-o", "ConnectTimeout=30", "-T"]
        .map(OsString::from)
        .into();
    if !url.username().is_empty() {
        command.extend(["-l".into(), url.username().into()]);
    }
    if let Some(port) = url.port() {
        command.extend(["-p".into(), port.to_string().into()]);
    }
    command.extend([
        "--".into(),
        host.trim_matches(['[', ']']).into(),
        "docker".into(),
    ]);
    if !matches!(url.path(), "" | "/") {
        // The other side has a shell, which must not find anything to do in the path.
        if !url
            .path()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        {
            return invalid(&format!("path {:?}", url.path()));
        }
        command.extend(["--host".into(), format!("unix://{}", url.path()).into()]);
    }
    command.extend(["system".into(), "dial-stdio".into()]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command lines that docker 28.2 shows in its errors.
    #[test]
    fn ssh_is_called_as_docker_calls_it() {
        let line = |address: &str| {
            ssh_command(address).map(|words| {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                words.join(" ")
            })
        };
        assert_eq!(
            line("ssh://u@h:22/x").unwrap(),
            "ssh -o ConnectTimeout=30 -T -l u -p 22 -- h docker --host unix:///x system dial-stdio"
        );
        assert_eq!(
            line("ssh://h").unwrap(),
            "ssh -o ConnectTimeout=30 -T -- h docker system dial-stdio"
        );
        for (address, reason) in [
            ("ssh://", "hostname is empty"),
            ("ssh://u:p@h", "plain-text password is not supported"),
        ] {
            assert_eq!(
                line(address).unwrap_err(),
                format!("ssh host connection is not valid: invalid SSH URL: {reason}")
            );
        }
        assert!(line("ssh://h/x;reboot").is_err());
    }
}
