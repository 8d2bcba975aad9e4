//! The table of `build`: docker's flags, those of the old builder and those of buildx.
//!
//! A flag that is in no table is refused: it could bring in an image that nobody has checked.

use crate::cobra::{Args, Command, Completes, Flag, FlagKind};

pub(super) static BUILD: Command = Command {
    name: "build",
    usage: "[OPTIONS] PATH",
    short: "Build an image from signed images only",
    examples: "\
# Every FROM, COPY --from and mount must be signed; docker builds from the signed digests
{} build -t registry.example.com/team/app:1.1 .

# The version of the base image is a build argument
{} build --build-arg VERSION=3.20 -f web.Dockerfile .",
    flags: &[
        flag(
            "add-host",
            None,
            FlagKind::List,
            "Add a custom host-to-IP mapping (\"host:ip\")",
        ),
        flag(
            "allow",
            None,
            FlagKind::List,
            "Allow extra privileged entitlement",
        ),
        flag(
            "annotation",
            None,
            FlagKind::List,
            "Add annotation to the image",
        ),
        flag(
            "attest",
            None,
            FlagKind::List,
            "Attestation parameters (format: \"type=provenance,...\")",
        ),
        flag(
            "build-arg",
            None,
            FlagKind::List,
            "Set build-time variables",
        ),
        flag(
            "build-context",
            None,
            FlagKind::List,
            "Additional build contexts (e.g., name=path)",
        ),
        flag(
            "builder",
            None,
            TEXT,
            "Override the configured builder instance",
        ),
        flag(
            "cache-from",
            None,
            FlagKind::List,
            "Signed images to consider as cache sources",
        ),
        flag(
            "cache-to",
            None,
            FlagKind::List,
            "Cache export destinations",
        ),
        flag("call", None, TEXT, "Set method for evaluating build"),
        flag(
            "cgroup-parent",
            None,
            TEXT,
            "Set the parent cgroup for the \"RUN\" instructions during build",
        ),
        flag(
            "check",
            None,
            FlagKind::Bool,
            "Shorthand for \"--call=check\"",
        ),
        flag(
            "compress",
            None,
            FlagKind::Bool,
            "Compress the build context using gzip",
        ),
        flag(
            "cpu-period",
            None,
            TEXT,
            "Limit the CPU CFS (Completely Fair Scheduler) period",
        ),
        flag(
            "cpu-quota",
            None,
            TEXT,
            "Limit the CPU CFS (Completely Fair Scheduler) quota",
        ),
        flag(
            "cpu-shares",
            Some('c'),
            TEXT,
            "CPU shares (relative weight)",
        ),
        flag(
            "cpuset-cpus",
            None,
            TEXT,
            "CPUs in which to allow execution (0-3, 0,1)",
        ),
        flag(
            "cpuset-mems",
            None,
            TEXT,
            "MEMs in which to allow execution (0-3, 0,1)",
        ),
        Flag {
            hidden: true,
            ..flag(
                "disable-content-trust",
                None,
                FlagKind::Bool,
                "Refused: images are always checked",
            )
        },
        flag(
            "file",
            Some('f'),
            TEXT,
            "Name of the Dockerfile (Default is \"PATH/Dockerfile\")",
        ),
        flag(
            "force-rm",
            None,
            FlagKind::Bool,
            "Always remove intermediate containers",
        ),
        flag("iidfile", None, TEXT, "Write the image ID to the file"),
        flag("isolation", None, TEXT, "Container isolation technology"),
        flag("label", None, FlagKind::List, "Set metadata for an image"),
        flag(
            "load",
            None,
            FlagKind::Bool,
            "Shorthand for \"--output=type=docker\"",
        ),
        flag("memory", Some('m'), TEXT, "Memory limit"),
        flag(
            "memory-swap",
            None,
            TEXT,
            "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
        ),
        flag(
            "metadata-file",
            None,
            TEXT,
            "Write build result metadata to a file",
        ),
        flag(
            "network",
            None,
            TEXT,
            "Set the networking mode for the RUN instructions during build",
        ),
        flag(
            "no-cache",
            None,
            FlagKind::Bool,
            "Do not use cache when building the image",
        ),
        flag(
            "no-cache-filter",
            None,
            FlagKind::List,
            "Do not cache specified stages",
        ),
        flag(
            "output",
            Some('o'),
            FlagKind::List,
            "Output destination (format: \"type=local,dest=path\")",
        ),
        flag(
            "platform",
            None,
            FlagKind::List,
            "Set target platform for build",
        ),
        flag("progress", None, TEXT, "Set type of progress output"),
        flag(
            "provenance",
            None,
            TEXT,
            "Shorthand for \"--attest=type=provenance\"",
        ),
        flag(
            "pull",
            None,
            FlagKind::Bool,
            "Always attempt to pull all referenced images",
        ),
        flag(
            "push",
            None,
            FlagKind::Bool,
            "Shorthand for \"--output=type=registry\"",
        ),
        flag(
            "quiet",
            Some('q'),
            FlagKind::Bool,
            "Suppress the build output and print image ID on success",
        ),
        flag(
            "rm",
            None,
            FlagKind::Bool,
            "Remove intermediate containers after a successful build",
        ),
        flag(
            "sbom",
            None,
            TEXT,
            "Shorthand for \"--attest=type=sbom\"; only \"false\" is taken",
        ),
        flag(
            "secret",
            None,
            FlagKind::List,
            "Secret to expose to the build",
        ),
        flag("security-opt", None, FlagKind::List, "Security options"),
        flag("shm-size", None, TEXT, "Size of \"/dev/shm\""),
        flag(
            "squash",
            None,
            FlagKind::Bool,
            "Squash newly built layers into a single new layer",
        ),
        flag(
            "ssh",
            None,
            FlagKind::List,
            "SSH agent socket or keys to expose to the build",
        ),
        flag(
            "tag",
            Some('t'),
            FlagKind::List,
            "Name and optionally a tag in the \"name:tag\" format",
        ),
        flag(
            "target",
            None,
            TEXT,
            "Set the target build stage to build; the images of all stages are checked",
        ),
        flag("ulimit", None, FlagKind::List, "Ulimit options"),
    ],
    args: Args::Exactly(1),
    completes: Completes::Folders,
    hidden: false,
    children: &[],
};

const TEXT: FlagKind = FlagKind::Text { default: "" };

const fn flag(
    name: &'static str,
    shorthand: Option<char>,
    kind: FlagKind,
    usage: &'static str,
) -> Flag {
    Flag {
        name,
        shorthand,
        kind,
        usage,
        completes: match kind {
            FlagKind::Bool => Completes::Nothing,
            FlagKind::List | FlagKind::Text { .. } => Completes::Files,
        },
        hidden: false,
    }
}
