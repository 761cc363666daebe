//! Flags by themselves; what comes from the environment is tested with the binary.

use std::path::PathBuf;

use kubezonnet_wire::Limits;

use super::*;

fn read(line: &str) -> Result<Config, Stop> {
    let arguments = line.split_whitespace().map(OsString::from);
    Config::read(
        [OsString::from("kubezonnet-agent")]
            .into_iter()
            .chain(arguments),
    )
}

fn refused(line: &str) -> String {
    match read(line) {
        Err(Stop::Wrong(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_node_and_a_server_are_enough() {
    let config = read("--node n1 --server http://server:8080").unwrap();

    let expected = Config {
        task: Task::Report,
        node: NodeName::new("n1").unwrap(),
        target: Target::Server(Url::parse("http://server:8080").unwrap()),
        interval: Duration::from_secs(10),
        grace: Duration::from_secs(20),
        credentials: Credentials::default(),
        flow_detail: FlowDetail::Service,
        max_flows: 65_536,
        networks: Vec::new(),
        pin_dir: Some(PathBuf::from("/sys/fs/bpf/kubezonnet")),
        cgroup_root: None,
        uplinks: Vec::new(),
        tunnel_ports: BTreeMap::new(),
        metrics_listen: Some("127.0.0.1:9780".parse().unwrap()),
        log_format: LogFormat::Text,
    };
    assert_eq!(config, expected);
}

#[test]
fn every_flag_is_taken() {
    let config = read(
        "--node n1 --server https://server/base --interval 1m30s --grace 0s --ca-file /ca.pem \
         --flow-detail connection --max-flows 64 --cidr 10.0.0.0/8 --cidr fd00::/8 \
         --uplink eth0 --uplink eth1 --vxlan-port 4790 --vxlan-port 5000 --geneve-port 8472 \
         --cgroup-root /host/cgroup --metrics-listen [::]:1 --log-format json",
    )
    .unwrap();

    assert_eq!(config.interval, Duration::from_secs(90));
    assert_eq!(config.grace, Duration::ZERO);
    assert_eq!(config.credentials.ca_file, Some(PathBuf::from("/ca.pem")));
    assert_eq!(config.flow_detail, FlowDetail::Connection);
    assert_eq!(config.max_flows, 64);
    assert_eq!(config.networks.len(), 2);
    assert_eq!(config.uplinks, ["eth0", "eth1"]);
    assert_eq!(config.cgroup_root, Some(PathBuf::from("/host/cgroup")));
    let tunnel_ports = [
        (4790, Tunnel::Vxlan),
        (5000, Tunnel::Vxlan),
        (8472, Tunnel::Geneve),
    ];
    assert_eq!(config.tunnel_ports, BTreeMap::from(tunnel_ports));
    assert_eq!(config.metrics_listen, Some("[::]:1".parse().unwrap()));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn a_dry_run_needs_no_server_and_no_port() {
    let config = read("--node n1 --dry-run").unwrap();

    assert_eq!(config.target, Target::Table);
    assert_eq!(config.metrics_listen, None);
}

#[test]
fn metrics_can_be_off_or_on_in_a_dry_run() {
    let off = read("--node n1 --server http://s --metrics-listen off").unwrap();
    let on = read("--node n1 --dry-run --metrics-listen 127.0.0.1:1").unwrap();

    assert_eq!(off.metrics_listen, None);
    assert_eq!(on.metrics_listen, Some("127.0.0.1:1".parse().unwrap()));
}

#[test]
fn what_is_wrong_is_named_in_one_line_with_its_flag() {
    let cases = [
        ("--dry-run", "--node"),
        ("--node n1", "--server"),
        ("--node n1 --server server:8080", "--server"),
        ("--node n1 --server ftp://server", "http://"),
        ("--node n1 --server http://", "host"),
        ("--node n1 --server http://server/?a=b", "query"),
        ("--node n1 --server http://user:word@server", "password"),
        ("--node n1 --dry-run --interval 999ms", "from 1s to 5m"),
        ("--node n1 --dry-run --interval 301s", "from 1s to 5m"),
        ("--node n1 --dry-run --interval fast", "--interval"),
        ("--node n1 --dry-run --grace 11m", "from 0s to 10m"),
        ("--node n1 --dry-run --max-flows 63", "from 64 to 196608"),
        ("--node n1 --dry-run --max-flows 1e3", "from 64 to 196608"),
        ("--node n1 --dry-run --vxlan-port 0", "from 1 to 65535"),
        ("--node n1 --dry-run --max-flows 196609", "--max-flows"),
        (
            "--node n1 --dry-run --cidr 10.0.0.1/8",
            "did you mean 10.0.0.0/8",
        ),
        ("--node n1 --dry-run --cidr 10.0.0.0", "--cidr"),
        ("--node n1 --dry-run --flow-detail all", "--flow-detail"),
        (
            "--node n1 --dry-run --metrics-listen 80",
            "--metrics-listen",
        ),
        ("--node n1 --dry-run --vxlan-port 0", "--vxlan-port"),
        ("--node n1 --dry-run --geneve-port 65536", "--geneve-port"),
        (
            "--node n1 --dry-run --vxlan-port 1,2 --geneve-port 3,2",
            "--vxlan-port 2 and --geneve-port 2",
        ),
        ("--node n1 --dry-run --log-format xml", "--log-format"),
        ("--node n1 --dry-run --what", "--what"),
        ("--node n1 --dry-run more", "more"),
    ];
    for (line, named) in cases {
        let text = refused(line);
        assert!(text.contains(named), "{line}: {text}");
        assert!(!text.contains('\n'), "{line}: {text}");
    }
}

#[test]
fn a_long_value_is_shown_cut() {
    let line = refused(&format!("--dry-run --node {}", "x".repeat(300)));

    let expected = format!(
        "invalid value '{}…' for '--node <NAME>': expected 1 to 253 bytes without control characters",
        "x".repeat(MAX_SHOWN)
    );
    assert_eq!(line, expected);
}

#[test]
fn a_password_is_never_said() {
    for line in [
        "--node n1 --server http://somebody:sec-ret@server",
        "--node n1 --server=http://somebody:sec-ret@server/?a",
        "--node n1 --server https://somebody:sec/ret@server",
        "--node n1 --server ftp://somebody:sec-ret@server",
        "--node n1 --server http://somebody:sec-ret@",
        "--node n1 --serve http://somebody:sec-ret@server",
        "--node n1 --dry-run http://somebody:sec-ret@server",
    ] {
        let told = refused(line);

        assert!(
            !told.contains("ret@") && !told.contains("somebody"),
            "{told}"
        );
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for (line, contained) in [
        ("--help", "Exit status"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        match read(line) {
            Err(Stop::Asked(text)) => assert!(text.contains(contained), "{text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn every_flag_has_its_environment_variable() {
    let command = Flags::command();
    let flags = command
        .get_arguments()
        .filter(|argument| !argument.is_positional())
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()));
    for argument in flags {
        let flag = argument.get_long().unwrap();
        let variable = format!("KUBEZONNET_{}", flag.replace('-', "_").to_uppercase());

        assert_eq!(argument.get_env(), Some(variable.as_ref()), "--{flag}");
    }
}

#[test]
fn the_largest_window_fits_into_what_a_server_takes_by_default() {
    let flows = usize::try_from(flags::MAX_FLOWS).unwrap();
    let pairs = flows / 8;
    let hot_flows = 64 * 600;
    // Hooks, classes and kinds: a few hundred totals and skips at the very most.
    let rest = 1_000;

    assert!(flows + pairs + hot_flows + rest <= Limits::default().max_records);
}

#[test]
fn nothing_secret_is_sent_in_clear() {
    for (flags, named) in [
        ("--token-file /token", "--token-file"),
        ("--client-cert /c --client-key /k", "--client-cert"),
    ] {
        let clear = refused(&format!("--node n1 --server http://server {flags}"));
        let secret = read(&format!("--node n1 --server https://server {flags}"));

        let expected =
            format!("{named} needs an https:// --server: nothing secret is sent in clear");
        assert_eq!(clear, expected);
        assert!(secret.is_ok(), "{secret:?}");
    }
}

#[test]
fn a_certificate_comes_with_its_key() {
    let alone = refused("--node n1 --server https://server --client-cert /c");

    assert!(alone.contains("--client-key"), "{alone}");
}

#[test]
fn pins_are_where_they_are_told_to_be_and_nowhere_in_a_dry_run() {
    let server = "--node n1 --server http://s";

    let elsewhere = read(&format!("{server} --pin-dir /run/bpf/kz")).unwrap();
    let nowhere = read(&format!("{server} --pin-dir none")).unwrap();
    let dry = read("--node n1 --dry-run").unwrap();

    assert_eq!(elsewhere.pin_dir, Some(PathBuf::from("/run/bpf/kz")));
    assert_eq!((nowhere.pin_dir, dry.pin_dir), (None, None));
    let relative = refused(&format!("{server} --pin-dir kz"));
    assert!(relative.contains("expected an absolute path"), "{relative}");
}

#[test]
fn detach_takes_the_same_flags_and_opens_no_port() {
    let config = read("detach --node n1 --server http://s --grace 5s").unwrap();

    assert_eq!((config.task, config.metrics_listen), (Task::Detach, None));
    assert_eq!(config.grace, Duration::from_secs(5));
    assert!(refused("detach --node n1 --dry-run").contains("takes no --dry-run"));
}
