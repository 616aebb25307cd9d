//! Messages that are sent in fragments.

use super::{Outbound, push::opcode};
use crate::{
    frame::{MaskingKey, Opcode},
    message::Fragment,
};

impl Outbound {
    pub(super) fn push_fragment(&mut self, fragment: Fragment<'_>, masking_key: Option<MaskingKey>, compress: bool) {
        let Fragment { data, is_last } = fragment;
        let kind = data.kind();
        let is_first = self.message.is_none();
        let opcode = if is_first { opcode(kind) } else { Opcode::Continuation };
        // The options of the first fragment apply to the whole message.
        let compress = self
            .deflate
            .as_ref()
            .is_some_and(|deflate| if is_first { compress } else { deflate.is_open() });
        if !compress {
            self.push_data(opcode, is_last, masking_key, data);
        } else if is_first && is_last {
            self.push_message(data, masking_key, true);
        } else {
            self.push_compressed_fragment(opcode, is_last, masking_key, data.as_bytes());
        }
        self.message = (!is_last).then_some(kind);
    }
}
