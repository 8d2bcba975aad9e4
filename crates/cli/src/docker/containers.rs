//! `run` and `create`: the image's tag becomes the digest that was signed, and docker does the rest.

use signet_client::policy::Demands;
use signet_oci::Reference;
use signet_oci::daemon::{Progress, Quiet};

use super::client::DockerClient;
use super::context::Context;
use super::fetch;
use super::resolve::{Resolved, Talk, resolve};
use super::trust::Image;
use crate::cobra::parse::{Matches, parse_bool};
use crate::texts::docker as texts;
use crate::ui::report::{Failure, USAGE};

/// `run`. Failures before docker takes over look like docker's.
pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let program = &context.program;
    let (client, words) = prepare("run", matches, context).map_err(|failure| {
        failure
            .prefix(&format!("{}: ", program.name))
            .suffix(&texts::run_help(&program.path))
            .code(USAGE)
    })?;
    client.run(words, context)
}

/// `create`.
pub(super) fn create(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let (client, words) = prepare("create", matches, context)?;
    client.run(words, context)
}

/// Finds what docker is to start, makes sure that the daemon has it, and gives docker's command line.
fn prepare(
    command: &str,
    matches: &Matches,
    context: &Context,
) -> Result<(DockerClient, Vec<String>), Failure> {
    refuse_to_switch_off(matches, context)?;
    for mount in matches.list("mount") {
        if mounted_image(mount).is_some_and(|image| !is_fixed(&image)) {
            return Err(Failure::new(texts::mounted_by_tag(mount))
                .hint(texts::verify_prints_digest(&context.program.path)));
        }
    }
    let pull = Pull::of(matches)?;
    let client = DockerClient::find(context)?;
    let typed = matches.args.first().map_or("", String::as_str);
    let image = if is_image_id(typed) {
        say_unchecked(typed, None, context)?;
        typed.to_owned()
    } else {
        let image = Image::find(context, typed)?;
        if image.reference.digest().is_some() {
            say_unchecked(typed, Some(&image), context)?;
            typed.to_owned()
        } else {
            context.block_on(async {
                let resolved = resolve(typed, &image, Talk::Warnings, context).await?;
                provide(&image, &resolved, pull, matches, context).await?;
                Ok(resolved.pinned())
            })?
        }
    };
    Ok((client, words(command, matches, pull, image)))
}

/// When the image is pulled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pull {
    Always,
    Missing,
    Never,
}

impl Pull {
    fn of(matches: &Matches) -> Result<Self, Failure> {
        match matches.text("pull") {
            "always" => Ok(Self::Always),
            "" | "missing" => Ok(Self::Missing),
            "never" => Ok(Self::Never),
            other => Err(Failure::new(texts::invalid_pull_option(other))),
        }
    }
}

/// Pulls the image by its digest where docker would pull.
async fn provide(
    image: &Image,
    resolved: &Resolved,
    pull: Pull,
    matches: &Matches,
    context: &Context,
) -> Result<(), Failure> {
    if pull == Pull::Never {
        return Ok(());
    }
    let daemon = context.daemon().await?;
    let quiet = matches.is_set("quiet");
    if pull == Pull::Missing {
        // An image for another platform than the one asked for is left to docker, which pulls by the digest, too.
        if fetch::is_there(&daemon, resolved).await? {
            return Ok(());
        }
        if !quiet {
            let text = texts::unable_to_find(&resolved.name, &resolved.tag);
            context.printer.err(&text);
        }
    }
    let mut progress: Box<dyn Progress> = if quiet {
        Box::new(Quiet)
    } else {
        // Standard output is the container's.
        Box::new(context.daemon_progress().on_stderr())
    };
    let platform = fetch::platform(matches.text("platform"), context);
    fetch::fetch(&daemon, image, resolved, platform, &mut *progress, context).await
}

