//! Replaces the codec in a build without it. Such a build never negotiates compression, so neither type is ever
//! created.

use super::{CodecStep, InvalidData, Settings};

#[derive(Debug)]
pub(crate) enum Compressor {}

impl Compressor {
    pub(crate) const fn new(_settings: Settings) -> Option<Self> {
        None
    }

    pub(crate) fn wants(&self, _len: usize) -> bool {
        match *self {}
    }

    pub(crate) fn compress(&mut self, _payload: &[u8]) -> Option<&[u8]> {
        match *self {}
    }

    pub(crate) fn compress_fragment(&mut self, _payload: &[u8], _last: bool) -> &[u8] {
        match *self {}
    }

    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }

    pub(crate) fn window_bits(&self) -> u8 {
        match *self {}
    }

    pub(crate) fn forget(&mut self) {
        match *self {}
    }

    pub(crate) fn settle(&mut self) {
        match *self {}
    }

    pub(crate) fn release(&mut self) {
        match *self {}
    }

    pub(crate) fn allocated(&self) -> usize {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Decompressor {}

impl Decompressor {
    pub(crate) const fn new(_settings: Settings) -> Option<Self> {
        None
    }

    pub(crate) fn begin(&mut self) {
        match *self {}
    }

    pub(crate) fn step(&mut self, _input: &[u8], _out: &mut [u8]) -> Result<CodecStep, InvalidData> {
        match *self {}
    }

    pub(crate) fn step_in_block(&mut self, _input: &[u8], _most: usize) -> Result<(CodecStep, &mut [u8]), InvalidData> {
        match *self {}
    }

    pub(crate) fn finish(&mut self) -> Result<(), InvalidData> {
        match *self {}
    }

    pub(crate) fn inflated(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn is_pending(&self) -> bool {
        match *self {}
    }

    pub(crate) fn block(&self) -> &[u8] {
        match *self {}
    }

    pub(crate) fn release(&mut self) {
        match *self {}
    }

    pub(crate) fn abandon(&mut self) {
        match *self {}
    }

    pub(crate) fn allocated(&self) -> usize {
        match *self {}
    }
}
