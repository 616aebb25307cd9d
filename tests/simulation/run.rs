//! One run: a scenario, the two endpoints in it, and the loop that lets them go on.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use websocket_proto::{Config, Delivery, Limits, Role, Timers};

use crate::{
    application::{Application, Habits},
    clock,
    endpoint::{Endpoint, KINDS, Kind},
    invariants,
    network::{FAULTS, Fault, Network, Weather},
    rng::{Rng, SeededEntropy},
};

/// Polls that no run needs.
const MOST_POLLS: usize = 2_000_000;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Scenario {
    seed: u64,
    kinds: [Kind; 2],
    configs: [Config; 2],
    habits: [Habits; 2],
    weather: Weather,
    faults: [Option<(usize, Fault)>; 2],
    /// Whether the limits of an end are below what the other one sends.
    limited: bool,
    compresses: bool,
    /// Whether memory is looked at.
    weighs: bool,
}

/// A client and a server of all kinds: each with each.
pub fn pairs() -> impl Iterator<Item = ([Kind; 2], u64)> {
    let pairs = KINDS
        .iter()
        .flat_map(|&client| KINDS.iter().map(move |&server| [client, server]));
    // All pairs are the matter of release builds; otherwise each kind meets one other.
    let all = !cfg!(debug_assertions);
    let chosen = pairs
        .enumerate()
        .filter(move |(n, _)| all || n % (KINDS.len() + 1) == 1);
    chosen.map(|(n, kinds)| (kinds, n as u64))
}

impl Scenario {
    /// Everything by chance.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let kinds = [(); 2].map(|()| KINDS[rng.below(KINDS.len())]);
        let quick = rng.below(2) == 0;
        // The whole connection of the blocking shell does not read while it cannot write.
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
        };
        let limited = rng.below(8) == 0;
        let deflate = rng.below(5);
        let configs = [(); 2].map(|()| Self::config(&mut rng, quick, limited, deflate));
        let closers = rng.below(3);
        let habits = [0, 1].map(|end| Habits {
            ops: rng.below(30),
            closes: closers != 1 - end,
            pause: Duration::from_millis([0, 5, 300][rng.below(3)]),
            longest: if capacity < 1000 { 1500 } else { 30_000 },
            pongs: kinds[end] != Kind::Blocking,
        });
        let mut faults = [None; 2];
        if rng.below(3) == 0 {
            let at = 1 + rng.below(10) * rng.below(30);
            faults[rng.below(2)] = Some((at, FAULTS[rng.below(FAULTS.len())]));
        }
        Self {
            seed,
            kinds,
            configs,
            habits,
            weather,
            faults,
            limited,
            compresses: deflate > 0,
            weighs: false,
        }
    }

    fn config(rng: &mut Rng, quick: bool, limited: bool, deflate: usize) -> Config {
        let timers = match rng.below(3) {
            // Slow is not to be taken for dead.
            _ if !quick => Timers::new().close(Duration::from_secs(3000)),
            0 => Timers::new(),
            1 => Timers::new().keepalive(Duration::from_secs(7)),
            _ => Timers::new()
                .keepalive(Duration::from_secs(4))
                .idle(Duration::from_secs(60)),
        };
        let mut limits = Limits::new().output_high_water([64 << 10, 3000, 1][rng.below(3)]);
        limits.max_message_size = if limited { 3000 } else { 256 << 10 };
        let config = Config::new()
            .timers(timers)
            .limits(limits)
            .delivery([Delivery::Messages, Delivery::Fragments][rng.below(2)])
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
            },
            faults: [None; 2],
            limited: false,
            compresses: seed % 5 > 0,
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
        2 => DeflateConfig::with_takeover(),
        3 => DeflateConfig::with_takeover().server_max_window_bits(15).level(1),
        _ => DeflateConfig::with_takeover().client_max_window_bits(9),
    };
    config.deflate(deflate.threshold(20))
}

#[cfg(not(feature = "deflate"))]
fn with_deflate(config: Config, _: usize) -> Config {
    config
}

/// A scenario that is being played.
pub struct Run {
    rng: Rng,
    network: Rc<RefCell<Network>>,
    ends: [Endpoint; 2],
    scenario: Scenario,
    /// When somebody last did something from outside.
    last_cause: Duration,
}

