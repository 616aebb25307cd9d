//! The operations of an end.

use super::{Context, Duration, ErrorKind, Fault, IoSlice, NEVER, Network, Poll, Slow, clock, io, wake};

impl Network {
    /// Counts an operation, and defers it if it is one to defer.
    fn begin(&mut self, end: usize, is_read: bool, cx: &Context<'_>) -> Poll<()> {
        let side = &mut self.sides[end];
        side.operations += 1;
        let mut waits = false;
        match side.fault {
            Some((at, fault)) if at == side.operations => {
                side.met = true;
                match fault {
                    Fault::Short => side.is_short = true,
                    Fault::Waits => waits = true,
                    fault => self.fail(end, fault),
                }
            }
            _ => side.is_short = false,
        }
        let side = &mut self.sides[end];
        if side.stalled {
            self.is_put_off(end, is_read, false);
            return Poll::Pending;
        }
        if waits || self.rng.below(16) < self.weather.pauses {
            let at = clock::now() + Duration::from_micros(self.rng.next() % 2000);
            let alarm = if is_read { &side.read_alarm } else { &side.write_alarm };
            alarm.set(at, cx.waker());
            self.is_put_off(end, is_read, true);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn is_put_off(&mut self, end: usize, is_read: bool, for_a_moment: bool) {
        let record = &mut self.sides[end].record;
        if is_read {
            record.found_nothing(for_a_moment);
        } else {
            record.was_refused();
        }
    }

    fn piece(&mut self, end: usize, most: usize) -> usize {
        if self.sides[end].is_short {
            return most.min(1);
        }
        if !self.weather.cuts {
            return most;
        }
        let n = match self.rng.below(4) {
            0 => 1,
            1 => 1 + self.rng.below(14),
            _ => 1 + self.rng.below(most),
        };
        n.min(most)
    }

    pub(super) fn poll_read(&mut self, end: usize, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty(), "a read into an empty buffer looks like the end");
        let side = &mut self.sides[end];
        side.reader = Some(cx.waker().clone());
        side.record.lent = side.record.lent.max(buffer.len());
        std::task::ready!(self.begin(end, true, cx));
        if self.sides[end].read_fails {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if self.sides[end].read_ends {
            return Poll::Ready(Ok(0));
        }
        let now = clock::now();
        let come = self.directions[1 - end].under_way.front().filter(|(at, _)| *at <= now);
        let come = come.map_or(0, |(_, piece)| piece.len());
        if come > 0 {
            let n = self.piece(end, come.min(buffer.len()));
            let direction = &mut self.directions[1 - end];
            let (_, piece) = direction.under_way.front_mut().expect("looked at");
            buffer[..n].copy_from_slice(&piece[..n]);
            self.sides[end].record.has_read(&piece[..n]);
            piece.drain(..n);
            if piece.is_empty() {
                direction.under_way.pop_front();
            }
            wake(&mut self.sides[1 - end].writer);
            return Poll::Ready(Ok(n));
        }
        self.sides[end].record.found_nothing(false);
        if self.sides[end].read_fails_then {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let direction = &self.directions[1 - end];
        if direction.under_way.is_empty() && direction.end.is_some_and(|at| at <= now) {
            return Poll::Ready(Ok(0));
        }
        self.watch(end);
        Poll::Pending
    }

    /// Wakes the reader when the next piece arrives.
    fn watch(&mut self, end: usize) {
        let direction = &self.directions[1 - end];
        let next = direction.under_way.front().map(|(at, _)| *at).or(direction.end);
        let side = &self.sides[end];
        if let (Some(at), Some(reader)) = (next.filter(|at| *at != NEVER), &side.reader) {
            side.read_alarm.set(at.max(clock::now()), reader);
        }
    }

    pub(super) fn poll_write(
        &mut self,
        end: usize,
        cx: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(
            slices.first().is_some_and(|slice| !slice.is_empty()),
            "the first slice is not empty"
        );
        self.sides[end].writer = Some(cx.waker().clone());
        std::task::ready!(self.begin(end, false, cx));
        assert!(!self.sides[end].shut_down, "written after the shutdown");
        let side = &mut self.sides[end];
        if side.write_fails || side.takes_nothing {
            side.record.write_failed.get_or_insert(clock::now());
        }
        if side.write_fails {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if side.takes_nothing {
            return Poll::Ready(Ok(0));
        }
        let slices = if self.weather.vectored { slices } else { &slices[..1] };
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.weather.buffers && self.room(end) == 0 {
            self.send(end);
        }
        let room = self.room(end);
        if room == 0 {
            self.sides[end].record.was_refused();
            return Poll::Pending;
        }
        let n = self.piece(end, len.min(room));
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(n);
        let direction = &mut self.directions[end];
        let before = direction.buffered.len();
        direction.buffered.extend(bytes);
        direction.written.extend_from_slice(&direction.buffered[before..]);
        self.sides[end].record.has_written(direction.written.len());
        if self.sides[1 - end].dropped {
            // A write to an end that has left reports that, and may lose the unread data.
            self.reset(end);
        }
        if !self.weather.buffers || self.directions[end].buffered.len() >= 300 {
            self.send(end);
        }
        Poll::Ready(Ok(n))
    }

    fn room(&self, end: usize) -> usize {
        self.weather.capacity.saturating_sub(self.directions[end].waiting())
    }

    /// Passes on what is buffered.
    fn send(&mut self, end: usize) {
        let at = self.arrival(end);
        let direction = &mut self.directions[end];
        let piece = std::mem::take(&mut direction.buffered);
        if piece.is_empty() || self.black_hole || self.sides[1 - end].dropped {
            return;
        }
        if matches!(direction.slow, Some(Slow::Drips(_))) {
            self.drip(end, at, &piece);
        } else {
            direction.under_way.push_back((at, piece));
        }
        self.watch(1 - end);
    }

    /// Passes on a piece byte by byte, for as long as configured.
    fn drip(&mut self, end: usize, at: Duration, piece: &[u8]) {
        let direction = &mut self.directions[end];
        let Some(Slow::Drips(left)) = direction.slow else {
            return;
        };
        let (slow, rest) = piece.split_at(left.min(piece.len()));
        for (n, &byte) in slow.iter().enumerate() {
            direction.last_arrival = at.saturating_add(Duration::from_secs(n as u64 + 1));
            direction.under_way.push_back((direction.last_arrival, vec![byte]));
        }
        if !rest.is_empty() {
            direction.under_way.push_back((direction.last_arrival, rest.to_vec()));
        }
        direction.slow = (left > slow.len()).then_some(Slow::Drips(left - slow.len()));
    }

    fn arrival(&mut self, end: usize) -> Duration {
        let micros = u64::try_from(self.weather.delay.as_micros()).expect("a short delay");
        let at = clock::now() + Duration::from_micros(self.rng.next() % (micros + 1));
        let direction = &mut self.directions[end];
        let mut at = direction.last_arrival.max(at);
        if let Some(Slow::Stops(after, length)) = direction.slow {
            if direction.written.len() > after {
                direction.slow = None;
                at = length.map_or(NEVER, |length| at.saturating_add(length));
            }
        }
        direction.last_arrival = at;
        at
    }

    pub(super) fn poll_flush(&mut self, end: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.sides[end].writer = Some(cx.waker().clone());
        std::task::ready!(self.begin(end, false, cx));
        let side = &mut self.sides[end];
        if side.write_fails {
            side.record.write_failed.get_or_insert(clock::now());
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        side.record.has_moved();
        self.send(end);
        Poll::Ready(Ok(()))
    }

    pub(super) fn shut_down(&mut self, end: usize) {
        self.send(end);
        self.sides[end].shut_down = true;
        self.end(end);
    }

    fn end(&mut self, end: usize) {
        let at = self.arrival(end);
        if !self.black_hole {
            self.directions[end].end.get_or_insert(at);
            self.watch(1 - end);
        }
    }

    /// An end leaves. If it had not read everything, the other end is notified, and also loses its unread data.
    pub(super) fn drop_end(&mut self, end: usize) {
        self.sides[end].dropped = true;
        self.directions[end].buffered.clear();
        if self.black_hole {
            return;
        }
        if self.directions[1 - end].waiting() > 0 {
            self.directions[1 - end].under_way.clear();
            self.reset(1 - end);
        } else {
            self.end(end);
        }
    }
}
