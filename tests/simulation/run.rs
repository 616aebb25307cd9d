//! One run: a scenario, its two endpoints, and the loop that advances them.

use std::{cell::RefCell, rc::Rc, time::Duration};

use websocket_proto::Role;

use crate::{
    application::Application,
    clock,
    endpoint::{Endpoint, Kind},
    invariants,
    network::{Fault, Network},
    promises::{self, Pace},
    rng::Rng,
    scenario::Scenario,
};

/// The idle time after which the applications are asked to close: Pings may keep a connection alive for ever.
const PATIENCE: Duration = Duration::from_secs(400);

/// A scenario in progress.
pub struct Run {
    rng: Rng,
    network: Rc<RefCell<Network>>,
    ends: [Endpoint; 2],
    scenario: Scenario,
    /// The time of the last action from outside.
    last_cause: Duration,
    pace: Pace,
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
            let mut endpoint = Endpoint::new(kind, (&network, pipe), config.clone(), application, scenario.direct);
            endpoint.observer.is_exact = scenario.weather.pauses == 0;
            if let Some((from, length)) = habits.deaf {
                endpoint.observer.late.push((from + length, length));
            }
            endpoint
        });
        Self {
            rng,
            network,
            ends,
            scenario: scenario.clone(),
            last_cause: Duration::ZERO,
            pace: Pace::default(),
        }
    }

    /// Runs to the end, and checks the invariants. Returns whether the operation with the fault was reached.
    pub fn finish(mut self) -> bool {
        // First the applications act on their own. Then those that still wait are asked to close, which time ends at the latest;
        // where there are no deadlines, the system gives up instead.
        for patience in 0.. {
            let since = clock::now();
            loop {
                while self.poll_one() {}
                self.look_around();
                let is_long = patience < 2 && clock::now() > since.max(self.last_op()) + PATIENCE;
                if is_long || self.ends.iter().all(Endpoint::is_gone) || !self.advance() {
                    break;
                }
            }
            if self.ends.iter().all(Endpoint::is_gone) {
                break;
            }
            assert!(
                patience < 3,
                "a hang: nothing will wake {:?}",
                self.ends
                    .each_ref()
                    .map(|end| (end.kind, end.is_gone(), end.application.ended))
            );
            self.intervene(patience);
        }
        self.check();
        self.network.borrow().has_met()
    }

    /// The time of an application's last action.
    fn last_op(&self) -> Duration {
        let [one, other] = self.ends.each_ref().map(|end| end.application.last_op);
        one.max(other)
    }

    /// Lets time pass until something happens, or beyond.
    fn advance(&mut self) -> bool {
        let (often, longest) = self.scenario.times.suspended;
        let mut past = Duration::ZERO;
        if often > 0 && self.rng.below(64) < often {
            past = self.up_to(longest);
        }
        if !clock::advance(past) {
            return false;
        }
        if past > Duration::ZERO {
            for end in &mut self.ends {
                end.observer.late.push((clock::now(), past));
            }
        }
        true
    }

    /// A time that is often much shorter than the longest.
    fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).expect("a few hours") >> self.rng.below(16);
        Duration::from_micros(1 + self.rng.next() % (micros + 1))
    }

    fn poll_one(&mut self) -> bool {
        let mut running = Vec::new();
        for n in [0, 1] {
            let (often, longest) = self.scenario.times.late;
            let mut late = Vec::new();
            for _ in 0..2 {
                let is_late = often > 0 && self.rng.below(16) < often;
                late.push(if is_late { self.up_to(longest) } else { Duration::ZERO });
            }
            let tasks = self.ends[n].running(|| late.pop().expect("one for each task"));
            running.extend(tasks.into_iter().map(|task| (n, task)));
        }
        let Some(&(end, task)) = running.get(self.rng.below(running.len().max(1))) else {
            return false;
        };
        self.ends[end].poll(task);
        self.pace.polled(self.network.borrow().moves());
        true
    }

    /// The invariants while all tasks wait.
    fn look_around(&mut self) {
        for end in self.ends.iter().filter(|end| !end.is_gone() && !end.application.ended) {
            if end.kind.has_virtual_time() {
                end.observer.is_not_overdue();
            }
        }
        // A stream that defers an operation for no reason may have its data after all, and one more operation may be the one that
        // fails.
        let mut faults = self.scenario.faults.iter().flatten();
        let is_settled = faults.all(|(_, fault)| *fault != Fault::Waits && self.network.borrow().has_met());
        let is_prompt = self.scenario.weather.pauses == 0 && is_settled;
        if !is_prompt || clock::is_due() || self.rng.below(8) > 0 {
            return;
        }
        for (n, end) in self.ends.iter_mut().enumerate() {
            // What a blocking shell waits for is not visible. A write to a peer that has left reports that before the end
            // arrives.
            if end.kind == Kind::Blocking || end.application.asks_for_room || self.network.borrow().has_left(1 - n) {
                continue;
            }
            for task in end.tasks(false) {
                let before = end.application.progress();
                let written = |network: &Network| network.record(n).taken;
                let (has_written, sends) = (
                    written(&self.network.borrow()),
                    task == 1 && end.application.is_kept_waiting(),
                );
                end.poll(task);
                let after = end.application.progress();
                if sends {
                    // Output that a task waits to write can only be sent once the network accepts it, and then the task is woken.
                    let now = written(&self.network.borrow());
                    assert_eq!(has_written, now, "a sender was not woken");
                }
                let role = end.application.role;
                assert_eq!(
                    before, after,
                    "task {task} of {role:?} waited for something that had already happened"
                );
            }
        }
    }

    fn intervene(&mut self, patience: usize) {
        self.last_cause = clock::now();
        for (n, end) in self.ends.iter_mut().enumerate().filter(|(_, end)| !end.is_gone()) {
            if patience == 0 && !end.application.has_closed {
                end.application.ask_to_close();
                end.wake();
            } else if !end.kind.has_virtual_time() || !end.has_deadlines() {
                self.network.borrow_mut().give_up(n);
            }
        }
    }

    fn check(&self) {
        let network = self.network.borrow();
        let (is_bad, limited) = (network.has_failed() || self.scenario.harsh, self.scenario.limited);
        let failed = |end: &Endpoint| end.application.error.is_some();
        let any_failed = self.ends.iter().any(failed);
        let frames =
            [0, 1].map(|n| invariants::frames_are_valid(&self.ends[n], network.written(n), is_bad || any_failed));
        for n in [0, 1] {
            let (end, peer) = (&self.ends[n], &self.ends[1 - n]);
            invariants::errors_have_a_cause(end, is_bad || failed(peer), limited);
            invariants::messages_arrive_in_order(&end.application, &peer.application, end.closure.as_ref());
            invariants::pongs_answer_pings(&frames[n], &end.application, &frames[1 - n]);
            let record = network.record(n);
            invariants::closure_is_true(end, &frames[n]);
            promises::all_that_arrived_is_delivered(end, record, limited);
            promises::pings_keep_the_interval(end, record, network.written(n), &self.scenario.configs[n].timers);
            promises::output_is_bounded(end, &self.scenario.configs[n].limits, self.scenario.habits[n].longest);
            if self.scenario.direct && end.kind.is_async() {
                promises::reads_are_bounded(end, record);
            }
            if self.scenario.weighs {
                let (config, largest) = (&self.scenario.configs[n], self.scenario.habits[n].longest);
                invariants::memory_is_bounded(end, config, largest);
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
        if self.scenario.harsh {
            return;
        }
        let most = self
            .scenario
            .configs
            .iter()
            .map(|config| invariants::longest_end(&config.timers));
        let took = clock::now().saturating_sub(self.last_op().max(self.last_cause));
        assert!(took <= most.sum(), "it took {took:?} to end");
    }
}
