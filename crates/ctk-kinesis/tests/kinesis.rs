//! Reads real streams over real sockets: the embedded Kinesis, and a second emulator written by others.

#[cfg(test)]
mod kinesis {
    mod differences;
    mod ends;
    mod errors;
    mod fan_out;
    mod faults;
    mod loss;
    mod positions;
    mod protocol;
    mod proxy;
    mod reading;
    mod reshard;
    mod servers;
    mod shards;
    mod through_the_loop;
}
