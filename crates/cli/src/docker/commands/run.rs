//! `run` and `create`: docker's commands with an image that is looked up first, and docker's flags for them.
//!
//! Which word of such a command line is the image depends on which flags take a value, so the tables have every flag of docker 28.2 and 29,
//! hidden ones too. A flag that is in no table is refused: a guess could start another image than the one that was checked.

use super::flag::{list, switch, text};
use crate::cobra::{Args, Command, Completes, Flag};

pub(super) static RUN: Command = Command {
    name: "run",
    usage: "[OPTIONS] IMAGE[:TAG] [COMMAND] [ARG...]",
    short: "Create and run a new container from a signed image",
    about: "",
    examples: "\
{} run --rm -it registry.example.com/team/app:1.0
{} run -d -p 8080:80 --name web registry.example.com/team/web",
    flags: RUN_FLAGS,
    args: Args::Wrapped,
    completes: Completes::ImageThenFiles,
    hidden: false,
    children: &[],
};

pub(super) static CREATE: Command = Command {
    name: "create",
    usage: "[OPTIONS] IMAGE[:TAG] [COMMAND] [ARG...]",
    short: "Create a new container from a signed image",
    about: "",
    examples: "{} create --name web registry.example.com/team/web:1.0",
    flags: CREATE_FLAGS,
    args: Args::Wrapped,
    completes: Completes::ImageThenFiles,
    hidden: false,
    children: &[],
};

