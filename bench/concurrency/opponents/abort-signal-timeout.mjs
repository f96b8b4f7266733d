// AbortSignal.timeout() and a listener that is removed again, as an operation that takes a signal
// has it. This opponent has a timeout only.
const operation = async () => {
  await null;
  return 1;
};

export const name = 'AbortSignal.timeout';

/** @type {Record<string, (n: number) => Promise<unknown>>} */
export const cases = {
  async timeout(n) {
    for (let i = 0; i < n; i++) {
      const signal = AbortSignal.timeout(10_000);
      const onAbort = () => undefined;
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        await operation();
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    }
  },
};