/// The command line for docker: what was typed, with the image pinned.
fn words(command: &str, matches: &Matches, pull: Pull, image: String) -> Vec<String> {
    let (flags, rest) = matches
        .typed
        .split_at_checked(matches.flag_words)
        .unwrap_or((&matches.typed, &[]));
    let mut words = vec![command.to_owned()];
    words.extend(flags.iter().cloned());
    if pull == Pull::Always {
        // That has been done, within our limits of time.
        words.push("--pull=missing".to_owned());
    }
    if rest.first().is_some_and(|word| word == "--") {
        words.push("--".to_owned());
    }
    words.push(image);
    words.extend(matches.args.iter().skip(1).cloned());
    words
}

/// Whoever asks for checked images gets no others: neither a flag nor a variable changes that.
pub(super) fn refuse_to_switch_off(matches: &Matches, context: &Context) -> Result<(), Failure> {
    if matches.is_set("disable-content-trust") {
        return Err(Failure::new(texts::CANNOT_DISABLE).hint(texts::PLAIN_DOCKER));
    }
    if let Some(value) = context.env.content_trust.as_deref()
        && parse_bool(value) == Some(false)
    {
        tracing::warn!("{}", texts::variable_ignored(value));
    }
    Ok(())
}

/// Says that an image is used by its digest or ID, of which signatures say nothing. Where the policy demands something, that is not enough.
pub(super) fn say_unchecked(
    typed: &str,
    image: Option<&Image>,
    context: &Context,
) -> Result<(), Failure> {
    if image.is_some_and(|image| !demands_nothing(&image.demands)) {
        return Err(Failure::new(texts::policy_wants_a_tag(typed))
            .hint(texts::verify_takes_digests(&context.program.path)));
    }
    context.printer.err(&texts::used_unchecked(typed));
    Ok(())
}

fn demands_nothing(demands: &Demands) -> bool {
    let Demands {
        server,
        // About archives alone.
        archives_from: _,
        root,
        signers,
        fresh,
    } = demands;
    server.is_none() && root.is_empty() && signers.is_empty() && fresh.is_none()
}

