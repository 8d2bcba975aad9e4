//! The table of `build`: docker's flags, those of the old builder and those of buildx.
//!
//! A flag that is in no table is refused: it could bring in an image that nobody has checked.

use super::flag::{list, switch, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static BUILD: Command = Command {
    name: "build",
    usage: "[OPTIONS] PATH",
    short: "Build an image from signed images only",
    about: "",
    examples: "\
# Every FROM, COPY --from and mount must be signed; docker builds from the signed digests
{} build -t registry.example.com/team/app:1.1 .

# The version of the base image is a build argument
{} build --build-arg VERSION=3.20 -f web.Dockerfile .",
    flags: &[
        list(
            "add-host",
            None,
            "Add a custom host-to-IP mapping (\"host:ip\")",
        ),
        list("allow", None, "Allow extra privileged entitlement"),
        list("annotation", None, "Add annotation to the image"),
        list(
            "attest",
            None,
            "Attestation parameters (format: \"type=provenance,...\")",
        ),
        list("build-arg", None, "Set build-time variables"),
        list(
            "build-context",
            None,
            "Additional build contexts (e.g., name=path)",
        ),
        text("builder", None, "Override the configured builder instance"),
        list(
            "cache-from",
            None,
            "Signed images to consider as cache sources",
        ),
        list("cache-to", None, "Cache export destinations"),
        text("call", None, "Set method for evaluating build"),
        text(
            "cgroup-parent",
            None,
            "Set the parent cgroup for the \"RUN\" instructions during build",
        ),
        switch("check", None, "Shorthand for \"--call=check\""),
        switch("compress", None, "Compress the build context using gzip"),
        text(
            "cpu-period",
            None,
            "Limit the CPU CFS (Completely Fair Scheduler) period",
        ),
        text(
            "cpu-quota",
            None,
            "Limit the CPU CFS (Completely Fair Scheduler) quota",
        ),
        text("cpu-shares", Some('c'), "CPU shares (relative weight)"),
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
        switch(
            "disable-content-trust",
            None,
            "Refused: images are always checked",
        )
        .hidden(),
        text(
            "file",
            Some('f'),
            "Name of the Dockerfile (Default is \"PATH/Dockerfile\")",
        ),
        switch("force-rm", None, "Always remove intermediate containers"),
        text("iidfile", None, "Write the image ID to the file"),
        text("isolation", None, "Container isolation technology"),
        list("label", None, "Set metadata for an image"),
        switch("load", None, "Shorthand for \"--output=type=docker\""),
        text("memory", Some('m'), "Memory limit"),
        text(
            "memory-swap",
            None,
            "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
        ),
        text(
            "metadata-file",
            None,
            "Write build result metadata to a file",
        ),
        text(
            "network",
            None,
            "Set the networking mode for the RUN instructions during build",
        ),
        switch("no-cache", None, "Do not use cache when building the image"),
        list("no-cache-filter", None, "Do not cache specified stages"),
        list(
            "output",
            Some('o'),
            "Output destination (format: \"type=local,dest=path\")",
        ),
        list("platform", None, "Set target platform for build"),
        text("progress", None, "Set type of progress output"),
        text(
            "provenance",
            None,
            "Shorthand for \"--attest=type=provenance\"",
        ),
        switch("pull", None, "Always attempt to pull all referenced images"),
        switch("push", None, "Shorthand for \"--output=type=registry\""),
        switch(
            "quiet",
            Some('q'),
            "Suppress the build output and print image ID on success",
        ),
        switch(
            "rm",
            None,
            "Remove intermediate containers after a successful build",
        ),
        text(
            "sbom",
            None,
            "Shorthand for \"--attest=type=sbom\"; only \"false\" is taken",
        ),
        list("secret", None, "Secret to expose to the build"),
        list("security-opt", None, "Security options"),
        text("shm-size", None, "Size of \"/dev/shm\""),
        switch(
            "squash",
            None,
            "Squash newly built layers into a single new layer",
        ),
        list(
            "ssh",
            None,
            "SSH agent socket or keys to expose to the build",
        ),
        list(
            "tag",
            Some('t'),
            "Name and optionally a tag in the \"name:tag\" format",
        ),
        text(
            "target",
            None,
            "Set the target build stage to build; the images of all stages are checked",
        ),
        list("ulimit", None, "Ulimit options"),
    ],
    args: Args::Exactly(1),
    completes: Completes::Folders,
    hidden: false,
    children: &[],
};
