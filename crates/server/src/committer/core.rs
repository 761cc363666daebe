//! What the committer does with a group of changes, and with a disk that fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubezonnet_model::{Epoch, NodeName};

use super::{Outcome, Submission};
use crate::agents::Applied;
use crate::change::Change;
use crate::export::Exporters;
use crate::names::Names;
use crate::state::State;
use crate::store::{Failure, Record, Store, StoreCounts};

/// How often a database that failed is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// How long bringing the journal into the tables may take at the end; a start does the rest.
const CLOSING: Duration = Duration::from_secs(5);

/// How long to wait for the past to come after, before it is looked again.
const FOLLOWING: Duration = Duration::from_millis(2);

/// Makes changes, one group after the other.
#[derive(Debug)]
pub(super) struct Core {
    state: Arc<State>,
    exporters: Arc<Exporters>,
    store: Option<Store>,
    counts: Arc<StoreCounts>,
    /// Why the store is closed, and when it was last tried to open it.
    down: Option<(Failure, Instant)>,
    /// The changes of which it is not known whether they are on disk. Who brought them has been told
    /// to come again.
    in_doubt: Vec<Submission>,
    last_checkpoint: Instant,
    /// The row of the journal of the last change that was made.
    made: u64,
}

impl Core {
    pub(super) fn new(
        state: Arc<State>,
        exporters: Arc<Exporters>,
        store: Option<Store>,
        counts: Arc<StoreCounts>,
    ) -> Self {
        let mut made = 0;
        if let Some(store) = &store {
            counts.set_sizes(store.sizes());
            made = store.last_row();
        }
        Self {
            state,
            exporters,
            store,
            counts,
            down: None,
            in_doubt: Vec::new(),
            last_checkpoint: Instant::now(),
            made,
        }
    }

    /// Whether there is something to do though no change comes.
    pub(super) fn has_work(&self) -> bool {
        self.down.is_none() && self.store.as_ref().is_some_and(Store::has_step)
    }

