//! The parts of a run: which endpoints meet, how the network behaves, and what fails.

use std::{sync::Arc, time::Duration};

use websocket_proto::{Config, Delivery, Limits, Timers};

use crate::{
    application::Habits,
    endpoint::{KINDS, Kind},
    network::{FAULTS, Fault, Slow, Weather},
    rng::{Rng, SeededEntropy},
};

/// The parts of a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub kinds: [Kind; 2],
    pub configs: [Config; 2],
    pub habits: [Habits; 2],
    pub weather: Weather,
    pub faults: [Option<(usize, Fault)>; 2],
    /// Whether long messages are read into fresh memory, where a transport can choose.
    pub direct: bool,
    pub times: Times,
    /// Whether a connection may end by time, whatever its stream does.
    pub harsh: bool,
    /// Whether the limits of an end are below the sizes that the other one sends.
    pub limited: bool,
    /// Whether memory is checked.
    pub weighs: bool,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Of 16 polls, this number is late, by at most this time.
    pub late: (usize, Duration),
    /// Of 64 waits, this number is a suspension of the machine, for at most this time.
    pub suspended: (usize, Duration),
}

const PUNCTUAL: Times = Times {
    late: (0, Duration::ZERO),
    suspended: (0, Duration::ZERO),
};

/// A client and a server of every kind, in every combination.
pub fn pairs() -> impl Iterator<Item = ([Kind; 2], u64)> {
    let pairs = KINDS
        .iter()
        .flat_map(|&client| KINDS.iter().map(move |&server| [client, server]));
    // A release build lets each kind meet four others, and a debug build two kinds some.
    let step = if cfg!(debug_assertions) { KINDS.len() + 1 } else { 3 };
    let chosen = pairs.enumerate().filter(move |(n, _)| n % step == 1);
    chosen.map(|(n, kinds)| (kinds, n as u64))
}

