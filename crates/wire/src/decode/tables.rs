//! The two small tables beside the flows: totals and skipped.

use kubezonnet_model::{FlowCounters, ObservationPoint, Skipped, Total};

use super::column::Column;
use super::fields::Fields;
use crate::{DecodeError, code, field};

pub(super) fn totals(fields: &Fields<'_>) -> Result<Vec<Total>, DecodeError> {
    let kind = Column::of(fields, field::TOTAL_KIND)?;
    let hook = Column::of(fields, field::TOTAL_HOOK)?.same_length_as(&kind)?;
    let mut input = Column::of(fields, field::TOTAL_INPUT)?
        .same_length_as(&kind)?
        .cursor();
    let mut output = Column::of(fields, field::TOTAL_OUTPUT)?
        .same_length_as(&kind)?
        .cursor();
    let mut bytes = Column::of(fields, field::TOTAL_BYTES)?
        .same_length_as(&kind)?
        .cursor();
    let mut packets = Column::of(fields, field::TOTAL_PACKETS)?
        .same_length_as(&kind)?
        .cursor();
    let (mut kinds, mut hooks) = (kind.cursor(), hook.cursor());
    let mut totals = Vec::with_capacity(kind.len());
    for row in 0..kind.len() {
        let (kind_code, hook_code) = (kinds.next()?, hooks.next()?);
        totals.push(Total {
            kind: code::to_total_kind(kind_code).ok_or_else(|| kind.code_error(row, kind_code))?,
            point: ObservationPoint {
                hook: code::to_hook(hook_code).ok_or_else(|| hook.code_error(row, hook_code))?,
                input: code::to_class(input.next()?),
                output: code::to_class(output.next()?),
            },
            counters: FlowCounters {
                bytes: bytes.next()?,
                packets: packets.next()?,
            },
        });
    }
    Ok(totals)
}

pub(super) fn skipped(fields: &Fields<'_>) -> Result<Vec<Skipped>, DecodeError> {
    let reason = Column::of(fields, field::SKIPPED_REASON)?;
    let hook = Column::of(fields, field::SKIPPED_HOOK)?.same_length_as(&reason)?;
    let mut bytes = Column::of(fields, field::SKIPPED_BYTES)?
        .same_length_as(&reason)?
        .cursor();
    let mut packets = Column::of(fields, field::SKIPPED_PACKETS)?
        .same_length_as(&reason)?
        .cursor();
    let (mut reasons, mut hooks) = (reason.cursor(), hook.cursor());
    let mut skipped = Vec::with_capacity(reason.len());
    for row in 0..reason.len() {
        let (reason_code, hook_code) = (reasons.next()?, hooks.next()?);
        skipped.push(Skipped {
            reason: code::to_skip_reason(reason_code)
                .ok_or_else(|| reason.code_error(row, reason_code))?,
            hook: code::to_hook(hook_code).ok_or_else(|| hook.code_error(row, hook_code))?,
            counters: FlowCounters {
                bytes: bytes.next()?,
                packets: packets.next()?,
            },
        });
    }
    Ok(skipped)
}
