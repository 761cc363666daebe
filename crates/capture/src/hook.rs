//! The hooks: where the programs are attached, in which order of priorities.

use std::io;
use std::path::Path;

use kubezonnet_model::{Family, Hook};
use libbpf_rs::query::LinkTypeInfo;
use libbpf_rs::{
    Link, NF_INET_LOCAL_IN, NF_INET_POST_ROUTING, NFPROTO_IPV4, NFPROTO_IPV6, NetfilterOpts,
    ProgramMut,
};

use crate::CaptureError;

/// A program attached to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The hook.
    pub hook: Hook,
    /// The address family.
    pub family: Family,
    /// The netfilter priority it got: the first free one of its hook's list.
    pub priority: i32,
}

/// One place to attach a program to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookPoint {
    pub(crate) hook: Hook,
    pub(crate) family: Family,
    number: i32,
    /// Tried in this order: a BPF program cannot share a priority with anything else.
    priorities: &'static [i32],
}

/// Before source translation (`NF_IP_PRI_NAT_SRC`, 100), after everything that is usually there.
const BEFORE_SOURCE_NAT: &[i32] = &[95, 94, 93, 92, 91];
/// After everything but the confirmation of a connection, which is at the largest number. (The
/// largest number itself is not allowed for BPF.)
const LAST: &[i32] = &[
    i32::MAX - 1,
    i32::MAX - 2,
    i32::MAX - 3,
    i32::MAX - 4,
    i32::MAX - 5,
];

/// Every place, in the order of attaching, which is that of the slots (`enum hook_slot`).
pub(crate) const HOOKS: [HookPoint; 4] = [
    HookPoint::new(Hook::Postrouting, Family::Ipv4),
    HookPoint::new(Hook::Postrouting, Family::Ipv6),
    HookPoint::new(Hook::LocalIn, Family::Ipv4),
    HookPoint::new(Hook::LocalIn, Family::Ipv6),
];

impl HookPoint {
    pub(crate) const fn new(hook: Hook, family: Family) -> Self {
        let (number, priorities) = match hook {
            Hook::Postrouting => (NF_INET_POST_ROUTING, BEFORE_SOURCE_NAT),
            Hook::LocalIn => (NF_INET_LOCAL_IN, LAST),
        };
        Self {
            hook,
            family,
            number,
            priorities,
        }
    }

    /// The program that counts here.
    pub(crate) fn program(&self) -> &'static str {
        match (self.hook, self.family) {
            (Hook::Postrouting, Family::Ipv4) => "postrouting_v4",
            (Hook::Postrouting, Family::Ipv6) => "postrouting_v6",
            (Hook::LocalIn, Family::Ipv4) => "local_in_v4",
            (Hook::LocalIn, Family::Ipv6) => "local_in_v6",
        }
    }

    /// The program that is attached here, and goes on to the one that counts.
    pub(crate) fn stub(&self) -> &'static str {
        match (self.hook, self.family) {
            (Hook::Postrouting, Family::Ipv4) => "stub_post_v4",
            (Hook::Postrouting, Family::Ipv6) => "stub_post_v6",
            (Hook::LocalIn, Family::Ipv4) => "stub_in_v4",
            (Hook::LocalIn, Family::Ipv6) => "stub_in_v6",
        }
    }

    /// The first two bytes of the kernel's `nf_hook_state`: hook number and protocol family.
    pub(crate) fn state(&self) -> [u8; 2] {
        let family = match self.family {
            Family::Ipv4 => NFPROTO_IPV4,
            Family::Ipv6 => NFPROTO_IPV6,
        };
        [self.number, family].map(|number| u8::try_from(number).expect("both are below 11"))
    }

    /// Attaches the program in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`CaptureError::PrioritiesTaken`] if something is attached at each priority of the list,
    /// [`CaptureError::Attach`] for everything else that the kernel refuses.
    pub(crate) fn attach(
        &self,
        program: &ProgramMut<'_>,
    ) -> Result<(Link, Attached), CaptureError> {
        let Self {
            hook,
            family,
            number,
            priorities,
        } = *self;
        let protocol_family = match family {
            Family::Ipv4 => NFPROTO_IPV4,
            Family::Ipv6 => NFPROTO_IPV6,
        };
        for &priority in priorities {
            let options = NetfilterOpts {
                protocol_family,
                hooknum: number,
                priority,
                ..Default::default()
            };
            match program.attach_netfilter_with_opts(options) {
                Ok(link) => {
                    return Ok((
                        link,
                        Attached {
                            hook,
                            family,
                            priority,
                        },
                    ));
                }
                Err(error) if is_taken(&error) => {
                    tracing::debug!(
                        hook = hook.as_str(),
                        family = family.as_str(),
                        priority,
                        "priority is taken"
                    );
                }
                Err(source) => {
                    return Err(CaptureError::Attach {
                        hook,
                        family,
                        source,
                    });
                }
            }
        }
        Err(CaptureError::PrioritiesTaken {
            hook,
            family,
            priorities: priorities.to_vec(),
        })
    }
}

/// What a link that was pinned is attached to.
pub(crate) fn attached(
    point: &HookPoint,
    link: &Link,
    path: &Path,
) -> Result<Attached, CaptureError> {
    let failed = |source| CaptureError::pinned(path, source);
    let info = link
        .info()
        .map_err(|error| failed(io::Error::other(error)))?;
    match info.info {
        LinkTypeInfo::Netfilter(netfilter) => Ok(Attached {
            hook: point.hook,
            family: point.family,
            priority: netfilter.priority,
        }),
        _ => Err(failed(io::Error::other("it is no netfilter link"))),
    }
}

/// The kernel says `EBUSY` where a BPF program or any other hook has the priority already. libbpf-rs
/// gives the error number in its text only.
fn is_taken(error: &libbpf_rs::Error) -> bool {
    format!("{error:#}").contains(&format!("(os error {})", libc::EBUSY))
}
