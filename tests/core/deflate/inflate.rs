//! A small inflater after RFC 1951, written for these tests: it shares nothing with the codec under test, and it records how far
//! back the data refers.

/// Everything inflated in one direction of a connection.
#[derive(Default)]
pub struct Inflater {
    pub output: Vec<u8>,
    /// Where the window begins: nothing may refer to data before it.
    pub floor: usize,
    /// The largest distance that was used.
    pub farthest: usize,
    /// The block types, in order.
    pub blocks: Vec<u8>,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for i in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Some(value)
    }
}

/// A canonical code: the number of codes of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (len, count) in counts.iter_mut().enumerate().skip(1) {
            let of_len = lengths.iter().enumerate().filter(|(_, have)| **have == len);
            let before = symbols.len();
            symbols.extend(of_len.map(|(symbol, _)| symbol));
            *count = symbols.len() - before;
        }
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for len in 1..16 {
            code |= bits.take(1)?;
            let count = self.counts[len];
            if code < first + count {
                return self.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

const LENGTHS: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Inflater {
    /// Inflates the payload of a message, after restoring its tail. `None` if the data is invalid.
    pub fn message(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
        let start = self.output.len();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        while bits.at < bytes.len() * 8 {
            let last = bits.take(1)?;
            let kind = bits.take(2)?;
            self.blocks.push(kind as u8);
            match kind {
                0 => self.stored(&mut bits)?,
                1 => {
                    let lengths: Vec<usize> = (0..288)
                        .map(|symbol| match symbol {
                            0..=143 => 8,
                            144..=255 => 9,
                            256..=279 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.coded(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
                }
                2 => {
                    let (literals, distances) = Self::tables(&mut bits)?;
                    self.coded(&mut bits, &literals, &distances)?;
                }
                _ => return None,
            }
            if last == 1 {
                bits.at = bits.at.next_multiple_of(8);
            }
        }
        Some(self.output[start..].to_vec())
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        bits.at = bits.at.next_multiple_of(8);
        let (len, complement) = (bits.take(16)?, bits.take(16)?);
        if len != complement ^ 0xffff {
            return None;
        }
        for _ in 0..len {
            let byte = bits.take(8)? as u8;
            self.output.push(byte);
        }
        Some(())
    }

    fn tables(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
        let literals = bits.take(5)? + 257;
        let distances = bits.take(5)? + 1;
        let mut lengths = [0; 19];
        for &symbol in &ORDER[..bits.take(4)? + 4] {
            lengths[symbol] = bits.take(3)?;
        }
        let code = Code::new(&lengths);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            match code.read(bits)? {
                16 => {
                    let last = *lengths.last()?;
                    lengths.extend(vec![last; 3 + bits.take(2)?]);
                }
                17 => lengths.extend(vec![0; 3 + bits.take(3)?]),
                18 => lengths.extend(vec![0; 11 + bits.take(7)?]),
                len => lengths.push(len),
            }
        }
        Some((Code::new(&lengths[..literals]), Code::new(&lengths[literals..])))
    }

    fn coded(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Option<()> {
        loop {
            match literals.read(bits)? {
                literal @ 0..=255 => self.output.push(literal as u8),
                256 => return Some(()),
                symbol => {
                    let index = symbol - 257;
                    let base = *LENGTHS.get(index)?;
                    let extra = if (8..28).contains(&index) { index / 4 - 1 } else { 0 };
                    let len = base + bits.take(extra)?;
                    let symbol = distances.read(bits)?;
                    let distance = if symbol < 4 {
                        symbol + 1
                    } else {
                        let extra = symbol / 2 - 1;
                        ((2 + symbol % 2) << extra) + 1 + bits.take(extra)?
                    };
                    self.farthest = self.farthest.max(distance);
                    if distance > self.output.len() - self.floor {
                        return None;
                    }
                    for _ in 0..len {
                        self.output.push(self.output[self.output.len() - distance]);
                    }
                }
            }
        }
    }

    /// Forgets the window, as at the end of a message without context takeover.
    pub fn reset(&mut self) {
        self.floor = self.output.len();
    }
}
