//! What a connection may cost in memory, as two numbers.

/// The most heap memory that one connection uses, in bytes, whatever its peer does; see
/// [`Config::worst_case`](crate::Config::worst_case).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorstCase {
    /// What the connection holds between two calls.
    pub held: usize,
    /// What a call uses in addition until it returns, such as the old buffer while a buffer grows. Connections that one
    /// thread drives, one after the other, need it only once.
    pub transient: usize,
}

impl WorstCase {
    pub(crate) const fn new(held: usize, transient: usize) -> Self {
        Self { held, transient }
    }

    /// Returns the most that one connection alone uses at any moment.
    #[must_use]
    pub const fn total(self) -> usize {
        self.held.saturating_add(self.transient)
    }

    /// Returns how many connections are safe in a heap of this many bytes, if one thread drives them all.
    ///
    /// Subtract first what the application itself uses, and what the allocator adds for its own records and loses to
    /// fragmentation.
    #[must_use]
    pub const fn connections(self, heap: usize) -> usize {
        match heap.saturating_sub(self.transient).checked_div(self.held) {
            Some(connections) => connections,
            None => usize::MAX,
        }
    }

    /// Two parts that exist at the same time. Only one of them changes at a time.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::new(
            self.held.saturating_add(other.held),
            self.transient.max(other.transient),
        )
    }

    /// Two parts of which only one exists at a time.
    pub(crate) fn or(self, other: Self) -> Self {
        Self::new(self.held.max(other.held), self.transient.max(other.transient))
    }
}