impl Scenario {
    /// Everything is chosen at random.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let kinds = [(); 2].map(|()| KINDS[rng.below(KINDS.len())]);
        let quick = rng.below(2) == 0;
        // A whole connection of the blocking shell does not read while it cannot write.
        let is_blocking = kinds.contains(&Kind::Blocking);
        let capacity = match quick || is_blocking {
            true => 4 << 20,
            false => [64, 1000, 20_000][rng.below(3)],
        };
        let weather = Weather {
            capacity,
            delay: Duration::from_millis(if quick { 3 } else { 30 }),
            pauses: [0, 0, 2, 5][rng.below(4)],
            cuts: rng.below(4) > 0,
            vectored: rng.below(2) == 0,
            buffers: rng.below(4) == 0,
            keeps: rng.below(2) == 0,
            slow: [None; 2],
        };
        let limited = rng.below(8) == 0;
        let deflate = rng.below(5);
        let configs = kinds.map(|kind| Self::config(&mut rng, kind, quick, limited, deflate));
        let closers = rng.below(3);
        let habits = [0, 1].map(|end| Habits {
            ops: rng.below(30),
            closes: closers != 1 - end,
            pause: Duration::from_millis([0, 5, 300][rng.below(3)]),
            longest: match capacity {
                0..1000 => 1500,
                _ if quick && rng.below(8) == 0 => 100_000,
                // Long enough that the space lent to a read is larger than the buffer that a shell keeps.
                20_000 if rng.below(16) == 0 => 200_000,
                _ => 30_000,
            },
            pongs: kinds[end] != Kind::Blocking && !kinds[end].is_sink(),
            measures: configs[end].timers.keepalive.is_none(),
            deaf: None,
        });
        let mut faults = [None; 2];
        if rng.below(3) == 0 {
            let at = 1 + rng.below(10) * rng.below(30);
            faults[rng.below(2)] = Some((at, FAULTS[rng.below(FAULTS.len())]));
        }
        let scenario = Self {
            seed,
            kinds,
            configs,
            habits,
            weather,
            faults,
            direct: rng.below(2) == 0,
            times: PUNCTUAL,
            harsh: false,
            limited,
            weighs: false,
        };
        if rng.below(2) == 0 {
            scenario
        } else {
            scenario.harsher(&mut rng)
        }
    }

    /// The same, with connections that only time can end.
    fn harsher(mut self, rng: &mut Rng) -> Self {
        self.harsh = true;
        let lengths = [
            Duration::from_millis(30),
            Duration::from_secs(10),
            Duration::from_secs(9000),
        ];
        if rng.below(3) == 0 {
            self.times.late = (1 + rng.below(4), lengths[rng.below(3)]);
        }
        if rng.below(4) == 0 {
            self.times.suspended = (1, lengths[1 + rng.below(2)]);
        }
        for end in [0, 1] {
            let secs = |rng: &mut Rng| Duration::from_secs(1 + rng.next() % 100);
            self.weather.slow[end] = match rng.below(8) {
                0 => Some(Slow::Stops(rng.below(4000), None)),
                1 => Some(Slow::Stops(rng.below(4000), Some(secs(rng)))),
                2 => Some(Slow::Drips(rng.below(400))),
                _ => None,
            };
            if rng.below(6) == 0 {
                self.habits[end].deaf = Some((Duration::from_millis(rng.next() % 1000), secs(rng)));
            }
            if rng.below(8) == 0 {
                self.configs[end].limits.output_high_water = 0;
            }
            // The deadlines of the blocking shell use another clock.
            if self.kinds[end].has_virtual_time() {
                let timers = &mut self.configs[end].timers;
                *timers = Self::timers(rng);
                self.habits[end].measures = timers.keepalive.is_none();
            }
        }
        // A stalled stream is one that is full.
        if !self.kinds.contains(&Kind::Blocking) && rng.below(2) == 0 {
            self.weather.capacity = [300, 3000, 50_000][rng.below(3)];
        }
        self
    }

    fn timers(rng: &mut Rng) -> Timers {
        let extreme = rng.below(3) == 0;
        let mut pick = |usual: Option<u64>, is_off: usize| match rng.below(if extreme { 12 } else { 8 }) {
            0 => Some(Duration::from_secs(1 + rng.next() % 60)),
            1 => Some(Duration::from_millis(50 + rng.next() % 5000)),
            2 if is_off == 0 => None,
            8 => Some(Duration::ZERO),
            9 => Some(Duration::from_nanos(1)),
            10 => Some(Duration::MAX),
            _ => usual.map(Duration::from_secs),
        };
        let mut timers = Timers::new();
        timers.close = pick(Some(5), 0);
        timers.write = pick(Some(30), 0);
        timers.message = pick(Some(30), 0);
        timers.pong = pick(Some(20), 0);
        timers.idle = pick(None, 1);
        timers.keepalive = pick(None, 1);
        if extreme {
            timers.handshake = [timers.handshake, Some(Duration::MAX), None, Some(Duration::ZERO)][rng.below(4)];
        }
        timers
    }

    fn config(rng: &mut Rng, kind: Kind, quick: bool, limited: bool, deflate: usize) -> Config {
        let timers = match rng.below(3) {
            // Slow must not be mistaken for dead.
            _ if !quick => Timers::new().close(Duration::from_secs(3000)),
            0 => Timers::new(),
            1 => Timers::new().keepalive(Duration::from_secs(7)),
            _ => Timers::new()
                .keepalive(Duration::from_secs(4))
                .idle(Duration::from_secs(60)),
        };
        let mut limits = Limits::new().output_high_water([64 << 10, 3000, 1][rng.below(3)]);
        limits.max_message_size = if limited { 3000 } else { 1 << 20 };
        let config = Config::new()
            .timers(timers)
            .limits(limits)
            .delivery(match rng.below(2) {
                0 if !kind.is_sink() => Delivery::Fragments,
                _ => Delivery::Messages,
            })
            .entropy(Arc::new(SeededEntropy::new(rng.next())));
        with_deflate(config, deflate)
    }

    /// A short conversation over a good network.
    pub fn short(kinds: [Kind; 2], seed: u64, buffers: bool) -> Self {
        let habits = |end: usize| Habits {
            ops: 4,
            closes: end == 0,
            pause: Duration::from_millis(2),
            longest: 200,
            pongs: false,
            measures: false,
            deaf: None,
        };
        let config = |end: u64| {
            let config = Config::new().entropy(Arc::new(SeededEntropy::new(end)));
            with_deflate(config, (seed % 5) as usize)
        };
        Self {
            seed,
            kinds,
            configs: [config(1), config(2)],
            habits: [habits(0), habits(1)],
            weather: Weather {
                capacity: 1 << 20,
                delay: Duration::from_millis(1),
                pauses: 0,
                cuts: false,
                vectored: false,
                buffers,
                keeps: seed % 2 == 0,
                slow: [None; 2],
            },
            faults: [None; 2],
            direct: seed % 3 == 0,
            times: PUNCTUAL,
            harsh: false,
            limited: false,
            weighs: false,
        }
    }

    pub fn weighed(self) -> Self {
        Self { weighs: true, ..self }
    }

    pub fn fault(mut self, end: usize, at: usize, fault: Fault) -> Self {
        self.faults[end] = Some((at, fault));
        self
    }
}

#[cfg(feature = "deflate")]
fn with_deflate(config: Config, kind: usize) -> Config {
    use websocket_proto::DeflateConfig;

    let deflate = match kind {
        0 => return config,
        1 => DeflateConfig::new(),
        2 => DeflateConfig::context_takeover(),
        3 => DeflateConfig::context_takeover().server_max_window_bits(15).level(1),
        _ => DeflateConfig::context_takeover().client_max_window_bits(9),
    };
    config.deflate(deflate.threshold(20))
}

#[cfg(not(feature = "deflate"))]
fn with_deflate(config: Config, _: usize) -> Config {
    config
}
