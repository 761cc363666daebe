//! What must be there before packets can be counted, said plainly.

use std::fs;
use std::path::Path;

/// The first kernel with BPF programs on netfilter hooks (commit fd9c663b9ad6, "bpf: minimal
/// support for programs hooked into netfilter framework").
const KERNEL_MINIMUM: (u32, u32) = (6, 4);
/// The kernel's own type information, by which field offsets are found.
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Bits of the capability mask (`include/uapi/linux/capability.h`).
const CAPABILITIES: [(u32, &str); 3] =
    [(39, "CAP_BPF"), (12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON")];
/// Stands in for `CAP_BPF` and `CAP_PERFMON`, as it did before they were split off.
const CAP_SYS_ADMIN: u32 = 21;

/// Something is missing on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {remedy}")]
pub struct Problem {
    /// What is missing.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Looks for what the programs need: kernel, type information, capabilities, program type.
///
/// An empty list means that [`crate::Capture::attach`] should work.
pub fn preflight() -> Vec<Problem> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut problems = Vec::new();
    problems.extend(kernel(&release));
    if !Path::new(BTF).exists() {
        problems.push(Problem {
            what: format!("the kernel has no type information ({BTF} is missing)"),
            remedy: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (all large distributions' \
                     are), and mount /sys in the container"
                .into(),
        });
    }
    problems.extend(capabilities(&status));
    if problems.is_empty() {
        problems.extend(denied());
    }
    if problems.is_empty() && !supports_netfilter_programs() {
        problems.push(Problem {
            what: "the kernel has no BPF programs on netfilter hooks".into(),
            remedy: "use a kernel built with CONFIG_NETFILTER_BPF_LINK=y".into(),
        });
    }
    problems
}

/// Makes the smallest map there is: who may not do that may do nothing here.
fn denied() -> Option<Problem> {
    let options = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        ..Default::default()
    };
    let kind = libbpf_rs::MapType::Array;
    let made = libbpf_rs::MapHandle::create(kind, Some("kubezonnet"), 4, 4, 1, &options);
    let error = made.err()?;
    (error.kind() == libbpf_rs::ErrorKind::PermissionDenied).then(|| Problem {
        what: format!(
            "the bpf() system call is denied ({error}), though the capabilities are there"
        ),
        remedy:
            "let the container's seccomp profile allow bpf() (seccompProfile RuntimeDefault of \
                 containerd 1.6.10 or later does with CAP_BPF, Unconfined does everywhere), and \
                 on SELinux run it as spc_t"
                .into(),
    })
}

fn supports_netfilter_programs() -> bool {
    // An error of the probe itself says nothing; attaching will then tell more.
    libbpf_rs::ProgramType::Netfilter
        .is_supported()
        .unwrap_or(true)
}

fn kernel(release: &str) -> Option<Problem> {
    let mut numbers = release
        .trim()
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        // A release that cannot be read is no reason to stop: loading will tell.
        _ => return None,
    };
    let (major, minor) = KERNEL_MINIMUM;
    (version < KERNEL_MINIMUM).then(|| Problem {
        what: format!(
            "the kernel is {}, older than {major}.{minor}",
            release.trim()
        ),
        remedy: format!("run this node on a kernel from {major}.{minor} on"),
    })
}

fn capabilities(status: &str) -> Option<Problem> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let has = |bit: u32| mask & (1 << bit) != 0;
    let stands_in = |bit: u32| bit != 12 && has(CAP_SYS_ADMIN);
    let missing: Vec<_> = CAPABILITIES
        .into_iter()
        .filter(|(bit, _)| !has(*bit) && !stands_in(*bit))
        .map(|(_, name)| name)
        .collect();
    (!missing.is_empty()).then(|| Problem {
        what: format!("the process lacks {}", missing.join(", ")),
        remedy: "run it as root, or give the container these capabilities \
                 (securityContext.capabilities.add) and user 0"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_is_named_and_a_new_one_is_not() {
        for old in ["6.3.13-generic\n", "5.15.0-1052-aws", "4.19.0"] {
            let problem = kernel(old).expect("it is too old");
            assert!(problem.what.contains(old.trim()), "{problem}");
        }
        for new in ["6.4.0", "6.18.44", "7.0", "6.10.3-arch1-2"] {
            assert_eq!(kernel(new), None, "{new}");
        }
    }

    #[test]
    fn the_capabilities_that_are_missing_are_named() {
        let of = |mask: u64| {
            capabilities(&format!("Name:\tx\nCapEff:\t{mask:016x}\n")).map(|problem| problem.what)
        };

        assert_eq!(of(1 << 39 | 1 << 12 | 1 << 38), None);
        assert_eq!(of(1 << 21 | 1 << 12), None);
        assert_eq!(
            of(1 << 12).unwrap(),
            "the process lacks CAP_BPF, CAP_PERFMON"
        );
        assert_eq!(of(1 << 21).unwrap(), "the process lacks CAP_NET_ADMIN");
        assert_eq!(
            of(0).unwrap(),
            "the process lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"
        );
    }
}
