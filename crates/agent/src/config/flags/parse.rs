//! How the value of each flag is read.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use kubezonnet_model::NodeName;
use reqwest::Url;

use super::{Listen, MAX_FLOWS, MIN_FLOWS, PinDir};
use crate::config::duration::{parse_duration, show_duration};

pub(super) fn parse_node(text: &str) -> Result<NodeName, String> {
    // The value is shown by who calls this, cut.
    NodeName::new(text).map_err(|_| "expected 1 to 253 bytes without control characters".to_owned())
}

pub(super) fn parse_pin_dir(text: &str) -> Result<PinDir, String> {
    if text == "none" {
        return Ok(PinDir::None);
    }
    let path = PathBuf::from(text);
    if !path.is_absolute() {
        return Err("expected an absolute path, like /sys/fs/bpf/kubezonnet, or none".to_owned());
    }
    Ok(PinDir::At(path))
}

pub(super) fn parse_max_flows(text: &str) -> Result<u32, String> {
    whole(text, MIN_FLOWS, MAX_FLOWS)
}

pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    whole(text, 1, u16::MAX)
}

fn whole<T: FromStr + PartialOrd + Display + Copy>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}, in digits"))
}

pub(super) fn parse_server(text: &str) -> Result<Url, String> {
    let url = Url::from_str(text)
        .map_err(|error| format!("{error}; expected http://HOST[:PORT] or https://HOST[:PORT]"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "expected http:// or https://, not {}:",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It would be in the log with every failure.
        return Err("the URL must hold no user and no password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must have no query and no fragment".to_owned());
    }
    Ok(url)
}

pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let network: IpNet = text
        .trim()
        .parse()
        .map_err(|_| "expected an address and a prefix length, like 10.0.0.0/8".to_owned())?;
    let truncated = network.trunc();
    if network != truncated {
        return Err(format!(
            "has bits beyond its prefix length; did you mean {truncated}?"
        ));
    }
    Ok(network)
}

pub(super) fn parse_listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    text.parse().map(Listen::At).map_err(|_| {
        "expected an address and a port, like 127.0.0.1:9780 or [::]:9780, or off".into()
    })
}

pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(1), Duration::from_mins(5))
}

pub(super) fn parse_grace(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::ZERO, Duration::from_mins(10))
}

fn bounded(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [least, most].map(show_duration);
    Err(format!("must be from {least} to {most}"))
}
