//! How the released programs are linked.
//!
//! A short command spends most of its time and nearly all of its memory on the pages of its own executable: the kernel maps sixteen of them
//! around every one that is touched, and functions that run lie scattered among those that do not. Two measures, neither of which changes what the
//! programs do:
//!
//! - `often.ld` puts the functions of everyday commands side by side. `cargo xtask order` writes it.
//! - Relative relocations are packed, half a megabyte less to read at every start. The dynamic loader must know them, which glibc's does from
//!   2.36 on; a program that is built beside an older one has the long form.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Names a folder for the linker's maps of the programs, which `cargo xtask order` reads. The programs are then in no order of ours.
const MAPS: &str = "SIGNET_LINK_MAPS";

const PROGRAMS: [&str; 2] = ["docker-trust", "notary"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=often.ld");
    println!("cargo::rerun-if-env-changed={MAPS}");
    if !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
        || !is("PROFILE", "release")
        || chooses_a_linker()
    {
        return;
    }
    const PACKED: &str = "-Wl,-z,pack-relative-relocs";
    if glibc().is_some_and(|version| version >= (2, 36)) && links(PACKED) {
        println!("cargo::rustc-link-arg-bins={PACKED}");
    }
    // What shall be recorded is in the order of the files: valgrind knows code by its section `.text`.
    if let Ok(maps) = env::var(MAPS) {
        for program in PROGRAMS {
            println!("cargo::rustc-link-arg-bin={program}=-Wl,-Map={maps}/{program}.map");
        }
    } else {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let order = format!("-Wl,-T,{}", Path::new(&folder).join("often.ld").display());
        if links(&order) {
            println!("cargo::rustc-link-arg-bins={order}");
        }
    }
}

fn is(variable: &str, value: &str) -> bool {
    env::var(variable).is_ok_and(|found| found == value)
}

/// Whether the linker is another one than rustc takes by itself: not all of them read such a script.
fn chooses_a_linker() -> bool {
    env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS")
            .is_ok_and(|flags| flags.contains("fuse-ld") || flags.contains("linker"))
}

/// Whether a program that does nothing can be linked with `argument`. One that cannot is left out: it makes programs smaller, not different.
fn links(argument: &str) -> bool {
    let variable = |name| env::var_os(name).unwrap_or_default();
    let folder = variable("OUT_DIR");
    let source = Path::new(&folder).join("nothing.rs");
    fs::write(&source, "fn main() {}").is_ok()
        && Command::new(variable("RUSTC"))
            .arg("--target")
            .arg(variable("TARGET"))
            .arg(format!("-Clink-arg={argument}"))
            .arg("-o")
            .arg(Path::new(&folder).join("nothing"))
            .arg(source)
            .output()
            .is_ok_and(|output| output.status.success())
}

/// The version of glibc that is linked with, when it is this machine's.
fn glibc() -> Option<(u32, u32)> {
    if env::var("HOST").ok()? != env::var("TARGET").ok()? {
        return None;
    }
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
