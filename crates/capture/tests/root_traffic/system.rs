//! System calls that no library here wraps: a program's side of a network interface, and how a socket
//! deals with the path's MTU.

#![expect(
    unsafe_code,
    reason = "no library that this project uses makes these calls"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use kubezonnet_model::Family;

/// `TUNSETIFF` of `linux/if_tun.h`.
const SET_INTERFACE: libc::Ioctl = 0x4004_54ca;

/// Makes a device in the network namespace of the calling thread, which is gone with the file: what
/// is written to the file is received by it, and what it sends is read. `flags` are those of
/// `linux/if_tun.h`.
pub(crate) fn device(name: &str, flags: libc::c_int) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    let file = options.open("/dev/net/tun")?;
    // struct ifreq: 16 bytes for the name, then the flags.
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = u16::try_from(flags).expect("flags have 16 bits");
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request is as large as the kernel reads and writes, and outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), SET_INTERFACE, request.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// What a socket does about the path's MTU (`IP_MTU_DISCOVER` and `IPV6_MTU_DISCOVER`, which have the
/// same values).
pub(crate) fn discover_mtu(socket: &UdpSocket, family: Family, how: libc::c_int) -> io::Result<()> {
    let (level, option) = match family {
        Family::Ipv4 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        Family::Ipv6 => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let length = libc::socklen_t::try_from(size_of_val(&how)).expect("a number is small");
    let value = (&raw const how).cast();
    // SAFETY: the value is as long as is said, and outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
