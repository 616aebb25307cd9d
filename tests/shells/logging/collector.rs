//! A subscriber that keeps every event of this crate as a line.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The events that `act` causes in this thread, and in what it awaits: level, target, message, and the fields in order.
pub(crate) fn collect<T>(act: impl FnOnce() -> T) -> (Vec<String>, T) {
    let collector = Collector::default();
    let lines = Arc::clone(&collector.lines);
    let result = tracing::subscriber::with_default(collector, act);
    let lines = std::mem::take(&mut *lines.lock().expect("no panic while a line is added"));
    (lines, result)
}

#[derive(Default)]
struct Collector {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("websocket_proto")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        let target = metadata.target().strip_prefix("websocket_proto::").unwrap_or("?");
        let text = format!("{} {target}: {}{}", metadata.level(), line.message, line.fields);
        self.lines.lock().expect("no panic while a line is added").push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.expect("a `String` takes everything");
    }
}
