//! Which pod a control group's directory is of, by its path below the root; pure.
//!
//! The kubelet has two ways to name them (`pkg/kubelet/cm/cgroup_manager_linux.go`): with the driver
//! `cgroupfs` a directory each, with `systemd` slices whose names hold all that is above them, and
//! in which a dash within a name is an underscore. Below a pod's directory come those of its
//! containers, as their runtime names them, and whatever a container makes below its own.

use kubezonnet_model::{PodUid, SocketOwner};

/// What the kubelet calls the directory of all pods. Others can stand before it in a name, where the
/// kubelet is told to put it below a group of its own (`--cgroup-root`).
const ALL_PODS: &str = "kubepods";

/// Where the sessions of users are, who may make any directory below their own.
const USERS: &str = "user.slice";

/// Before the uid.
const POD: &str = "pod";

/// Whose sockets are made in a directory, from what is known of the one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose they are.
    pub(crate) owner: SocketOwner,
    /// Pods are to be found below.
    is_among_pods: bool,
    /// Nothing below is a pod's, whatever it is called.
    is_users: bool,
}

impl Place {
    /// The root of the hierarchy.
    pub(crate) const ROOT: Self = Self {
        owner: SocketOwner::System,
        is_among_pods: false,
        is_users: false,
    };

    /// The directory of that name in this one. What is below a pod's directory is the pod's.
    pub(crate) fn below(self, name: &str) -> Self {
        if self.is_users || matches!(self.owner, SocketOwner::Pod(_)) {
            return self;
        }
        if name == USERS {
            return Self {
                is_users: true,
                ..self
            };
        }
        let slice = name.strip_suffix(".slice");
        let is_among_pods = self.is_among_pods
            || slice.map_or(name == ALL_PODS, |slice| {
                slice.split('-').any(|part| part == ALL_PODS)
            });
        // `kubepods-burstable-pod<uid>`: the uid is what follows the last dash.
        let last = slice.map_or(name, |slice| {
            slice.rsplit_once('-').map_or(slice, |(_, last)| last)
        });
        let pod = last.strip_prefix(POD).and_then(PodUid::parse);
        Self {
            owner: match pod {
                Some(uid) if is_among_pods => SocketOwner::Pod(uid),
                _ => SocketOwner::System,
            },
            is_among_pods,
            is_users: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    /// Of a static pod.
    const DIGEST: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const CONTAINER: &str = "5f1c3a9be0d24c6f8a7b0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c";

    fn owner(path: &str) -> SocketOwner {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(Place::ROOT, Place::below).owner
    }

    #[test]
    fn every_way_in_which_kubelets_and_runtimes_name_a_pods_groups_leads_to_its_uid() {
        let slice = UID.replace('-', "_");
        let paths = [
            // cgroupfs: of each class of service, and what runtimes and containers make below.
            format!("/kubepods/burstable/pod{UID}/{CONTAINER}"),
            format!("/kubepods/besteffort/pod{UID}/{CONTAINER}"),
            format!("/kubepods/pod{UID}/{CONTAINER}"),
            format!("/kubepods/pod{UID}"),
            format!("/kubepods/burstable/pod{UID}/crio-{CONTAINER}"),
            format!("/kubepods/burstable/pod{UID}/{CONTAINER}/init.scope"),
            format!("/kubepods/burstable/pod{DIGEST}/{CONTAINER}"),
            // The same below a group of the node's own, and on a node that is a container.
            format!("/nodes/one/kubepods/burstable/pod{UID}/{CONTAINER}"),
            format!("/kubelet/kubepods/burstable/pod{UID}/{CONTAINER}"),
            format!("/docker/{CONTAINER}/kubelet/kubepods/besteffort/pod{UID}/{CONTAINER}"),
            // systemd.
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{CONTAINER}.scope"
            ),
            format!(
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{slice}.slice/crio-{CONTAINER}.scope/container"
            ),
            format!("/kubepods.slice/kubepods-pod{slice}.slice/docker-{CONTAINER}.scope"),
            format!("/kubepods.slice/kubepods-pod{slice}.slice"),
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{DIGEST}.slice/cri-containerd-{CONTAINER}.scope"
            ),
            // CRI-O with conmon in a group of its own.
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/crio-conmon-{CONTAINER}.scope"
            ),
            // kind: below the kubelet's own slice.
            format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{slice}.slice/cri-containerd-{CONTAINER}.scope"
            ),
            format!(
                "/system.slice/docker-{CONTAINER}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/cri-containerd-{CONTAINER}.scope"
            ),
        ];

        let uid = PodUid::parse(UID).unwrap();
        for path in paths {
            assert_eq!(owner(&path), SocketOwner::Pod(uid), "{path}");
        }
    }

    #[test]
    fn what_is_in_no_pod_is_the_systems() {
        for path in [
            "/",
            "/init.scope",
            "/system.slice/kubelet.service",
            "/system.slice/containerd.service",
            "/user.slice/user-1000.slice/session-4.scope",
            "/kubepods.slice",
            "/kubepods.slice/kubepods-burstable.slice",
            "/kubepods/besteffort",
            "/kubepods/podsandbox",
            // The words without each other.
            "/machine.slice/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "/machine.slice/libpod-0a1b2c3d4e5f60718293a4b5c6d7e8f9.scope",
            "/notkubepods/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        ] {
            assert_eq!(owner(path), SocketOwner::System, "{path}");
        }
    }

    #[test]
    fn what_a_user_calls_a_pod_is_none() {
        for path in [
            format!("/user.slice/user-1000.slice/user@1000.service/kubepods/pod{UID}"),
            format!(
                "/user.slice/user-1000.slice/user@1000.service/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{DIGEST}.slice"
            ),
            format!("/docker/{CONTAINER}/user.slice/kubepods/pod{UID}"),
        ] {
            assert_eq!(owner(&path), SocketOwner::System, "{path}");
        }
    }

    #[test]
    fn what_runs_in_a_pod_is_the_outer_pods_also_if_it_is_a_node_itself() {
        let inner = "99999999-4e5f-6071-8293-a4b5c6d7e8f9";
        let path =
            format!("/kubepods/burstable/pod{UID}/{CONTAINER}/kubelet/kubepods/pod{inner}/x");

        let uid = PodUid::parse(UID).unwrap();
        assert_eq!(owner(&path), SocketOwner::Pod(uid));
    }
}