impl Run {
    pub fn new(scenario: &Scenario) -> Self {
        clock::restart();
        let mut rng = Rng::new(scenario.seed ^ 0x5eed);
        let (network, pipes) = Network::new(Rng::new(rng.next()), scenario.weather, scenario.faults);
        let mut end = 0;
        let ends = pipes.map(|pipe| {
            let (kind, config, habits) = (scenario.kinds[end], &scenario.configs[end], scenario.habits[end]);
            let role = [Role::Client, Role::Server][end];
            end += 1;
            let application = Application::new(role, Rng::new(rng.next()), habits);
            Endpoint::new(kind, pipe, config.clone(), application)
        });
        Self {
            rng,
            network,
            ends,
            scenario: scenario.clone(),
            last_cause: Duration::ZERO,
        }
    }

    /// Plays to the end, and checks what must hold. Returns whether the operation came that was to go another way.
    pub fn finish(mut self) -> bool {
        let mut polls = 0;
        // First the applications are on their own. Then whoever still waits is asked to close, which is an end by time at
        // the latest; and in place of the blocking shell's deadlines the system gives up.
        for patience in 0.. {
            loop {
                while self.poll_one() {
                    polls += 1;
                    assert!(polls < MOST_POLLS, "a busy loop at {:?}", clock::now());
                }
                if self.ends.iter().all(Endpoint::is_gone) || !clock::advance() {
                    break;
                }
            }
            if self.ends.iter().all(Endpoint::is_gone) {
                break;
            }
            assert!(
                patience < 3,
                "a hang: nothing is there to wake {:?}",
                self.ends
                    .each_ref()
                    .map(|end| (end.kind, end.is_gone(), end.application.ended))
            );
            self.intervene(patience);
        }
        self.check();
        self.network.borrow().has_met()
    }

    fn poll_one(&mut self) -> bool {
        let ends = self.ends.iter().enumerate();
        let woken: Vec<(usize, usize)> = ends
            .flat_map(|(n, end)| end.woken().map(move |task| (n, task)))
            .collect();
        let Some(&(end, task)) = woken.get(self.rng.below(woken.len().max(1))) else {
            return false;
        };
        self.ends[end].poll(task);
        true
    }

    fn intervene(&mut self, patience: usize) {
        self.last_cause = clock::now();
        for (n, end) in self.ends.iter_mut().enumerate().filter(|(_, end)| !end.is_gone()) {
            if patience == 0 && !end.application.has_closed {
                end.application.ask_to_close();
                end.wake();
            } else if !end.has_virtual_time() {
                self.network.borrow_mut().give_up(n);
            }
        }
    }

    fn check(&self) {
        let network = self.network.borrow();
        let (is_bad, limited) = (network.has_failed(), self.scenario.limited);
        let failed = |end: &Endpoint| end.application.error.is_some();
        let any_failed = self.ends.iter().any(failed);
        let frames =
            [0, 1].map(|n| invariants::frames_are_valid(&self.ends[n], network.written(n), is_bad || any_failed));
        for n in [0, 1] {
            let (end, peer) = (&self.ends[n], &self.ends[1 - n]);
            invariants::errors_have_a_cause(end, is_bad || failed(peer), limited);
            invariants::messages_arrive_in_order(&end.application, &peer.application, end.closure.as_ref());
            invariants::pongs_answer_pings(&frames[n], &end.application, &frames[1 - n]);
            invariants::closure_is_true(end, &frames[n]);
            if self.scenario.weighs {
                let (config, largest) = (&self.scenario.configs[n], self.scenario.habits[n].longest);
                invariants::memory_is_bounded(end, config, largest, self.scenario.compresses);
            }
            if !is_bad && !any_failed {
                assert_eq!(invariants::closes(&frames[n]), 1, "{:?}", end.kind);
                assert!(
                    end.closure.as_ref().is_some_and(|closure| closure.clean),
                    "{:?}",
                    end.closure
                );
            }
        }
        if let [Some(client), Some(server)] = self.ends.each_ref().map(|end| end.closure.as_ref()) {
            if client.clean && server.clean {
                invariants::closures_agree(client, server);
            }
        }
        let did = self
            .ends
            .iter()
            .map(|end| end.application.last_op)
            .max()
            .unwrap_or_default();
        let most = self
            .scenario
            .configs
            .iter()
            .map(|config| invariants::longest_end(&config.timers));
        let took = clock::now().saturating_sub(did.max(self.last_cause));
        assert!(took <= most.sum(), "it took {took:?} to end");
    }
}
