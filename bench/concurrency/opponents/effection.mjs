/* eslint-disable require-yield -- an operation may have nothing to wait for */
// effection, which has no lock and no condition.
/** @param {any} effection */
export function opponent({ run, scoped, spawn, call, race, sleep, suspend, withResolvers }) {
  const operation = async () => {
    await null;
    return 1;
  };
  function* nothing() {}

  const cascade = (/** @type {number} */ width, /** @type {number} */ depth) =>
    function* (/** @type {number} */ n) {
      for (let i = 0; i < n; i++) {
        const ready = withResolvers();
        let asleep = 0;
        const nest = function* (/** @type {number} */ level) {
          if (level > 0) {
            yield* scoped(() => nest(level - 1));
            return;
          }
          if (++asleep === width) ready.resolve();
          yield* suspend();
        };
        const top = yield* spawn(function* () {
          for (let task = 0; task < width; task++) yield* spawn(() => nest(depth));
          yield* suspend();
        });
        yield* ready.operation;
        yield* top.halt();
      }
    };

  /** @type {Record<string, (n: number) => Generator<any, void, any>>} */
  const work = {
    *scope(n) {
      for (let i = 0; i < n; i++) yield* scoped(nothing);
    },
    *timeout(n) {
      for (let i = 0; i < n; i++) yield* race([call(operation), sleep(10_000)]);
    },
    *spawn(n) {
      for (let done = 0; done < n; done += 1_000) {
        yield* scoped(function* () {
          const tasks = [];
          for (let i = 0; i < 1_000; i++) {
            tasks.push(
              yield* spawn(function* () {
                return i;
              }),
            );
          }
          for (const task of tasks) yield* task;
        });
      }
    },
    cascade10x5: cascade(10, 5),
    cascade100x10: cascade(100, 10),
    *event(n) {
      let mine = withResolvers();
      let other = withResolvers();
      mine.resolve();
      const player = (/** @type {boolean} */ first) =>
        function* () {
          for (let i = 0; i < n; i += 2) {
            if (first) {
              yield* mine.operation;
              mine = withResolvers();
              other.resolve();
            } else {
              yield* other.operation;
              other = withResolvers();
              mine.resolve();
            }
          }
        };
      yield* scoped(function* () {
        const tasks = [yield* spawn(player(true)), yield* spawn(player(false))];
        for (const task of tasks) yield* task;
      });
    },
  };

  return {
    name: 'effection',
    cases: Object.fromEntries(
      Object.entries(work).map(([key, body]) => [
        key,
        (/** @type {number} */ n) => run(() => body(n)),
      ]),
    ),
    async sleepers(/** @type {number} */ count) {
      let task;
      await new Promise((resolve) => {
        task = run(function* () {
          for (let i = 0; i < count; i++) yield* spawn(() => suspend());
          resolve(undefined);
          yield* suspend();
        });
        task.catch(() => undefined);
      });
      return () => task.halt();
    },
  };
}
