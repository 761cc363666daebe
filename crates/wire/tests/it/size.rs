//! What a flow costs on the wire.

use kubezonnet_model::Family;
use kubezonnet_wire::encode;

use crate::synthetic::Load;

#[test]
fn a_flow_of_a_typical_batch_costs_ten_bytes_at_most() {
    for family in Family::ALL {
        let batch = Load::typical(family).batch();

        let body = encode(&batch);

        let flows = batch.records.len();
        assert_eq!(flows, 20_000);
        assert!(
            body.len() <= 10 * flows,
            "{} bytes for {flows} flows of {}",
            body.len(),
            family.as_str()
        );
    }
}
