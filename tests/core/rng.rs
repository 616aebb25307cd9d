//! Repeatable randomness.

use std::sync::Mutex;

use websocket_proto::{Entropy, EntropyError};

/// SplitMix64: small, and good enough to pick test cases.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A length that is often small or at an edge of the length forms, and now and then up to `max`.
    pub fn length(&mut self, max: usize) -> usize {
        let len = match self.below(8) {
            0 => 0,
            1 => self.below(4),
            2 => 124 + self.below(4),
            3 => self.below(2000),
            4 => self.below(max + 1),
            _ => self.below(126),
        };
        len.min(max)
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Text with code points of every width.
    pub fn text(&mut self, chars: usize) -> String {
        const SAMPLE: [char; 12] = [
            'a',
            'Z',
            '\0',
            '~',
            'é',
            'ß',
            '\u{feff}',
            '水',
            '\u{ffff}',
            '𐍈',
            '🦀',
            '\u{10ffff}',
        ];
        (0..chars).map(|_| SAMPLE[self.below(SAMPLE.len())]).collect()
    }
}

/// A source of masking keys that gives the same bytes in each run, and records what is drawn.
pub struct SeededEntropy(Mutex<(Rng, Vec<usize>)>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((Rng::new(seed), Vec::new())))
    }

    /// The requested lengths.
    pub fn draws(&self) -> Vec<usize> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        let (rng, draws) = &mut *self.0.lock().unwrap();
        draws.push(dest.len());
        dest.copy_from_slice(&rng.bytes(dest.len()));
        Ok(())
    }
}
