//! Holds the pages under `docs/` against the programs they tell of, so that neither runs ahead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs whose flags docs/configuration.md lists, each under a heading of its name.
const BINARIES: [&str; 2] = ["kubezonnet-agent", "kubezonnet-server"];

/// The commands of kubectl-zonnet, each with a heading of its own.
const COMMANDS: [&str; 7] = [
    "top",
    "cost",
    "flows",
    "matrix",
    "check",
    "completion",
    "version",
];

/// What a flag is called in the environment, its default, and its bounds in words; empty where there
/// is none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Flag {
    variable: String,
    default: String,
    bounds: String,
}

/// What a text says of a flag's bounds: `from 1 to 9`, `up to 10m` or `at most 30 days`.
fn bounds(text: &str) -> String {
    let words: Vec<_> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let found = words.windows(4).find_map(|four| match *four {
        ["from", least, "to", most] if is_number(least) && is_number(most) => Some(four.join(" ")),
        ["up", "to", most, _] if is_number(most) => Some(format!("up to {most}")),
        ["at", "most", most, "days"] => Some(format!("at most {most} days")),
        _ => None,
    });
    found.unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a program says of its flags, or of those of one of its commands.
fn help(words: &str) -> String {
    let (binary, command) = words.split_once(' ').unwrap_or((words, ""));
    let path = kubezonnet_testkit::binary(binary).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(path)
        .args(command.split_whitespace())
        .arg("--help")
        .env_clear()
        .output()
        .expect("the binary starts");
    assert!(
        output.status.success(),
        "{words} --help ended with {}",
        output.status
    );
    String::from_utf8(output.stdout).expect("help is text")
}

/// The flags in a program's `--help`: a line that begins with the flag, indented as clap does it,
/// and below it in brackets the variable and the default.
fn flags_of_help(help: &str) -> BTreeMap<String, Flag> {
    let mut flags: BTreeMap<String, Flag> = BTreeMap::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in help.lines() {
        // Either `      --flag` or `  -f, --flag`; text and examples stand further right.
        let flag = line.get(6..).filter(|rest| {
            rest.starts_with("--") && (line.starts_with("      ") || line.starts_with("  -"))
        });
        let line = line.trim();
        let within = |prefix: &str| line.strip_prefix(prefix)?.strip_suffix(']');
        if let Some(flag) = flag {
            let name = flag.split(' ').next().unwrap_or_default().to_owned();
            flags.insert(name.clone(), Flag::default());
            current = Some(name);
        } else if let Some(name) = &current {
            texts.entry(name.clone()).or_default().extend([line, " "]);
            let flag = flags
                .get_mut(name)
                .expect("the current flag is one of them");
            if let Some(variable) = within("[env: ") {
                variable
                    .trim_end_matches('=')
                    .clone_into(&mut flag.variable);
            }
            if let Some(default) = within("[default: ") {
                default.clone_into(&mut flag.default);
            }
        }
    }
    for (name, text) in texts {
        let flag = flags.get_mut(&name).expect("each text is a flag's");
        flag.bounds = bounds(&text);
    }
    flags.retain(|name, _| !["--help", "--version"].contains(&name.as_str()));
    flags
}

/// The flags in docs/configuration.md below the heading of `binary`: rows of a table with flag,
/// variable, default and text.
fn flags_of_page(page: &str, binary: &str) -> BTreeMap<String, Flag> {
    let heading = format!("## {binary}");
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    let section = below.take_while(|line| !line.starts_with("## "));
    section
        .filter_map(|line| {
            let mut cells = line
                .strip_prefix("| `--")?
                .split('|')
                .map(|c| c.trim().replace('`', ""));
            let name = format!("--{}", cells.next()?.split(' ').next()?);
            Some((
                name,
                Flag {
                    variable: cells.next()?,
                    default: cells.next()?,
                    bounds: bounds(&cells.next()?),
                },
            ))
        })
        .collect()
}

#[test]
fn the_page_of_flags_says_what_each_program_says() {
    let page = read("docs/configuration.md");

    for binary in BINARIES {
        let (told, documented) = (flags_of_help(&help(binary)), flags_of_page(&page, binary));

        assert!(
            told.len() > 5,
            "{binary} --help was not understood: {told:?}"
        );
        assert!(
            told.values().filter(|flag| !flag.bounds.is_empty()).count() > 2,
            "the bounds in {binary} --help were not understood: {told:?}"
        );
        for (flag, expected) in &told {
            assert_eq!(
                documented.get(flag),
                Some(expected),
                "{binary} {flag} in the page"
            );
        }
        for flag in documented.keys() {
            assert!(
                told.contains_key(flag),
                "{binary} takes no {flag}, but the page says so"
            );
        }
    }
}

#[test]
fn the_page_says_what_each_command_of_kubectl_zonnet_says() {
    let page = read("docs/configuration.md");
    let program = "kubectl-zonnet";
    let of_all = flags_of_help(&help(program));

    assert!(of_all.len() > 5, "its help was not understood: {of_all:?}");
    assert_eq!(
        flags_of_page(&page, program),
        of_all,
        "flags of all commands"
    );
    for command in COMMANDS {
        let words = format!("{program} {command}");
        let mut told = flags_of_help(&help(&words));
        told.retain(|flag, _| !of_all.contains_key(flag));

        assert_eq!(flags_of_page(&page, &words), told, "{words} in the page");
    }
    let listed = help(program);
    let listed = listed
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let listed: Vec<_> = listed
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, COMMANDS, "the commands that it lists");
}