    /// Makes a group of changes, and whatever else is due.
    pub(super) fn turn(&mut self, group: Vec<Submission>) {
        self.try_again();
        if let Some((failure, _)) = self.down {
            for submission in group {
                self.discard(&submission);
                submission.answer(Err(failure));
            }
            return;
        }
        let (forget, group): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|each| each.gone.is_some());
        let (new, duplicates) = self.admit(group);
        let mut result = self.commit(new);
        for submission in duplicates {
            self.discard(&submission);
            submission.answer(result.map(|()| Outcome::Duplicate));
        }
        let has_forgotten = !forget.is_empty();
        // After the windows that came with it: what they changed is not forgotten.
        for mut submission in forget {
            if let (Ok(()), Some(gone)) = (result, submission.gone.take()) {
                let forgotten = self.state.decide(gone);
                if forgotten.is_empty() {
                    submission.answer(Ok(Outcome::Made(Applied::default())));
                } else {
                    submission.change = Change::Forgotten(forgotten);
                    result = self.commit(vec![submission]);
                }
                if result.is_ok() {
                    self.state.retire_names();
                }
            } else if let Err(failure) = result {
                submission.answer(Err(failure));
            }
        }
        if result.is_err() {
            return;
        }
        let too_much = if has_forgotten {
            self.state.make_room()
        } else {
            self.state.excess()
        };
        if let Some(forgotten) = too_much {
            let (submission, _) = Submission::of(Change::Forgotten(forgotten));
            // If it cannot be written, it is decided anew.
            self.commit(vec![submission]).ok();
        }
    }

    /// Writes changes, and a step of a checkpoint if one is due, and makes them.
    fn commit(&mut self, mut new: Vec<Submission>) -> Result<(), Failure> {
        if let Some(store) = &mut self.store {
            if store.begin_checkpoint_if_due(&self.state, self.last_checkpoint.elapsed()) {
                self.last_checkpoint = Instant::now();
            }
            if !new.is_empty() || store.has_step() {
                let begun = Instant::now();
                let records: Vec<_> = new.iter_mut().map(Submission::record).collect();
                self.counts.set_writing(Some(begun));
                let written = store.commit(self.state.names(), &records);
                self.counts.set_writing(None);
                match written {
                    Ok(checkpointed) => {
                        self.counts.committed(begun.elapsed());
                        if checkpointed {
                            self.counts.checkpointed();
                        }
                        self.counts.set_sizes(store.sizes());
                    }
                    Err(failure) => {
                        for (submission, record) in new.iter_mut().zip(records) {
                            submission.record = Some(record);
                        }
                        self.fail(failure, new);
                        return Err(failure);
                    }
                }
            }
        }
        for submission in new {
            self.made += 1;
            let row = self.made;
            self.make(submission, row);
        }
        Ok(())
    }

    /// Brings the journal into the tables, so that the next start has little to do, and closes.
    pub(super) fn close(mut self) {
        self.try_again();
        let Some(mut store) = self.store.take() else {
            return;
        };
        if self.down.is_some() {
            tracing::error!(
                "the database cannot be closed in order, the next start reads its journal"
            );
            return;
        }
        let begun = Instant::now();
        // The one that may be under way, and one of all that came since it began.
        for _ in 0..2 {
            store.begin_checkpoint(&self.state);
            while store.is_checkpointing() && begun.elapsed() < CLOSING {
                if !store.has_step() {
                    std::thread::sleep(FOLLOWING);
                } else if store.commit(self.state.names(), &[]).is_err() {
                    return;
                }
            }
        }
        if let Err(error) = store.close() {
            tracing::warn!(%error, "the database was not closed in order, the next start sees to it");
        }
    }

    /// Parts the changes that are new from the windows that were applied before: on disk, or earlier
    /// in this group.
    fn admit(&self, group: Vec<Submission>) -> (Vec<Submission>, Vec<Submission>) {
        let mut in_group: HashMap<(NodeName, Epoch), u64> = HashMap::new();
        let mut admitted = Vec::with_capacity(group.len());
        let mut duplicates = Vec::new();
        for mut submission in group {
            match &mut submission.change {
                Change::Window(arrived) => {
                    let header = &arrived.header;
                    let key = (header.node.clone(), header.epoch);
                    let last = in_group.entry(key).or_default();
                    if header.sequence <= *last || self.state.agents().has_applied(header) {
                        duplicates.push(submission);
                        continue;
                    }
                    *last = header.sequence;
                }
                Change::Forgotten(_) | Change::Settled(_) | Change::Added(_) => {}
            }
            submission.renew(self.state.names());
            admitted.push(submission);
        }
        (admitted, duplicates)
    }

    /// Makes a change that is on disk.
    fn make(&mut self, submission: Submission, row: u64) {
        let Submission {
            change,
            taken,
            resolved,
            place,
            reply,
            ..
        } = submission;
        if let Some(store) = &mut self.store {
            match &change {
                Change::Window(arrived) => store.note(None, &arrived.waiting),
                Change::Settled(settled) => store.note(Some(settled.id), &settled.waiting),
                Change::Forgotten(_) | Change::Added(_) => {}
            }
        }
        let applied = match change {
            Change::Window(arrived) => self.state.arrive(*arrived, row),
            Change::Settled(settled) => {
                self.state.settle(*settled, taken.as_ref(), row);
                Applied::default()
            }
            Change::Forgotten(forgotten) => {
                self.state.forget(&forgotten, row);
                Applied::default()
            }
            Change::Added(added) => {
                self.state.add(*added, row);
                Applied::default()
            }
        };
        if let Some(resolved) = resolved {
            self.exporters.offer(resolved);
        }
        // Before who asked goes on. They may have gone away.
        drop(place);
        reply.send(Ok(Outcome::Made(applied))).ok();
    }

    /// Undoes what was prepared for a change that is not made.
    fn discard(&self, submission: &Submission) {
        let pending = self.state.pending();
        match &submission.change {
            Change::Window(arrived) => {
                let records = arrived.waiting.iter().map(|each| each.records.len());
                pending.release(&arrived.header.node, records.sum());
            }
            Change::Settled(_) => {
                if let Some(taken) = &submission.taken {
                    pending.put(taken.clone());
                }
            }
            Change::Forgotten(_) | Change::Added(_) => {}
        }
    }

    /// The disk failed: everybody is told to come again.
    fn fail(&mut self, failure: Failure, new: Vec<Submission>) {
        self.counts.set_down(Some(failure));
        self.down = Some((failure, Instant::now()));
        for mut submission in new {
            let (nobody, _) = tokio::sync::oneshot::channel();
            let reply = std::mem::replace(&mut submission.reply, nobody);
            // Nobody waits for these, a group at most, to hear that the disk failed.
            submission.place = None;
            reply.send(Err(failure)).ok();
            self.in_doubt.push(submission);
        }
    }

    /// Opens the database again if it is closed and time has passed, and finds out what became of the
    /// changes that were under way.
    fn try_again(&mut self) {
        let (Some(store), Some((failure, tried))) = (&mut self.store, &mut self.down) else {
            return;
        };
        if tried.elapsed() < RETRY {
            return;
        }
        *tried = Instant::now();
        let mut in_doubt = std::mem::take(&mut self.in_doubt);
        let records: Vec<_> = in_doubt.iter_mut().map(Submission::record).collect();
        match store.reopen(&records) {
            Ok(are_there) => {
                tracing::info!(
                    windows_in_doubt = records.len(),
                    are_there,
                    "the database can be written again"
                );
                self.down = None;
                self.counts.set_down(None);
                self.counts.set_sizes(store.sizes());
                for submission in in_doubt {
                    if are_there {
                        self.made += 1;
                        let row = self.made;
                        self.make(submission, row);
                    } else {
                        self.discard(&submission);
                    }
                }
            }
            Err(error) => {
                if *failure != error.failure() {
                    tracing::error!(%error, "the database still cannot be written");
                }
                *failure = error.failure();
                self.counts.set_down(Some(*failure));
                for (submission, record) in in_doubt.iter_mut().zip(records) {
                    submission.record = Some(record);
                }
                self.in_doubt = in_doubt;
            }
        }
    }
}

impl Submission {
    /// Its bytes, which are made now if they were not yet or are no longer true.
    fn record(&mut self) -> Record {
        let record = self.record.take();
        record.unwrap_or_else(|| Record::of(&self.change))
    }

    /// Gives what was retired since it was resolved the ids it has now.
    fn renew(&mut self, names: &Names) {
        if let Some(lease) = &self.lease
            && let Some(entry) = self.change.entry_mut()
            && entry.renew(names, lease)
        {
            self.record = None;
        }
    }

    fn answer(self, reply: super::Reply) {
        drop(self.place);
        // Who asked may have gone away.
        self.reply.send(reply).ok();
    }
}
