//! The control groups that are known, those that are gone included; pure.

use std::collections::{HashMap, HashSet, VecDeque};

use kubezonnet_model::SocketOwner;

use super::path::Place;
use super::root::{ROOT, Root};

/// How many groups are remembered after they are gone: their sockets are in windows that are read
/// later, an hour later if the server is away. A node that makes ten groups a second has this many
/// in less than two.
const MAX_GONE: usize = 65_536;

/// What the node shows of its control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All of them, in one hierarchy of version 2.
    Unified,
    /// Those of version 2 beside others, with the pods among them.
    Hybrid,
    /// Those of version 2 beside others, and no pod among them.
    Elsewhere,
    /// Only those below this process' own.
    Confined,
    /// None.
    Absent,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 5] = [
        Self::Unified,
        Self::Hybrid,
        Self::Elsewhere,
        Self::Confined,
        Self::Absent,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Hybrid => "hybrid",
            Self::Elsewhere => "elsewhere",
            Self::Confined => "confined",
            Self::Absent => "absent",
        }
    }

    /// Why pods on the node's network cannot be told apart, and what to do; `None` if they can.
    pub const fn problem(self) -> Option<&'static str> {
        match self {
            Self::Unified | Self::Hybrid => None,
            Self::Elsewhere => Some(
                "the pods are in control groups of version 1, which sockets do not carry: use \
                 version 2 (systemd.unified_cgroup_hierarchy=1), or with both the kubelet's \
                 systemd driver",
            ),
            Self::Confined => Some(
                "only the control groups below the agent's own are to be seen: mount the host's \
                 /sys/fs/cgroup into the container and name it with --cgroup-root",
            ),
            Self::Absent => Some(
                "no control groups of version 2 are to be seen: mount the host's /sys/fs/cgroup \
                 into the container and name it with --cgroup-root; a node with version 1 only \
                 does not tell",
            ),
        }
    }
}

/// Whose the sockets of each group are, by the group's number.
#[derive(Debug)]
pub(crate) struct Known {
    root: Option<Root>,
    groups: HashMap<u32, Group>,
    /// Those that are gone, the ones that went first in front.
    gone: VecDeque<u32>,
    has_pods: bool,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    owner: SocketOwner,
    is_gone: bool,
}

impl Known {
    pub(crate) fn new(root: Option<Root>) -> Self {
        Self {
            root,
            groups: HashMap::from([(
                ROOT,
                Group {
                    owner: Place::ROOT.owner,
                    is_gone: false,
                },
            )]),
            gone: VecDeque::new(),
            has_pods: false,
        }
    }

    /// A group is there. A number that had another group is this one's from now on.
    pub(crate) fn add(&mut self, number: u32, owner: SocketOwner) {
        self.has_pods |= matches!(owner, SocketOwner::Pod(_));
        let group = Group {
            owner,
            is_gone: false,
        };
        if let Some(before) = self.groups.insert(number, group)
            && before.is_gone
        {
            self.gone.retain(|gone| *gone != number);
        }
    }

    /// A group is gone.
    pub(crate) fn went(&mut self, number: u32) {
        let group = self.groups.get_mut(&number);
        let Some(group) = group.filter(|group| number != ROOT && !group.is_gone) else {
            return;
        };
        group.is_gone = true;
        self.gone.push_back(number);
        if self.gone.len() > MAX_GONE
            && let Some(forgotten) = self.gone.pop_front()
        {
            self.groups.remove(&forgotten);
        }
    }

    /// Those that are known before directories are read; for [`Self::keep_only`].
    pub(crate) fn numbers(&self) -> HashSet<u32> {
        self.groups.keys().copied().collect()
    }

    /// Of the groups that were known `before`, these are all that are there. One that was made since
    /// then can be missing among them, and is there.
    pub(crate) fn keep_only(&mut self, before: &HashSet<u32>, there: &HashSet<u32>) {
        let went: Vec<u32> = before.difference(there).copied().collect();
        for number in went {
            self.went(number);
        }
    }

    pub(crate) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    pub(crate) fn view(&self) -> View {
        match &self.root {
            None => View::Absent,
            Some(root) if root.is_hybrid && self.has_pods => View::Hybrid,
            Some(root) if root.is_hybrid => View::Elsewhere,
            // A node that is a container itself sees its own groups only, and its pods are there.
            Some(root) if root.is_whole || self.has_pods => View::Unified,
            Some(_) => View::Confined,
        }
    }

    /// Whose the sockets of a group are; `None` if it was never seen.
    pub(crate) fn owner(&self, number: u32) -> Option<SocketOwner> {
        if self.view().problem().is_some() {
            return Some(SocketOwner::Unreadable);
        }
        self.groups.get(&number).map(|group| group.owner)
    }

    /// How many groups are known, those that are gone included.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kubezonnet_model::PodUid;

    use super::*;

    const POD: SocketOwner = SocketOwner::Pod(PodUid([7; 16]));

    fn known(is_hybrid: bool, is_whole: bool) -> Known {
        Known::new(Some(Root {
            path: PathBuf::from("/cgroup"),
            is_hybrid,
            is_whole,
        }))
    }

    #[test]
    fn a_group_that_is_gone_is_known_until_another_has_its_number() {
        let mut known = known(false, true);
        known.add(5, POD);
        known.add(6, SocketOwner::System);

        known.keep_only(&HashSet::from([5, 6]), &HashSet::from([6]));
        let gone = known.owner(5);
        known.add(5, SocketOwner::System);

        assert_eq!(gone, Some(POD));
        assert_eq!(known.owner(5), Some(SocketOwner::System));
        assert_eq!(known.owner(9), None);
    }

    #[test]
    fn a_group_that_is_made_while_directories_are_read_is_not_taken_for_gone() {
        let mut known = known(false, true);
        known.add(5, POD);

        let before = known.numbers();
        known.add(6, POD);
        known.keep_only(&before, &HashSet::from([ROOT]));

        assert!(known.groups[&5].is_gone);
        assert!(!known.groups[&6].is_gone);
    }

    #[test]
    fn so_many_groups_that_are_gone_are_remembered_and_no_more() {
        let mut known = known(false, true);
        let count = u32::try_from(MAX_GONE).unwrap() + 2;
        for number in 10..10 + count {
            known.add(number, POD);
            known.went(number);
        }

        // The root is known, too.
        assert_eq!(known.len(), MAX_GONE + 1);
        assert_eq!(known.owner(11), None);
        assert_eq!(known.owner(12), Some(POD));
    }

    #[test]
    fn where_pods_cannot_be_seen_nobodys_socket_is_told_and_the_reason_is() {
        let look = |mut known: Known, owner| {
            known.add(5, owner);
            (known.view(), known.owner(5))
        };
        let unreadable = Some(SocketOwner::Unreadable);
        let system = SocketOwner::System;

        assert_eq!(look(Known::new(None), POD), (View::Absent, unreadable));
        for (known, owner, expected) in [
            (known(false, true), system, (View::Unified, Some(system))),
            (known(false, false), system, (View::Confined, unreadable)),
            (known(false, false), POD, (View::Unified, Some(POD))),
            (known(true, true), system, (View::Elsewhere, unreadable)),
            (known(true, true), POD, (View::Hybrid, Some(POD))),
        ] {
            assert_eq!(look(known, owner), expected);
        }
        for view in View::ALL {
            let is_readable = matches!(view, View::Unified | View::Hybrid);
            assert_eq!(view.problem().is_none(), is_readable, "{view:?}");
        }
    }
}
