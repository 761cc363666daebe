//! Where windows come from: the kernel's maps, or a stand-in for them in tests.

use std::collections::BTreeMap;

use kubezonnet_capture::{Capture, CaptureError, Drained, Tunnel};
use kubezonnet_model::{Coverage, InterfaceClass};

/// Two generations of counters: one collects, the other holds the window that was closed last.
///
/// The calls block for milliseconds; nothing else runs in the agent meanwhile.
pub trait Source {
    /// Why a call failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Switches generations and reads the one that was left.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn close_window(&mut self) -> Result<Drained, Self::Error>;

    /// Empties the generation that was read; comes before the next [`Self::close_window`].
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn clear_closed(&mut self) -> Result<(), Self::Error>;

    /// What is attached.
    fn coverage(&self) -> Coverage;

    /// Tells the kernel which interface is of which class.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; classes then stay as they were.
    fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), Self::Error>;

    /// Tells the kernel which UDP ports hold packets of an overlay.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), Self::Error>;
}

impl Source for Capture {
    type Error = CaptureError;

    fn close_window(&mut self) -> Result<Drained, CaptureError> {
        Self::close_window(self)
    }

    fn clear_closed(&mut self) -> Result<(), CaptureError> {
        Self::clear_closed(self)
    }

    fn coverage(&self) -> Coverage {
        Self::coverage(self)
    }

    fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        Self::set_interfaces(self, interfaces)
    }

    fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), CaptureError> {
        Self::set_tunnel_ports(self, ports)
    }
}
