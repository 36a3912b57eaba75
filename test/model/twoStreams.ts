// Before the engine starts: one thread within an op and two ops at a time, as on a machine of two cores.
process.env.ALIGNLAB_INTRA_OP_THREADS = "1";
process.env.ALIGNLAB_INTER_OP_THREADS = "2";
