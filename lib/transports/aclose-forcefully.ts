import type { AsyncBackend } from '../contract/backend';

/**
 * Closes without waiting: `aclose` in a scope that is cancelled already. What was not sent is
 * dropped.
 *
 * No checkpoint: it is not felt if a scope around the caller is cancelled too. An error of `aclose`
 * itself goes on.
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
