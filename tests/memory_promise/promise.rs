//! What the shells add to [`Config::worst_case`], as `src/guide/memory.md` says.

use websocket_proto::{Config, Role};

/// Bytes of the buffers that a shell lends to a connection that is not waiting: one to receive into, and in the async shells one
/// to queue in, which may have grown to twice its size.
pub const SHELL_BUFFER: usize = 3 * ((64 << 10) + 512);

/// Receive buffers that a process keeps for all its connections together.
pub const SPARE_BUFFERS: usize = 16;

/// What a connection of a shell uses at most, whatever its peer does. Halves that write without a lock may have a
/// second queue.
pub fn in_a_shell(config: &Config, role: Role, largest: usize) -> usize {
    let one = config.worst_case(role, largest);
    let queue = one.held
        - Config::clone(config)
            .limits(config.limits.output_high_water(1))
            .worst_case(role, 0)
            .held;
    one.total() + 2 * queue + SHELL_BUFFER
}
