//! The binary as a person meets it before anything is attached: help, mistakes, exit statuses.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::process::{Command, Output};

fn agent(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubezonnet-agent"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// Runs it with a mistake, and returns the one line it says.
fn mistake(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = agent(arguments, variables);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn mistakes_are_one_line_on_standard_error_and_exit_with_64() {
    assert_eq!(
        mistake(&["--node", "n1", "--server", "nowhere"], &[]),
        "kubezonnet-agent: invalid value 'nowhere' for '--server <URL>': relative URL without a \
         base; expected http://HOST[:PORT] or https://HOST[:PORT]\n"
    );
    assert_eq!(
        mistake(&["--dry-run"], &[]),
        "kubezonnet-agent: --node is missing: give the node's name, or set KUBEZONNET_NODE\n"
    );
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let text = mistake(&["--node", "n1"], &[("KUBEZONNET_INTERVAL", "soon")]);

    assert!(
        text.ends_with("(from the environment variable KUBEZONNET_INTERVAL)\n"),
        "{text}"
    );
}

#[test]
fn a_flag_wins_over_its_variable_and_is_blamed_alone() {
    let text = mistake(
        &["--node", "n1", "--interval", "never"],
        &[("KUBEZONNET_INTERVAL", "10s")],
    );

    assert!(
        text.contains("never") && !text.contains("variable"),
        "{text}"
    );
}

#[test]
fn variables_do_as_well_as_flags() {
    // Everything is right but the uplink, which is looked up last.
    let text = mistake(
        &[],
        &[
            ("NODE_NAME", "n1"),
            ("KUBEZONNET_DRY_RUN", "true"),
            ("KUBEZONNET_CIDR", "10.0.0.0/8,fd00::/8"),
            ("KUBEZONNET_UPLINK", "no-such0,lo"),
        ],
    );

    assert!(
        text.starts_with("kubezonnet-agent: --uplink no-such0: no such interface here; there are "),
        "{text}"
    );
}

#[test]
fn an_authority_that_cannot_be_read_is_a_mistake_in_its_flag() {
    let text = mistake(
        &[
            "--node",
            "n1",
            "--server",
            "https://server",
            "--ca-file",
            "/nonexistent.pem",
        ],
        &[],
    );

    assert!(
        text.contains("cannot read --ca-file /nonexistent.pem"),
        "{text}"
    );
}

#[test]
fn what_the_environment_says_of_the_server_is_not_on_the_page_of_help() {
    let url = ("KUBEZONNET_SERVER", "http://somebody:sec-ret@server");

    let output = agent(&["--help"], &[url]);
    let mistake = mistake(&["--node", "n1"], &[url]);

    let help = String::from_utf8(output.stdout).unwrap();
    assert!(!help.contains("sec-ret"), "{help}");
    assert!(!mistake.contains("sec-ret"), "{mistake}");
}

#[test]
fn help_reads_like_a_manual_on_standard_output() {
    let output = agent(&["--help"], &[]);

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in [
        "Reporting:",
        "Counting:",
        "Examples:",
        "Signals:",
        "Exit status:",
    ] {
        assert!(text.contains(part), "no {part}\n{text}");
    }
}
