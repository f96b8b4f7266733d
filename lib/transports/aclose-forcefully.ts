import type { AsyncBackend } from '../contract/backend';

/**
 * Closes without waiting, by `aclose` in a scope that is already cancelled. Data that was not sent
 * yet is dropped. If a TCP connection has unread input, the peer gets a reset.
 *
 * Not a checkpoint: it works in a cancelled scope, too. Rejects with the error of `aclose`, if that
 * is not the cancellation.
 *
 * @example
 * const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
 * await acloseForcefully(listener);
 * console.log(listener.isClosing()); // → true
 */
export async function acloseForcefully(resource: {
  aclose(): Promise<void>;
  backend(): AsyncBackend;
}): Promise<void> {
  const backend = resource.backend();
  await backend.ignoreCancellation(async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(() => resource.aclose());
  });
}