#[test]
fn flags_are_read_from_help_as_clap_writes_it() {
    let help = "Usage: x [OPTIONS]\n\nOptions:\n      --listen <ADDRESS:PORT>\n          Where to \
                listen, from 1\n          to 9.\n\n          See --other too.\n\n          [env: X_LISTEN=]\n          \
                [default: [::]:80]\n\n  -n, --dry-run\n          Only say it\n\n  -h, --help\n";

    let flags = flags_of_help(help);

    let listen = Flag {
        variable: "X_LISTEN".to_owned(),
        default: "[::]:80".to_owned(),
        bounds: "from 1 to 9".to_owned(),
    };
    let expected = [
        ("--dry-run".to_owned(), Flag::default()),
        ("--listen".to_owned(), listen),
    ];
    assert_eq!(flags, BTreeMap::from(expected));
}

#[test]
fn flags_are_read_from_the_page_below_their_program_only() {
    let page = "## a\n\n| flag | variable | default | |\n|---|---|---|---|\n| `--one N` | `A_ONE` | `1` | \
                text, up to 10m at once |\n| `--two` | `A_TWO` | | text |\n\n## b\n\n| `--three` | `B_THREE` | | text |\n";

    let flags = flags_of_page(page, "a");

    let one = Flag {
        variable: "A_ONE".to_owned(),
        default: "1".to_owned(),
        bounds: "up to 10m".to_owned(),
    };
    let two = Flag {
        variable: "A_TWO".to_owned(),
        default: String::new(),
        bounds: String::new(),
    };
    assert_eq!(
        flags,
        BTreeMap::from([("--one".to_owned(), one), ("--two".to_owned(), two)])
    );
}

/// All of our code as one text, with string literals that go on in the next line put together.
fn sources() -> String {
    fn collect(dir: &Path, text: &mut String) {
        for entry in std::fs::read_dir(dir).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).expect("a readable file"));
            }
        }
    }
    let mut text = String::new();
    for krate in std::fs::read_dir(root().join("crates")).expect("crates/ is there") {
        collect(
            &krate.expect("a readable entry").path().join("src"),
            &mut text,
        );
    }
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        let goes_on = line.strip_suffix('\\');
        joined.push_str(goes_on.unwrap_or(line));
        if goes_on.is_none() {
            joined.push('\n');
        }
    }
    joined
}

/// The messages that docs/troubleshooting.md explains: its headings in backticks, in the pieces
/// between the `…` that stand for what differs.
fn explained(page: &str) -> Vec<String> {
    let headings = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    headings
        .flat_map(|heading| heading.split('…'))
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| !piece.is_empty())
        .collect()
}

#[test]
fn every_message_that_is_explained_is_one_that_is_said() {
    let sources = sources();
    let pieces = explained(&read("docs/troubleshooting.md"));

    assert!(pieces.len() > 5, "the page was not understood: {pieces:?}");
    for piece in pieces {
        assert!(sources.contains(&piece), "no source says {piece:?}");
    }
}

#[test]
fn every_link_between_pages_leads_to_a_file() {
    let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root())
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| is_page(path))
        .collect();
    assert!(!pages.is_empty(), "no pages found");
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_page(&path) {
                pages.push(path);
            }
        }
    }

    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a readable page");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().expect("a page is in a folder").join(target);
            assert!(
                path.exists(),
                "{} links to {target}, which is not there",
                page.display()
            );
        }
    }
}

/// The largest file that is kept, unless it is one of these.
const MOST_BYTES: u64 = 1 << 20;

/// Larger ones that are meant.
const LARGE: [&str; 0] = [];

/// The files that git keeps, and their sizes.
fn kept(folder: &Path) -> Vec<(String, u64)> {
    let mut git = Command::new("git");
    // Of whoever it is: in a container the checkout is often somebody else's.
    git.args(["-c", "safe.directory=*", "ls-files", "-z"]);
    let output = git.current_dir(folder).output().expect("git is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git does not list files: {said}");
    let names = String::from_utf8(output.stdout).expect("names are text");
    let names = names.split('\0').filter(|name| !name.is_empty());
    // One that was just deleted is listed until that is committed.
    let sized = names.filter_map(|name| {
        let meta = std::fs::symlink_metadata(folder.join(name)).ok()?;
        Some((name.to_owned(), meta.len()))
    });
    sized.collect()
}

#[test]
fn no_large_file_came_in_by_mistake() {
    let files = kept(&root());

    assert!(files.len() > 300, "only {} files were found", files.len());
    for (name, bytes) in files {
        assert!(
            bytes <= MOST_BYTES || LARGE.contains(&name.as_str()),
            "{name} has {bytes} bytes: is it meant to be kept?"
        );
    }
}

#[test]
fn every_decision_has_a_number_of_its_own() {
    let pages = std::fs::read_dir(root().join("docs/decisions")).expect("there are decisions");
    let mut names: Vec<_> = pages
        .map(|page| page.expect("the directory can be read").file_name())
        .map(|name| name.into_string().expect("names are text"))
        .collect();
    names.sort_unstable();

    for (name, number) in names.iter().zip(1..) {
        let page = read(&format!("docs/decisions/{name}"));

        assert!(
            name.starts_with(&format!("{number:04}-")),
            "{name} is where number {number} is expected"
        );
        assert!(
            page.starts_with(&format!("# {number}. ")),
            "the heading of {name} has another number"
        );
    }
}
