//! A server that tasks share: one lock, and one task that keeps the time of all sessions.
//!
//! The lock is held while a message is handled, and never across an await. Handlers run one at a time, as in the reference,
//! so an application needs no locks of its own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    sync::Notify,
    task::{AbortHandle, yield_now},
    time::sleep_until,
};

use crate::{
    engine::{Engine, Service, Settings},
    timers::Time,
};

/// A server of Engine.IO and what is built on it.
pub struct Hub<S> {
    state: Mutex<State<S>>,
    settings: Settings,
    start: Instant,
    /// Notified when a deadline is earlier than the one that the clock waits for.
    sooner: Notify,
}

struct State<S> {
    engine: Engine,
    service: S,
    /// When the clock wakes up by itself.
    alarm: Option<Time>,
}

impl<S> std::fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The task that keeps the time; it ends when this is dropped.
#[derive(Debug)]
pub struct Clock(AbortHandle);

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<S: Service> Hub<S> {
    /// Creates a server, and starts its clock.
    ///
    /// # Panics
    ///
    /// Panics if called outside of a tokio runtime.
    #[must_use]
    pub fn new(settings: Settings, service: S) -> (Arc<Self>, Clock) {
        let hub = Arc::new(Self {
            state: Mutex::new(State {
                engine: Engine::new(settings),
                service,
                alarm: None,
            }),
            settings,
            start: Instant::now(),
            sooner: Notify::new(),
        });
        let clock = tokio::spawn(keep_time(Arc::clone(&hub)));
        (hub, Clock(clock.abort_handle()))
    }

    /// Returns the settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Calls `change` with the state, then reports the sessions that have ended, and has the clock follow.
    pub fn with<R>(&self, change: impl FnOnce(&mut Engine, &mut S) -> R) -> R {
        let mut state = self.lock();
        let state = &mut *state;
        state.engine.set_now(self.start.elapsed());
        let result = change(&mut state.engine, &mut state.service);
        while let Some((key, reason)) = state.engine.next_ended() {
            state.service.ended(&mut state.engine, key, reason);
        }
        let next = state.next();
        if next.is_some_and(|next| state.alarm.is_none_or(|alarm| next < alarm)) {
            state.alarm = next;
            self.sooner.notify_one();
        }
        result
    }

    /// Closes all sessions in an orderly way: what is queued is still sent.
    pub fn close_all(&self) {
        self.with(|engine, _| engine.close_all());
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Service> State<S> {
    fn next(&self) -> Option<Time> {
        let (engine, service) = (self.engine.deadline(), self.service.deadline());
        match (engine, service) {
            (Some(engine), Some(service)) => Some(engine.min(service)),
            (one, other) => one.or(other),
        }
    }
}

/// Fires due timers, one time after the other.
async fn keep_time<S: Service>(hub: Arc<Hub<S>>) {
    loop {
        let next = {
            let mut state = hub.lock();
            state.alarm = state.next();
            state.alarm
        };
        match next.map(|next| hub.start + next) {
            Some(alarm) => tokio::select! {
                () = sleep_until(alarm.into()) => {}
                () = hub.sooner.notified() => continue,
            },
            None => {
                hub.sooner.notified().await;
                continue;
            }
        }
        // What has arrived by now is received before a client is judged to be silent: this task goes on after those that
        // the same turn of the runtime finds ready.
        yield_now().await;
        hub.with(|engine, service| {
            engine.handle_timeout();
            service.handle_timeout(engine);
        });
    }
}