/// Whether docker takes this for an image's ID: 64 hexadecimal digits, alone or with the algorithm in front. Fewer digits are a name.
fn is_image_id(typed: &str) -> bool {
    let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
    digits.len() == 64
        && digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a name stands for one image for ever.
fn is_fixed(typed: &str) -> bool {
    is_image_id(typed)
        || typed
            .parse::<Reference>()
            .is_ok_and(|reference| reference.digest().is_some())
}

/// The image of a `--mount` of type `image`. Docker reads the value as comma-separated with quotes; here quotes do not protect a comma, so that
/// nothing that docker would take for an image is overlooked.
fn mounted_image(mount: &str) -> Option<String> {
    let plain = mount.replace('"', "");
    let fields = || {
        plain.split(',').map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (name.trim().to_ascii_lowercase(), value.trim())
        })
    };
    fields()
        .any(|(name, value)| name == "type" && value.eq_ignore_ascii_case("image"))
        .then(|| {
            let mut sources = fields().filter(|(name, _)| name == "source" || name == "src");
            // Of two sources one cannot say which docker takes.
            match (sources.next(), sources.next()) {
                (Some((_, source)), None) => source.to_owned(),
                _ => String::new(),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cobra::Program;
    use crate::cobra::parse::{Request, parse};

    const ID: &str = "4ca416cb3d5418df4238c15a953ecab30ec59cfd7f0952d9572be9017f05b1a0";

    fn parsed(line: &[&str]) -> Result<Matches, String> {
        let program = Program {
            path: "docker trust".to_owned(),
            name: "docker".to_owned(),
        };
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        match parse(&super::super::ROOT, &program, &line) {
            Ok(Request::Run(matches)) => Ok(matches),
            Ok(Request::Help { .. }) => Err("help".to_owned()),
            Err(error) => Err(error.text),
        }
    }

    /// What docker gets; the image is written `IMAGE@`.
    fn handed_on(line: &[&str]) -> Result<String, String> {
        let matches = parsed(line)?;
        let pull = Pull::of(&matches).map_err(|failure| failure.text().to_owned())?;
        let image = format!("{}@", matches.args[0]);
        Ok(words(line[0], &matches, pull, image).join(" "))
    }

    #[test]
    fn only_the_image_is_replaced() {
        for (line, expected) in [
            ("run a:1", "run a:1@"),
            ("run a sh -c b", "run a@ sh -c b"),
            ("run a --rm -it a:1", "run a@ --rm -it a:1"),
            ("run --name a a:1 a:1", "run --name a a:1@ a:1"),
            ("run -itd --rm=false a", "run -itd --rm=false a@"),
            (
                "run -e A=b -eC -it -p 80:80 a",
                "run -e A=b -eC -it -p 80:80 a@",
            ),
            ("run -e -- a", "run -e -- a@"),
            ("run -it -- a -- b", "run -it -- a@ -- b"),
            (
                "run --pull always -e -- -- a",
                "run --pull always -e -- --pull=missing -- a@",
            ),
            (
                "run --pull=always a b",
                "run --pull=always --pull=missing a@ b",
            ),
            (
                "run --pull always --pull never a",
                "run --pull always --pull never a@",
            ),
            (
                "run --net host --net-alias x --dns-opt y a",
                "run --net host --net-alias x --dns-opt y a@",
            ),
            ("run -h host a", "run -h host a@"),
            (
                "run --volumes-from c --link d:e --network container:f a",
                "run --volumes-from c --link d:e --network container:f a@",
            ),
            ("create --detach-keys a", "unknown flag: --detach-keys"),
            ("create -l a b", "create -l a b@"),
            ("run --no-such-flag a", "unknown flag: --no-such-flag"),
            ("run --no-such-flag=1 a", "unknown flag: --no-such-flag"),
            ("run -Z a", "unknown shorthand flag: 'Z' in -Z"),
            ("run -itZ a", "unknown shorthand flag: 'Z' in -Z"),
            (
                "run --rm=x a",
                "invalid argument \"x\" for \"--rm\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                "run --pull sometimes a",
                "invalid pull option: 'sometimes': must be one of \"always\", \"missing\" or \"never\"",
            ),
            ("run --help", "help"),
            ("run --rm --help a", "help"),
            ("run a --help", "run a@ --help"),
        ] {
            let line: Vec<&str> = line.split(' ').collect();
            let answer = match handed_on(&line) {
                Ok(words) => words,
                Err(text) => text.lines().next().unwrap_or_default().to_owned(),
            };
            assert_eq!(answer, expected, "{line:?}");
        }
        assert!(
            handed_on(&["run"])
                .unwrap_err()
                .contains("requires at least 1 argument")
        );
        assert_eq!(
            handed_on(&["run", "-e", "a b", "c", "d e"]).unwrap(),
            "run -e a b c@ d e"
        );
    }

    #[test]
    fn ids_are_what_docker_takes_for_ids() {
        for (typed, is_id) in [
            (ID.to_owned(), true),
            (format!("sha256:{ID}"), true),
            (ID.to_uppercase(), false),
            (ID[..12].to_owned(), false),
            (format!("sha256:{}", &ID[1..]), false),
            (format!("a@sha256:{ID}"), false),
        ] {
            assert_eq!(is_image_id(&typed), is_id, "{typed}");
        }
    }

    #[test]
    fn mounted_images_are_found_however_they_are_written() {
        let fixed = format!("type=image,source=a@sha256:{ID},target=/x");
        for (mount, is_refused) in [
            ("type=image,source=a:1,target=/x", true),
            ("source=a,TYPE=Image,target=/x", true),
            ("\"type=image\",\"src=a:1\",target=/x", true),
            ("target=/x,type= image ,src=a", true),
            ("type=image,target=/x", true),
            (&format!("{fixed},source=a:1"), true),
            (&fixed, false),
            ("type=bind,source=/image,target=/x", false),
            ("type=volume,source=image,target=/x", false),
        ] {
            let refused = mounted_image(mount).is_some_and(|image| !is_fixed(&image));
            assert_eq!(refused, is_refused, "{mount}");
        }
    }
}
