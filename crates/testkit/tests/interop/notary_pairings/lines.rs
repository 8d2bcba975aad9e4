//! The life of a repository, line by line.

/// A command line of `notary`.
pub(super) struct Line {
    /// `G` stands for the repository, `KEY:role` for the ID of the only key of that role.
    pub(super) words: &'static str,
    pub(super) input: &'static str,
    pub(super) code: i32,
}

const fn line(words: &'static str) -> Line {
    Line {
        words,
        input: "",
        code: 0,
    }
}

const fn refused(words: &'static str) -> Line {
    Line {
        code: 1,
        ..line(words)
    }
}

const fn answered(words: &'static str, input: &'static str) -> Line {
    Line {
        input,
        ..line(words)
    }
}

pub(super) const LINES: &[Line] = &[
    // Nothing is there yet.
    line("key list"),
    line("status G"),
    refused("list G"),
    refused("lookup G v1"),
    // Begun by one, published by the next.
    line("init G"),
    line("status G"),
    line("publish G"),
    line("key list"),
    line("list G"),
    // Staged in turns, taken back, looked at and published.
    line("add G v1 f"),
    line(
        "addhash G v2 0x0c --sha256 a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447",
    ),
    line("add G v3 f --custom custom.json"),
    line("add G v4 other"),
    line("remove G v9"),
    line("status G"),
    line("reset G -n 3"),
    line("status G"),
    line("publish G"),
    line("status G"),
    line("list G"),
    line("lookup G v1"),
    refused("lookup G v4"),
    line("verify G v1 -i f"),
    refused("verify G v2 -i other"),
    answered("verify G v3", "hello world\n"),
    // What is staged is published as a whole or stays.
    line("add G v5 f -r targets/releases"),
    line("remove G v3"),
    refused("publish G"),
    line("status G"),
    line("reset G --all"),
    line("status G"),
    line("remove G v3"),
    line("add G v1 f"),
    line("publish G"),
    line("list G"),
    // Nothing to publish.
    line("publish G"),
    // Delegations.
    line("key import jeff.key --role jeff"),
    line("key import ben.key --role ben"),
    line("key list"),
    line("delegation add G targets/releases jeff.crt ben.pub --all-paths"),
    line("delegation add G targets/jeff jeff.crt --paths a/,b/"),
    line("delegation add G targets/ben ben.pub"),
    line("status G"),
    line("publish G"),
    line("delegation list G"),
    line("add G rel1 f -r targets/releases"),
    line("add G a/1 f -r targets/jeff,targets/releases"),
    line("publish G"),
    line("list G"),
    line("list G -r targets/jeff,targets"),
    line("lookup G a/1"),
    refused("add G c/1 f -r targets/jeff -p"),
    line("reset G --all"),
    line("delegation add G targets/jeff/deep ben.pub --paths a/x -p"),
    line("add G a/x1 other -r targets/jeff/deep -p"),
    line("delegation list G"),
    line("list G"),
    line("witness G targets/jeff targets/releases"),
    line("status G"),
    line("publish G"),
    refused("witness G targets/unknown -p"),
    line("reset G -n 0"),
    line("delegation remove G targets/jeff --paths b/,zz"),
    line("delegation remove G targets/releases KEY:jeff"),
    line("publish G"),
    line("delegation list G"),
    line("witness G targets/releases -p"),
    line("list G"),
    line("remove G rel1 -r targets/releases -p"),
    // New keys, with changes of others staged all the while.
    line("add G v6 f"),
    line("key rotate G targets"),
    line("key rotate G snapshot"),
    answered("key rotate G root", "n\n"),
    answered("key rotate G root", "yes\n"),
    line("key rotate G timestamp -r"),
    line("status G"),
    line("key list"),
    line("publish G"),
    line("list G"),
    line("add G v7 f"),
    line("key rotate G snapshot -r"),
    line("publish G"),
    line("key list"),
    line("publish G"),
    line("delegation list G"),
    line("key rotate G snapshot"),
    line("key rotate G targets --key next.key"),
    answered("key rotate G root --key root.pem", "y\n"),
    answered("key rotate G root --legacy -1", "YES\n"),
    refused("key rotate G timestamp"),
    line("add G v8 other -p"),
    line("list G"),
    line("key list"),
    // The end of the delegations.
    line("delegation purge G --key KEY:ben"),
    line("status G"),
    line("publish G"),
    line("delegation list G"),
    refused("witness G targets/releases -p"),
    line("reset G --all"),
    line("delegation add G targets/releases jeff.crt"),
    line("witness G targets/releases"),
    line("publish G"),
    line("list G"),
    Line {
        code: 1,
        ..answered("delegation remove G targets/jeff", "no\n")
    },
    answered("delegation remove G targets/jeff", "y\n"),
    line("delegation remove G targets/releases --all-paths"),
    line("delegation remove G targets/ben -y"),
    line("status G"),
    line("publish G"),
    line("delegation list G"),
    line("list G"),
    answered("key remove KEY:ben", "n\n"),
    answered("key remove KEY:ben", "y\n"),
    // Forgotten here, fetched again, gone everywhere.
    line("remove G v1"),
    line("delete G"),
    line("status G"),
    line("add G v9 f"),
    line("publish G"),
    line("list G"),
    line("delete G --remote"),
    refused("list G"),
    line("key list"),
    // Begun again with the keys that are left.
    line("add G v1 f"),
    line("publish G"),
    line("list G"),
    line("delete G --remote"),
];
