//! Where windows come from: the kernel's maps, or a stand-in for them in tests.

use std::collections::BTreeMap;
use std::time::Instant;

use kubezonnet_capture::{Capture, CaptureError, Drained, Leftover, Tunnel};
use kubezonnet_model::{Coverage, InterfaceClass};

use crate::answer::ServerId;

/// Two generations of counters: one collects, the other holds the window that was closed last.
///
/// The calls block for milliseconds; nothing else runs in the agent meanwhile.
pub trait Source {
    /// Why a call failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Switches generations, unless that was done before, and reads the one that was left; with it,
    /// when they were switched.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn close_window(&mut self) -> Result<(Drained, Instant), Self::Error>;

    /// Keeps with the closed window what of it is in no map; comes before it is sent.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn keep(&mut self, note: &[u8]) -> Result<(), Self::Error>;

    /// Empties the generation that was read; comes before the next [`Self::close_window`]. `server`
    /// is who acknowledged a window last.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn clear_closed(&mut self, server: Option<ServerId>) -> Result<(), Self::Error>;

    /// Takes the hooks off; what they counted stays to be read.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; the caller tries again later.
    fn take_hooks_off(&mut self) -> Result<(), Self::Error>;

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

    fn close_window(&mut self) -> Result<(Drained, Instant), CaptureError> {
        let drained = Self::close_window(self)?;
        let closed = self.progress().closed;
        Ok((drained, closed.expect("it was closed just now").ended))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), CaptureError> {
        Self::keep(self, note)
    }

    fn clear_closed(&mut self, server: Option<ServerId>) -> Result<(), CaptureError> {
        Self::clear_closed(self, server.map(|server| server.0))
    }

    fn take_hooks_off(&mut self) -> Result<(), CaptureError> {
        Self::take_hooks_off(self)
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

/// Maps that nothing is counted into any more, and the ones that are counted into meanwhile.
#[derive(Debug)]
pub struct Draining<'a> {
    /// What is to be delivered.
    pub leftover: &'a mut Leftover,
    /// What is to be told of links; there is none while hooks are off.
    pub capture: Option<&'a mut Capture>,
}

impl Source for Draining<'_> {
    type Error = CaptureError;

    fn close_window(&mut self) -> Result<(Drained, Instant), CaptureError> {
        let drained = self.leftover.close_window()?;
        let closed = self.leftover.progress().closed;
        Ok((drained, closed.expect("it was closed just now").ended))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), CaptureError> {
        self.leftover.keep(note)
    }

    fn clear_closed(&mut self, server: Option<ServerId>) -> Result<(), CaptureError> {
        self.leftover.clear_closed(server.map(|server| server.0))
    }

    /// They are not these maps' any more.
    fn take_hooks_off(&mut self) -> Result<(), CaptureError> {
        Ok(())
    }

    fn coverage(&self) -> Coverage {
        self.leftover.coverage()
    }

    fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        match &mut self.capture {
            Some(capture) => capture.set_interfaces(interfaces),
            None => Ok(()),
        }
    }

    fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), CaptureError> {
        match &mut self.capture {
            Some(capture) => capture.set_tunnel_ports(ports),
            None => Ok(()),
        }
    }
}
