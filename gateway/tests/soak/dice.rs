//! Random numbers that are the same in each run.

pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        Self(0x2026_1124)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// One of these, if there are any.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.roll(count)).ok().map(|index| all[index])
    }
}