/// The flags of both commands, in the order of their names: `run` has a few more.
macro_rules! container_flags {
    (detach: [$($detach:expr),*], pull: $pull:literal, signals: [$($signals:expr),*]) => {
        &[
            list(
                "add-host",
                None,
                "Add a custom host-to-IP mapping (host:ip)",
            ),
            list(
                "annotation",
                None,
                "Add an annotation to the container (passed through to the OCI runtime)",
            ),
            list("attach", Some('a'), "Attach to STDIN, STDOUT or STDERR"),
            text(
                "blkio-weight",
                None,
                "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
            ),
            list(
                "blkio-weight-device",
                None,
                "Block IO weight (relative device weight)",
            ),
            list("cap-add", None, "Add Linux capabilities"),
            list("cap-drop", None, "Drop Linux capabilities"),
            text(
                "cgroup-parent",
                None,
                "Optional parent cgroup for the container",
            ),
            text("cgroupns", None, "Cgroup namespace to use: host or private"),
            text("cidfile", None, "Write the container ID to the file"),
            text("cpu-count", None, "CPU count (Windows only)"),
            text("cpu-percent", None, "CPU percent (Windows only)"),
            text(
                "cpu-period",
                None,
                "Limit CPU CFS (Completely Fair Scheduler) period",
            ),
            text(
                "cpu-quota",
                None,
                "Limit CPU CFS (Completely Fair Scheduler) quota",
            ),
            text(
                "cpu-rt-period",
                None,
                "Limit CPU real-time period in microseconds",
            ),
            text(
                "cpu-rt-runtime",
                None,
                "Limit CPU real-time runtime in microseconds",
            ),
            text("cpu-shares", Some('c'), "CPU shares (relative weight)"),
            text("cpus", None, "Number of CPUs"),
            text(
                "cpuset-cpus",
                None,
                "CPUs in which to allow execution (0-3, 0,1)",
            ),
            text(
                "cpuset-mems",
                None,
                "MEMs in which to allow execution (0-3, 0,1)",
            ),
            $($detach,)*
            list("device", None, "Add a host device to the container"),
            list(
                "device-cgroup-rule",
                None,
                "Add a rule to the cgroup allowed devices list",
            ),
            list(
                "device-read-bps",
                None,
                "Limit read rate (bytes per second) from a device",
            ),
            list(
                "device-read-iops",
                None,
                "Limit read rate (IO per second) from a device",
            ),
            list(
                "device-write-bps",
                None,
                "Limit write rate (bytes per second) to a device",
            ),
            list(
                "device-write-iops",
                None,
                "Limit write rate (IO per second) to a device",
            ),
            switch("disable-content-trust", None, "").hidden(),
            list("dns", None, "Set custom DNS servers"),
            list("dns-opt", None, "").hidden(),
            list("dns-option", None, "Set DNS options"),
            list("dns-search", None, "Set custom DNS search domains"),
            text("domainname", None, "Container NIS domain name"),
            text(
                "entrypoint",
                None,
                "Overwrite the default ENTRYPOINT of the image",
            ),
            list("env", Some('e'), "Set environment variables"),
            list("env-file", None, "Read in a file of environment variables"),
            list("expose", None, "Expose a port or a range of ports"),
            list(
                "gpus",
                None,
                "GPU devices to add to the container ('all' to pass all GPUs)",
            ),
            list("group-add", None, "Add additional groups to join"),
            text("health-cmd", None, "Command to run to check health"),
            text(
                "health-interval",
                None,
                "Time between running the check (ms|s|m|h) (default 0s)",
            ),
            text(
                "health-retries",
                None,
                "Consecutive failures needed to report unhealthy",
            ),
            text(
                "health-start-interval",
                None,
                "Time between running the check during the start period (ms|s|m|h) (default 0s)",
            ),
            text(
                "health-start-period",
                None,
                "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)",
            ),
            text(
                "health-timeout",
                None,
                "Maximum time to allow one check to run (ms|s|m|h) (default 0s)",
            ),
            text("hostname", Some('h'), "Container host name"),
            switch(
                "init",
                None,
                "Run an init inside the container that forwards signals and reaps processes",
            ),
            switch(
                "interactive",
                Some('i'),
                "Keep STDIN open even if not attached",
            ),
            text(
                "io-maxbandwidth",
                None,
                "Maximum IO bandwidth limit for the system drive (Windows only)",
            ),
            text(
                "io-maxiops",
                None,
                "Maximum IOps limit for the system drive (Windows only)",
            ),
            text("ip", None, "IPv4 address (e.g., 172.30.100.104)"),
            text("ip6", None, "IPv6 address (e.g., 2001:db8::33)"),
            text("ipc", None, "IPC mode to use"),
            text("isolation", None, "Container isolation technology"),
            text("kernel-memory", None, "Kernel memory limit"),
            list("label", Some('l'), "Set meta data on a container"),
            list(
                "label-file",
                None,
                "Read in a line delimited file of labels",
            ),
            list("link", None, "Add link to another container"),
            list(
                "link-local-ip",
                None,
                "Container IPv4/IPv6 link-local addresses",
            ),
            text("log-driver", None, "Logging driver for the container"),
            list("log-opt", None, "Log driver options"),
            text(
                "mac-address",
                None,
                "Container MAC address (e.g., 92:d0:c6:0a:29:33)",
            ),
            text("memory", Some('m'), "Memory limit"),
            text("memory-reservation", None, "Memory soft limit"),
            text(
                "memory-swap",
                None,
                "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
            ),
            text(
                "memory-swappiness",
                None,
                "Tune container memory swappiness (0 to 100) (default -1)",
            ),
            list("mount", None, "Attach a filesystem mount to the container"),
            text("name", None, "Assign a name to the container"),
            list("net", None, "").hidden(),
            list("net-alias", None, "").hidden(),
            list("network", None, "Connect a container to a network"),
            list(
                "network-alias",
                None,
                "Add network-scoped alias for the container",
            ),
            switch(
                "no-healthcheck",
                None,
                "Disable any container-specified HEALTHCHECK",
            ),
            switch("oom-kill-disable", None, "Disable OOM Killer"),
            text(
                "oom-score-adj",
                None,
                "Tune host's OOM preferences (-1000 to 1000)",
            ),
            text("pid", None, "PID namespace to use"),
            text(
                "pids-limit",
                None,
                "Tune container pids limit (set -1 for unlimited)",
            ),
            text(
                "platform",
                None,
                "Set platform if server is multi-platform capable",
            ),
            switch(
                "privileged",
                None,
                "Give extended privileges to this container",
            ),
            list(
                "publish",
                Some('p'),
                "Publish a container's port(s) to the host",
            ),
            switch(
                "publish-all",
                Some('P'),
                "Publish all exposed ports to random ports",
            ),
            text(
                "pull",
                None,
                $pull,
            ),
            switch("quiet", Some('q'), "Suppress the pull output"),
            switch(
                "read-only",
                None,
                "Mount the container's root filesystem as read only",
            ),
            text(
                "restart",
                None,
                "Restart policy to apply when a container exits (default \"no\")",
            ),
            switch(
                "rm",
                None,
                "Automatically remove the container and its associated anonymous volumes when it exits",
            ),
            text("runtime", None, "Runtime to use for this container"),
            list("security-opt", None, "Security Options"),
            text("shm-size", None, "Size of /dev/shm"),
            $($signals,)*
            text("stop-signal", None, "Signal to stop the container"),
            text(
                "stop-timeout",
                None,
                "Timeout (in seconds) to stop a container",
            ),
            list(
                "storage-opt",
                None,
                "Storage driver options for the container",
            ),
            list("sysctl", None, "Sysctl options"),
            list("tmpfs", None, "Mount a tmpfs directory"),
            switch("tty", Some('t'), "Allocate a pseudo-TTY"),
            list("ulimit", None, "Ulimit options"),
            switch(
                "use-api-socket",
                None,
                "Bind mount Docker API socket and required auth",
            ),
            text(
                "user",
                Some('u'),
                "Username or UID (format: <name|uid>[:<group|gid>])",
            ),
            text("userns", None, "User namespace to use"),
            text("uts", None, "UTS namespace to use"),
            list("volume", Some('v'), "Bind mount a volume"),
            text(
                "volume-driver",
                None,
                "Optional volume driver for the container",
            ),
            list(
                "volumes-from",
                None,
                "Mount volumes from the specified container(s)",
            ),
            text(
                "workdir",
                Some('w'),
                "Working directory inside the container",
            ),
        ]
    };
}

static RUN_FLAGS: &[Flag] = container_flags! {
    detach: [
        switch(
            "detach",
            Some('d'),
            "Run container in background and print container ID"
        ),
        text(
            "detach-keys",
            None,
            "Override the key sequence for detaching a container"
        )
    ],
    pull: "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")",
    signals: [switch(
        "sig-proxy",
        None,
        "Proxy received signals to the process (default true)"
    )]
};

static CREATE_FLAGS: &[Flag] = container_flags! {
    detach: [],
    pull: "Pull image before creating (\"always\", \"missing\", \"never\") (default \"missing\")",
    signals: []
};
