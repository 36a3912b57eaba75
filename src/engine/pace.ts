/** Does something at most once in a while: the last request is never lost, only delayed. */
export interface Pace {
  /** Asks for it: done now, or once the pause since the last time is over. Throws what a delayed turn threw. */
  request(): void;
  /** Forgets a request that still waits. */
  cancel(): void;
}

/** Paces `act` to once every `every` milliseconds. The waiting timer does not keep the process alive. */
export function paced(every: number, act: () => void): Pace {
  let last = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let failure: { error: unknown } | undefined;
  const run = (): void => {
    act();
    last = Date.now();
  };
  // An error thrown out of a timer would end the process, and with it the run that the chart or bar only watches.
  const runLater = (): void => {
    timer = undefined;
    try {
      run();
    } catch (error) {
      failure = { error };
    }
  };
  return {
    request() {
      if (failure) throw failure.error;
      if (timer) return;
      // The clock may be set back meanwhile; the pause is never longer for that.
      const wait = Math.min(every, last + every - Date.now());
      if (wait <= 0) run();
      else timer = setTimeout(runLater, wait).unref();
    },
    cancel() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
