//! Runnable examples of the Larkspur SDK; they are in `examples/`, one program each.
