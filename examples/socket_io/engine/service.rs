//! What is built on Engine.IO.

use super::{Data, Engine, Key, Reason};
use crate::timers::Time;

/// What is built on Engine.IO.
pub trait Service: Send + Sized + 'static {
    /// A session has begun. What is sent now follows the handshake.
    fn opened(&mut self, engine: &mut Engine, session: Key);

    /// A message was received. The messages of a session arrive in order.
    fn received(&mut self, engine: &mut Engine, session: Key, data: Data<'_>);

    /// A session has ended. This is called once for each.
    fn ended(&mut self, engine: &mut Engine, session: Key, reason: Reason);

    /// Returns the service's own next deadline.
    fn deadline(&self) -> Option<Time> {
        None
    }

    /// Fires due timers.
    fn handle_timeout(&mut self, engine: &mut Engine) {
        let _ = engine;
    }
}
