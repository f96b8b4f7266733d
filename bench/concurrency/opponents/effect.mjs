// effect, which has no condition.
/** @param {any} library */
export function opponent({ Effect, Fiber, Deferred, Semaphore }) {
  const operation = Effect.promise(async () => {
    await null;
    return 1;
  });
  const resolved = Effect.promise(() => Promise.resolve());

  const cascade =
    (/** @type {number} */ width, /** @type {number} */ depth) => (/** @type {number} */ n) =>
      Effect.gen(function* () {
        for (let i = 0; i < n; i++) {
          const ready = yield* Deferred.make();
          let asleep = 0;
          const nest = (/** @type {number} */ level) =>
            level > 0
              ? Effect.scoped(Effect.suspend(() => nest(level - 1)))
              : Effect.suspend(() =>
                  ++asleep === width
                    ? Effect.andThen(Deferred.succeed(ready, undefined), Effect.never)
                    : Effect.never,
                );
          const top = yield* Effect.forkChild(
            Effect.gen(function* () {
              for (let task = 0; task < width; task++) yield* Effect.forkChild(nest(depth));
              yield* Effect.never;
            }),
          );
          yield* Deferred.await(ready);
          yield* Fiber.interrupt(top);
        }
      });

  const both = (/** @type {(first: boolean) => any} */ player) =>
    Effect.all([player(true), player(false)], { concurrency: 'unbounded' });

  /** @type {Record<string, (n: number) => any>} */
  const work = {
    scope: (n) =>
      Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* Effect.scoped(Effect.void);
      }),
    timeout: (n) =>
      Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* Effect.timeout(operation, 10_000);
      }),
    spawn: (n) =>
      Effect.gen(function* () {
        for (let done = 0; done < n; done += 1_000) {
          const fibers = [];
          for (let i = 0; i < 1_000; i++)
            fibers.push(yield* Effect.forkChild(Effect.sync(() => i)));
          for (const fiber of fibers) yield* Fiber.join(fiber);
        }
      }),
    cascade10x5: cascade(10, 5),
    cascade100x10: cascade(100, 10),
    lock: (n) =>
      Effect.gen(function* () {
        const lock = yield* Semaphore.make(1);
        yield* both(() =>
          Effect.gen(function* () {
            for (let i = 0; i < n; i += 2) yield* lock.withPermits(1)(resolved);
          }),
        );
      }),
    event: (n) =>
      Effect.gen(function* () {
        let mine = yield* Deferred.make();
        let other = yield* Deferred.make();
        yield* Deferred.succeed(mine, undefined);
        yield* both((first) =>
          Effect.gen(function* () {
            for (let i = 0; i < n; i += 2) {
              if (first) {
                yield* Deferred.await(mine);
                mine = yield* Deferred.make();
                yield* Deferred.succeed(other, undefined);
              } else {
                yield* Deferred.await(other);
                other = yield* Deferred.make();
                yield* Deferred.succeed(mine, undefined);
              }
            }
          }),
        );
      }),
  };

  return {
    name: 'effect',
    cases: Object.fromEntries(
      Object.entries(work).map(([key, body]) => [
        key,
        (/** @type {number} */ n) => Effect.runPromise(body(n)),
      ]),
    ),
    async sleepers(/** @type {number} */ count) {
      let fiber;
      await new Promise((resolve) => {
        fiber = Effect.runFork(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* Effect.forkChild(Effect.never);
            resolve(undefined);
            yield* Effect.never;
          }),
        );
      });
      return () => Effect.runPromise(Fiber.interrupt(fiber));
    },
  };
}
