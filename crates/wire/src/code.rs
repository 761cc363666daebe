//! The numbers that stand for enums on the wire. Once released, a number never changes its meaning.
//!
//! Each list is the only place that ties a value to its number; both directions read it.
//! A number is never 0 except where 0 means "not known", so that a column of zeros is no answer.

use kubezonnet_model::{
    Hook, InterfaceClass, PodUid, PortSide, Protocol, ServicePort, SkipReason, SocketOwner,
    TotalKind, Transport,
};

/// The number of a hook.
pub(crate) fn hook(hook: Hook) -> u32 {
    match hook {
        Hook::Postrouting => 1,
        Hook::LocalIn => 2,
    }
}

/// The number of an interface class.
pub(crate) fn class(class: InterfaceClass) -> u32 {
    match class {
        InterfaceClass::Other => 0,
        InterfaceClass::Pod => 1,
        InterfaceClass::Uplink => 2,
        InterfaceClass::Tunnel => 3,
        InterfaceClass::Host => 4,
        InterfaceClass::Loopback => 5,
    }
}

/// The number of a kind of total.
pub(crate) fn total_kind(kind: TotalKind) -> u32 {
    match kind {
        TotalKind::Coarsened => 1,
        TotalKind::Loopback => 2,
        TotalKind::Multicast => 3,
    }
}

/// The number of a reason to skip.
pub(crate) fn skip_reason(reason: SkipReason) -> u32 {
    match reason {
        SkipReason::Looped => 1,
        SkipReason::OutsideCidr => 2,
        SkipReason::Malformed => 3,
        SkipReason::Encapsulated => 4,
    }
}

/// The hook of a number, if it is one this reader knows.
pub(crate) fn to_hook(code: u64) -> Option<Hook> {
    Hook::ALL
        .into_iter()
        .find(|value| u64::from(hook(*value)) == code)
}

/// The interface class of a number. One this reader does not know is [`InterfaceClass::Other`],
/// which means just that.
pub(crate) fn to_class(code: u64) -> InterfaceClass {
    InterfaceClass::ALL
        .into_iter()
        .find(|value| u64::from(class(*value)) == code)
        .unwrap_or(InterfaceClass::Other)
}

/// The kind of total of a number, if it is one this reader knows.
pub(crate) fn to_total_kind(code: u64) -> Option<TotalKind> {
    TotalKind::ALL
        .into_iter()
        .find(|value| u64::from(total_kind(*value)) == code)
}

/// The reason of a number, if it is one this reader knows.
pub(crate) fn to_skip_reason(code: u64) -> Option<SkipReason> {
    SkipReason::ALL
        .into_iter()
        .find(|value| u64::from(skip_reason(*value)) == code)
}

/// 0 where only the pair of addresses is known, else the IP protocol + 1.
pub(crate) fn protocol(transport: Option<Transport>) -> u32 {
    transport.map_or(0, |transport| u32::from(transport.protocol.0) + 1)
}

/// 0 without a service port, else port × 2 + side + 1, the side 0 for the source and 1 for the
/// destination.
pub(crate) fn port(transport: Option<Transport>) -> u32 {
    let service = transport.and_then(|transport| transport.service);
    service.map_or(0, |service| {
        let side = match service.side {
            PortSide::Source => 0,
            PortSide::Destination => 1,
        };
        u32::from(service.number) * 2 + side + 1
    })
}

/// 0 without a client port, else the port + 1.
pub(crate) fn client_port(transport: Option<Transport>) -> u32 {
    let client_port = transport.and_then(|transport| transport.client_port);
    client_port.map_or(0, |number| u32::from(number) + 1)
}

/// The number of the first pod's socket. Those below stand for who is no pod, and some for nobody yet.
const FIRST_POD: u32 = 16;

/// 0 without a socket, else who is no pod by a number of its own, and a pod by its position among the
/// uids.
pub(crate) fn socket(socket: Option<SocketOwner>, position: impl Fn(&PodUid) -> u32) -> u32 {
    match socket {
        None => 0,
        Some(SocketOwner::System) => 1,
        Some(SocketOwner::Kernel) => 2,
        Some(SocketOwner::Unseen) => 3,
        Some(SocketOwner::Unreadable) => 4,
        Some(SocketOwner::Pod(uid)) => FIRST_POD.saturating_add(position(&uid)),
    }
}

/// The reverse of [`socket`]. A number that this reader does not know stands for an owner that cannot
/// be told here.
pub(crate) fn to_socket(code: u64, pods: &[[u8; 16]]) -> Result<Option<SocketOwner>, OutOfRange> {
    if let Some(position) = code.checked_sub(u64::from(FIRST_POD)) {
        let position = usize::try_from(position).map_err(|_| OutOfRange)?;
        let uid = pods.get(position).ok_or(OutOfRange)?;
        return Ok(Some(SocketOwner::Pod(PodUid(*uid))));
    }
    Ok(match code {
        0 => None,
        1 => Some(SocketOwner::System),
        2 => Some(SocketOwner::Kernel),
        3 => Some(SocketOwner::Unseen),
        _ => Some(SocketOwner::Unreadable),
    })
}

/// A number past the last protocol, port or pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// The reverse of [`protocol`].
pub(crate) fn to_protocol(code: u64) -> Result<Option<Protocol>, OutOfRange> {
    let Some(number) = code.checked_sub(1) else {
        return Ok(None);
    };
    let number = u8::try_from(number).map_err(|_| OutOfRange)?;
    Ok(Some(Protocol(number)))
}

/// The reverse of [`port`].
pub(crate) fn to_port(code: u64) -> Result<Option<ServicePort>, OutOfRange> {
    let Some(both) = code.checked_sub(1) else {
        return Ok(None);
    };
    let number = u16::try_from(both / 2).map_err(|_| OutOfRange)?;
    let side = if both % 2 == 0 {
        PortSide::Source
    } else {
        PortSide::Destination
    };
    Ok(Some(ServicePort { number, side }))
}

/// The reverse of [`client_port`].
pub(crate) fn to_client_port(code: u64) -> Result<Option<u16>, OutOfRange> {
    let Some(number) = code.checked_sub(1) else {
        return Ok(None);
    };
    u16::try_from(number).map(Some).map_err(|_| OutOfRange)
}
