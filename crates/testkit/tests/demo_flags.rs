//! The demo's flags: a mistake is one line and exit code 64, and needs no root to be found.

use std::process::Command;

#[test]
fn a_wrong_flag_or_value_is_one_line_that_names_it_and_exit_code_64() {
    for (flag, named) in [
        ("--for=soon", "--for"),
        ("--port=x", "--port"),
        ("--fast", "--fast"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_kubezonnet-demo"))
            .arg(flag)
            .output()
            .unwrap();

        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{message}");
        assert!(
            message.contains(named) && message.lines().count() == 1,
            "{message}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_goes_to_standard_output() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubezonnet-demo"))
        .arg("--help")
        .output()
        .unwrap();

    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("--endpoints-file")
    );
}
