//! What the server keeps in memory with 5,000 pods: the program itself, told by a fake API server
//! that has pods as a real one was recorded, and the reports of 100 nodes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kubezonnet_testkit::bench::{Bench, Figure};
use kubezonnet_testkit::kube::{FakeKube, Kind, object, recorded};
use kubezonnet_testkit::wait_for;
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH};
use serde_json::{Value, json};

use crate::Outcome;
use crate::cluster;
use crate::ingest::next_windows;

const PODS: u32 = 5_000;
const FLOWS: usize = 3_000;
const WINDOWS: usize = 10;

/// Megabytes that it may take.
const MEGABYTES: f64 = 40.0;

/// How long the server may take to know all pods.
const SYNC: Duration = Duration::from_mins(1);

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let kube = runtime.block_on(FakeKube::start())?;
    tell_of_all(&kube)?;
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let server = Server::start(&kube, address)?;
    wait_for("a server that knows all pods", SYNC, || {
        let (status, _) = ask(address, "GET /readyz HTTP/1.1", "", &[]).ok()?;
        (status == 200).then_some(())
    })?;
    let synced = server.memory()?;
    let mut batches = (0..PODS / cluster::PODS_OF_A_NODE)
        .map(|node| cluster::batch(PODS, node, FLOWS))
        .collect::<Outcome<Vec<_>>>()?;
    let headers = format!("Content-Type: {CONTENT_TYPE}\r\n{AGE_HEADER}: 0\r\n");
    for _ in 0..WINDOWS {
        for body in next_windows(&mut batches) {
            let line = format!("POST {INGEST_PATH} HTTP/1.1");
            let (status, text) = ask(address, &line, &headers, &body)?;
            if status != 200 {
                return Err(format!("a batch was answered with {status}: {text}").into());
            }
        }
    }
    let busy = server.memory()?;
    let (_, page) = ask(address, "GET /metrics HTTP/1.1", "", &[])?;
    let samples = page.lines().filter(|line| line.contains('{')).count();
    let scraped = server.memory()?;
    for (subject, memory) in [
        ("5,000 pods, no reports yet", &synced),
        ("10 windows of 100 nodes, 3,000 flows each", &busy),
        ("and a scrape", &scraped),
    ] {
        let figures = [
            Figure::new("MB resident", memory.resident).at_most(MEGABYTES),
            Figure::new("of it the program's file, MB", memory.file),
            Figure::new("highest MB so far", memory.highest),
        ];
        bench.tell("server memory", subject, &figures)?;
    }
    if samples < PODS as usize {
        return Err(format!("only {samples} samples were on the page").into());
    }
    Ok(())
}

/// The pods and nodes of [`cluster::topology`], as large as a real API server's are.
fn tell_of_all(kube: &FakeKube) -> Outcome {
    for node in 0..PODS / cluster::PODS_OF_A_NODE {
        let zone = format!("eu-central-1{}", ["a", "b", "c"][node as usize % 3]);
        let name = cluster::node_name(node)?.to_string();
        let address = Ipv4Addr::from(0xC0A8_0000 + node).to_string();
        let uid = format!("00000000-0000-4000-9000-{node:012}");
        kube.upsert(Kind::Node, object::node(&name, &uid, &zone, &[&address]));
    }
    let template = recorded::pods().into_iter().next();
    let template = template.ok_or("the recording has a pod")?;
    for pod in 0..PODS {
        let (workload, namespace) = cluster::workload(pod, PODS);
        let mut object = template.clone();
        let metadata = &mut object["metadata"];
        metadata["namespace"] = json!(namespace);
        metadata["name"] = json!(format!("service-{workload}-5d9c7b6f48-{pod:05x}"));
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{pod:012}"));
        metadata["labels"] = json!({ "pod-template-hash": "5d9c7b6f48" });
        metadata["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
            "name": format!("service-{workload}-5d9c7b6f48"), "uid": format!("{workload}"),
        }]);
        object["spec"]["nodeName"] =
            json!(cluster::node_name(pod / cluster::PODS_OF_A_NODE)?.to_string());
        object["spec"]["hostNetwork"] = Value::Bool(false);
        object["status"]["phase"] = json!("Running");
        let addresses = [cluster::pod_address(pod), cluster::pod_address_ipv6(pod)];
        let addresses = addresses.map(|address| address.to_string());
        let object = object::with_addresses(object, &[&addresses[0], &addresses[1]]);
        kube.upsert(Kind::Pod, object);
    }
    Ok(())
}

/// The program. Dropping it ends it.
struct Server(Child);

/// Megabytes.
struct Memory {
    resident: f64,
    file: f64,
    highest: f64,
}

impl Server {
    fn start(kube: &FakeKube, address: SocketAddr) -> Outcome<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_kubezonnet-server"))
            .arg(format!("--listen={address}"))
            .arg(format!("--kubeconfig={}", kube.kubeconfig().display()))
            .arg("--flow-log=off")
            .arg("--data-dir=none")
            .arg("--insecure")
            .arg("--pending-timeout=1s")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let megabytes = |name: &str| -> Outcome<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.ok_or_else(|| format!("the status has no {name}"))?;
            Ok(kib.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
        };
        Ok(Memory {
            resident: megabytes("VmRSS:")?,
            file: megabytes("RssFile:")?,
            highest: megabytes("VmHWM:")?,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended on its own.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// One request on a connection of its own: status and text of the answer.
fn ask(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Outcome<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    let head = format!(
        "{line}\r\nHost: bench\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).ok_or("an answer has a status")?;
    Ok((status.parse()?, answer))
}
