//! Reads real streams over real sockets: the embedded Kinesis, and a second emulator written by others.

#[cfg(test)]
mod kinesis {
    mod ends;
    mod errors;
    mod faults;
    mod positions;
    mod protocol;
    mod proxy;
    mod reading;
    mod reshard;
    mod servers;
    mod shards;
    mod through_the_loop;
}
